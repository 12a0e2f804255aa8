"""Translates errors of the operating system into the sidecar's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sidecar.errors import (
    ArchiveRefused,
    Cancelled,
    EntryFailed,
    NotEnoughSpace,
    Refused,
    SidecarError,
    SourceFailed,
    cause_of,
)
from sidecar.restore.reading.limits import DEFAULT_LIMITS
from sidecar.restore.reading.member_paths import shown
from trees.limits import NO_ROOM

_BY_CODE: dict[str, type[SidecarError]] = {
    error.code: error for error in (ArchiveRefused, Cancelled, NotEnoughSpace, Refused, SourceFailed)
}


def failure_named(error: BaseException, root: int | Path) -> SidecarError:
    """Given the error that stopped an extraction, and the data root or its descriptor, return an error with a stable
    code. It names no path of the machine.
    """
    if isinstance(error, SidecarError):
        return error
    if isinstance(error, OSError):
        if error.errno in NO_ROOM:
            return no_room(root, Need(DEFAULT_LIMITS.reserve_bytes), error)  # only staging takes more
        return _source_failed(error)
    return SidecarError(f"unexpected {type(error).__name__}")


def _source_failed(error: OSError) -> SourceFailed:
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    if not isinstance(error, EntryFailed):
        return SourceFailed(f"the data volume failed: {reason}")
    path = shown(error.path or b".")
    failure = SourceFailed(f"the data volume failed at {path}: {reason}")
    failure.params = cause_of(error, path)
    return failure


@dataclass(frozen=True, slots=True)
class Need:
    """The room needed: bytes of content, and number of files and folders."""

    bytes: int = 0
    files: int = 0


def no_room(root: int | Path, need: Need, error: OSError | None = None) -> NotEnoughSpace:
    """The error of a full data volume, either for the need plus the reserve, or by the system's `error`. Reads the free
    room now.
    """
    failure = NotEnoughSpace("the data volume has no room left")
    free_bytes = 0
    with contextlib.suppress(OSError):
        volume = os.statvfs(root)
        free_bytes = volume.f_bavail * volume.f_frsize
        if volume.f_files and volume.f_favail < max(need.files, 1):
            failure.params = {"needed_files": max(need.files, 1), "free_files": volume.f_favail}
            return failure
    if error is not None and error.errno in NO_ROOM and free_bytes >= need.bytes:
        failure.params = cause_of(error, shown(getattr(error, "path", b"") or b"."))
    else:
        failure.params = {"needed_bytes": need.bytes, "free_bytes": free_bytes}
    return failure


def failure_recalled(code: str, detail: str, params: Mapping[str, int | str]) -> SidecarError:
    """Rebuild an error from its code, detail and params in a journal."""
    error = _BY_CODE.get(code, SidecarError)(detail)
    error.params.update(params)
    return error


@contextlib.contextmanager
def failures_named(root: Path) -> Iterator[None]:
    """Raise an OSError of the block as one of the sidecar's errors."""
    try:
        yield
    except OSError as error:
        raise failure_named(error, root) from error
