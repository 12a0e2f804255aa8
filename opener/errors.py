"""Why the command ends without having done what it was asked."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the command answers its caller."""

    OK = 0
    DAMAGED = 1
    CANNOT = 2


class Cannot(Exception):
    """It cannot be done; the message is one line for the person who asked, and holds no secret."""
