"""The limits, the progress and the report of a restore."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from repository.errors import Damage, RepositoryLimitReached, TargetFailed, TargetFull
from trees.limits import CONTENT_BYTES_MAX, DEPTH_MAX, ENTRIES_MAX, NO_ROOM

_VOLUME_FAILED = frozenset({errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_DENIED = frozenset({errno.EACCES, errno.EPERM})
_NAME = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreLimits:
    """The limits of a restore: entries, bytes of content (without holes), names in a path."""

    entries: int = ENTRIES_MAX
    bytes: int = CONTENT_BYTES_MAX
    depth: int = DEPTH_MAX


@dataclass(frozen=True, slots=True)
class RestoreProgress:
    """The progress of a restore, in bytes of the files' data and in files. Matching live data counts as done."""

    bytes_done: int
    bytes_total: int
    files_done: int
    files_total: int


class FailureReason(StrEnum):
    """Why a path was not restored. A live path that failed is unchanged."""

    DAMAGED = Damage.code
    FOLDER_IN_THE_WAY = "folder_in_the_way"
    """A folder with content is in the place of a file, and `delete` was off."""
    RESERVED_NAME = "reserved_name"
    DENIED = "denied"
    NAME_REFUSED = "name_refused"
    """The target's filesystem does not allow that name."""
    FOLDER_FAILED = "folder_failed"
    """The folder above it could not be restored."""
    FIRST_LINK_FAILED = "first_link_failed"
    """The path is a hard link to a file that could not be restored."""
    COMPANION = "companion"
    """A companion of the file cannot be replaced, so the whole unit stays."""
    NO_FILE = "no_file"
    """The path is a device, FIFO or socket with the name of a companion."""
    TARGET_FAILED = TargetFailed.code


class Failure(NamedTuple):
    """A path that was not restored."""

    path: bytes
    reason: FailureReason


@dataclass(slots=True, kw_only=True)
class RestoreReport:
    """The result of a restore.

    `files_kept`: files that already had their content. `owners_left`, `xattrs_left`: owners and attributes that only
    root, or another filesystem, could have set. `removed`: deleted paths; a folder with its content counts once.
    """

    entries: int = 0
    files_written: int = 0
    files_kept: int = 0
    bytes_written: int = 0
    removed: int = 0
    owners_left: int = 0
    xattrs_left: int = 0
    failed: list[Failure] = field(default_factory=list)


class Tally:
    """Counts the work of a restore for its report; any thread may add to it."""

    def __init__(self, limits: RestoreLimits) -> None:
        self.report = RestoreReport()
        self.bytes_done = 0
        self.files_done = 0
        self._limits = limits
        self._failed: set[bytes] = set()
        self._lock = threading.Lock()

    def entry(self) -> None:
        """Count one entry that is made; raises `RepositoryLimitReached`."""
        self.report.entries += 1
        if self.report.entries > self._limits.entries:
            raise RepositoryLimitReached("the snapshot has more entries than the limit of the restore")

    def wrote(self, size: int) -> None:
        """Count bytes that were written; raises `RepositoryLimitReached`."""
        with self._lock:
            self.bytes_done += size
            self.report.bytes_written += size
            if self.report.bytes_written > self._limits.bytes:
                raise RepositoryLimitReached("the snapshot has more bytes than the limit of the restore")

    def kept(self, size: int) -> None:
        """Count bytes that the live file already had."""
        with self._lock:
            self.bytes_done += size

    def file(self, *, kept: bool) -> None:
        """Count a finished file."""
        with self._lock:
            self.files_done += 1
            if kept:
                self.report.files_kept += 1
            else:
                self.report.files_written += 1

    def left(self, *, owners: int = 0, xattrs: int = 0) -> None:
        """Count owners and attributes that could not be set."""
        with self._lock:
            self.report.owners_left += owners
            self.report.xattrs_left += xattrs

    def fail(self, path: bytes, reason: FailureReason) -> None:
        """List a path that is not restored; the first reason of a path counts."""
        with self._lock:
            if path not in self._failed:
                self._failed.add(path)
                self.report.failed.append(Failure(path, reason))

    def has_failed(self, path: bytes) -> bool:
        """Whether a path is listed as failed."""
        return path in self._failed

    @contextmanager
    def failing(self, path: bytes) -> Iterator[None]:
        """List the path as failed on an OSError that concerns it alone; raises as `reason_of`."""
        try:
            yield
        except OSError as error:
            self.fail(path, reason_of(error))


def reason_of(error: OSError) -> FailureReason:
    """Why a single path failed. Raises `TargetFull`, `TargetFailed` for errors of the whole target."""
    if error.errno in NO_ROOM:
        raise TargetFull("the target is full") from error
    if error.errno in _VOLUME_FAILED:
        raise TargetFailed(f"the target cannot be written: {error.strerror}") from error
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR):
        return FailureReason.FOLDER_IN_THE_WAY
    if error.errno in _DENIED:
        return FailureReason.DENIED
    return FailureReason.NAME_REFUSED if error.errno in _NAME else FailureReason.TARGET_FAILED
