"""What an API token may be narrowed to: the same words as the rights on an order."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """One thing a token may do, if its user may."""

    VIEW = "view"
    CREATE = "create"
    RESTORE = "restore"
    DELETE = "delete"
    DOWNLOAD = "download"
    MANAGE = "manage"
