"""Which of the sidecar's errors an operating system's error is."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from sidecar.errors import ArchiveRefused, Cancelled, NotEnoughSpace, Refused, SidecarError, SourceFailed

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_BY_CODE: dict[str, type[SidecarError]] = {
    error.code: error for error in (ArchiveRefused, Cancelled, NotEnoughSpace, Refused, SourceFailed)
}


def failure_named(error: BaseException) -> SidecarError:
    """Given whatever stopped an extraction, return it as an error with a stable code, naming no path of the machine."""
    if isinstance(error, SidecarError):
        return error
    if isinstance(error, OSError):
        if error.errno in NO_ROOM:
            return NotEnoughSpace("the data volume has no room left")
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        return SourceFailed(f"the data volume failed: {reason}")
    return SidecarError(f"unexpected {type(error).__name__}")


def failure_recalled(code: str, detail: str) -> SidecarError:
    """Given a code and a detail from a journal, return the error they were written from."""
    return _BY_CODE.get(code, SidecarError)(detail)


@contextlib.contextmanager
def failures_named() -> Iterator[None]:
    """Turn an OSError that leaves the block into the error it stands for."""
    try:
        yield
    except OSError as error:
        raise failure_named(error) from error
