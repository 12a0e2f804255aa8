"""What a restore may take, what it says while it runs, and what it did."""

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
    """The most that a restore makes: entries, bytes of content (holes take none), names in a path."""

    entries: int = ENTRIES_MAX
    bytes: int = CONTENT_BYTES_MAX
    depth: int = DEPTH_MAX


@dataclass(frozen=True, slots=True)
class RestoreProgress:
    """How far a restore is; what was right already counts as done. Bytes are those of the files' data."""

    bytes_done: int
    bytes_total: int
    files_done: int
    files_total: int


class FailureReason(StrEnum):
    """Why a path was not restored; whatever was there before is still there, whole."""

    DAMAGED = Damage.code
    FOLDER_IN_THE_WAY = "folder_in_the_way"
    """A folder that holds something is where a file should be, and nothing was to be deleted."""
    RESERVED_NAME = "reserved_name"
    DENIED = "denied"
    NAME_REFUSED = "name_refused"
    """The target cannot hold that name."""
    FOLDER_FAILED = "folder_failed"
    """The folder above it could not be restored."""
    FIRST_LINK_FAILED = "first_link_failed"
    """A hard link to a file that could not be restored."""
    COMPANION = "companion"
    """A file that belongs together with it has to stay, so that all of them stay."""
    NO_FILE = "no_file"
    """A device, FIFO or socket that belongs together with files."""
    TARGET_FAILED = TargetFailed.code


class Failure(NamedTuple):
    """A path that was not restored."""

    path: bytes
    reason: FailureReason


@dataclass(slots=True, kw_only=True)
class RestoreReport:
    """What a restore did.

    `files_kept` had their content already. `owners_left` and `xattrs_left` count what only root, or another
    filesystem, could have set. `removed` counts what the snapshot does not have, each folder with all it held as one.
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
    """The report as it grows; any thread may add to it."""

    def __init__(self, limits: RestoreLimits) -> None:
        self.report = RestoreReport()
        self.bytes_done = 0
        self.files_done = 0
        self._limits = limits
        self._failed: set[bytes] = set()
        self._lock = threading.Lock()

    def entry(self) -> None:
        """Count one thing that is made; raises `RepositoryLimitReached`."""
        self.report.entries += 1
        if self.report.entries > self._limits.entries:
            raise RepositoryLimitReached("the snapshot holds more entries than are to be restored")

    def wrote(self, size: int) -> None:
        """Count bytes that were written; raises `RepositoryLimitReached`."""
        with self._lock:
            self.bytes_done += size
            self.report.bytes_written += size
            if self.report.bytes_written > self._limits.bytes:
                raise RepositoryLimitReached("the snapshot holds more bytes than are to be restored")

    def kept(self, size: int) -> None:
        """Count bytes that were right already."""
        with self._lock:
            self.bytes_done += size

    def file(self, *, kept: bool) -> None:
        """Count a file that is done."""
        with self._lock:
            self.files_done += 1
            if kept:
                self.report.files_kept += 1
            else:
                self.report.files_written += 1

    def left(self, *, owners: int = 0, xattrs: int = 0) -> None:
        """Count what could not be set."""
        with self._lock:
            self.report.owners_left += owners
            self.report.xattrs_left += xattrs

    def fail(self, path: bytes, reason: FailureReason) -> None:
        """List a path that is not restored; one that is listed already stays as it is."""
        with self._lock:
            if path not in self._failed:
                self._failed.add(path)
                self.report.failed.append(Failure(path, reason))

    def has_failed(self, path: bytes) -> bool:
        """Whether a path is listed."""
        return path in self._failed

    @contextmanager
    def failing(self, path: bytes) -> Iterator[None]:
        """List the path when the filesystem refuses it; raises what concerns the whole target."""
        try:
            yield
        except OSError as error:
            self.fail(path, reason_of(error))


def reason_of(error: OSError) -> FailureReason:
    """Why a single path failed; raises `TargetFull`, `TargetFailed` where any other would fail as well."""
    if error.errno in NO_ROOM:
        raise TargetFull("the target is full") from error
    if error.errno in _VOLUME_FAILED:
        raise TargetFailed(f"the target cannot be written: {error.strerror}") from error
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR):
        return FailureReason.FOLDER_IN_THE_WAY
    if error.errno in _DENIED:
        return FailureReason.DENIED
    return FailureReason.NAME_REFUSED if error.errno in _NAME else FailureReason.TARGET_FAILED
