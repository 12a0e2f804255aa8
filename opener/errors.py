"""Errors and exit statuses of the command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit statuses of the command."""

    OK = 0
    DAMAGED = 1
    CANNOT = 2


class Cannot(Exception):
    """The command failed; the message is one line for the user, and holds no secret."""
