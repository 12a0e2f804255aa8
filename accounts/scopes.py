"""Scopes of API tokens, named like the rights on an order."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """One action that a token allows, if its user has the right."""

    VIEW = "view"
    CREATE = "create"
    RESTORE = "restore"
    DELETE = "delete"
    DOWNLOAD = "download"
    MANAGE = "manage"
