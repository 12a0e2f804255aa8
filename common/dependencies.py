"""The services that the portal depends on, and the error that says which of them is away."""

from __future__ import annotations

import errno
import logging
from typing import Final

from django.db import DatabaseError, InterfaceError, OperationalError
from redis.exceptions import RedisError

from common.errors import ApplicationError, CacheUnavailable, DatabaseUnavailable, PortalDiskUnwritable

RETRY_SECONDS: Final = 10
"""When an answer 503 asks its reader to come back."""

_READ_ONLY: Final = "25006"
"""PostgreSQL's code of a read-only server, such as a standby; its class is that of our own mistakes."""
_SQLITE_MISTAKE: Final = "SQLITE_ERROR"
"""SQLite's code of a wrong statement, such as one that names no table; its class is that of a full disk."""
_SQLITE_DISK: Final = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR_SHMSIZE")
"""SQLite's words of a disk that is full or may only be read; longer ones begin with them."""
_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def dependency_error(failure: BaseException | None) -> ApplicationError | None:
    """The error of the dependency whose absence made this failure, or None when it has another cause."""
    if failure is None:
        return None
    if getattr(failure.__cause__, "sqlite_errorname", "").startswith(_SQLITE_DISK):
        return PortalDiskUnwritable()
    if isinstance(failure, DatabaseError | InterfaceError) and _database_is_away(failure):
        return DatabaseUnavailable()
    if isinstance(failure, RedisError):
        return CacheUnavailable()
    if isinstance(failure, OSError) and failure.errno in _DISK:
        return PortalDiskUnwritable()
    return None


class DependencyFilter(logging.Filter):
    """Shortens the log of failures whose cause is an absent dependency: one line, without a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record, and keep it."""
        failure = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if failure is not None and (error := dependency_error(failure)) is not None:
            cause = next(iter(str(failure).splitlines()), type(failure).__name__)
            record.msg, record.args = "%s: %s: %s", (record.getMessage(), error.code, cause)
            record.exc_info = record.exc_text = None
        return True


def _database_is_away(failure: DatabaseError | InterfaceError) -> bool:
    cause = failure.__cause__
    if getattr(cause, "sqlite_errorname", "") == _SQLITE_MISTAKE:
        return False
    return isinstance(failure, OperationalError | InterfaceError) or getattr(cause, "sqlstate", "") == _READ_ONLY
