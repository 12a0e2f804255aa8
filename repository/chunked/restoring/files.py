"""Files being restored: compared with the live file, built from its matching blocks and from fetched chunks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterable
from functools import partial

from repository.chunked.manifest.records import CHUNK_ID_SIZE, Record
from repository.chunked.manifest.stream import is_unchanged
from repository.chunked.restoring.folders import Folder, name_of
from repository.chunked.restoring.outcome import FailureReason, reason_of
from repository.chunked.restoring.parts import Part, Run, file_parts, write_at
from repository.chunked.restoring.target import Destination, RestoreRoot
from repository.chunked.restoring.workers import Task, Workers
from repository.errors import ManifestInvalid
from trees.beneath import open_for_reading
from trees.trust import identity_of, stat_from

# A changed file of up to this size is written anew: comparing and copying it would cost more.
SMALL_SIZE = 128 << 10
_FICLONE = 0x40049409  # linux/fs.h


RunAll = Callable[[Iterable[Task]], None]
"""Runs tasks until all have ended."""


def _in_turn(tasks: Iterable[Task]) -> None:
    for task in tasks:
        task()


class File:
    """A file being restored. `links`: number of hard links that follow it. `many`: large, or of several chunks."""

    __slots__ = (
        "failed", "fd", "folder", "links", "many", "name", "others", "parts", "pending", "place", "record", "settled"
    )  # fmt: skip

    def __init__(self, record: Record, others: list[Record], folder: Folder, links: int) -> None:
        self.record = record
        self.others = others
        self.folder = folder
        self.name = name_of(record.path)
        self.parts = file_parts(record, others)
        self.links = links
        self.many = record.size > SMALL_SIZE or len(self.parts[0].content.ids) > CHUNK_ID_SIZE
        self.pending = 0
        self.fd = -1
        self.place: Destination | None = None
        self.failed = False
        self.settled = False

    def data_size(self) -> int:
        """The size of the file in bytes without its holes."""
        parts = self.parts
        return parts[0].data_size() if len(parts) == 1 else sum(part.data_size() for part in parts)


class RestoredFiles:
    """Builds the files. Any thread may call `prepare` and `write`, but only one at a time for one file."""

    def __init__(self, target: RestoreRoot, workers: Workers) -> None:
        self._target = target
        self._tally = target.tally
        self._workers = workers
        self._lock = threading.Lock()

    def prepare(self, file: File, run: RunAll = _in_turn) -> None:
        """Compare a file with the live one; finish it if they match. `run` runs the tasks of its parts."""
        try:
            found = self._found(file)
            if found is not None and self._is_untouched(file, found):
                self._settle_as_is(file)
                return
            live = self._opened(file, found) if found is not None else None
            if live is None:
                self._begin(file)
                return
            fd, before = live
            try:
                self._prepare(file, fd, before, run)
            finally:
                os.close(fd)
        except OSError as error:
            self.fail(file, reason_of(error))

    def write(self, file: File, chunk: memoryview, runs: list[Run], *, settle: bool) -> None:
        """Write the runs of a chunk. With `settle`, the last chunk that the file waits for finishes it."""
        if file.failed:
            return
        try:
            if file.fd < 0:
                self._open(file)
            for run in runs:
                _write(file.fd, chunk[run.at : run.at + run.length], run)
                self._tally.wrote(run.length)
            with self._lock:
                file.pending -= 1
                last = file.pending == 0 and not file.failed
            if last and settle:
                self._settle(file)
        except OSError as error:
            self.fail(file, reason_of(error))
        except ManifestInvalid:
            self.fail(file, FailureReason.DAMAGED)

    def settle(self, file: File) -> None:
        """Finish a file whose content is written: set its metadata, and offer it for its rename."""
        if file.failed or file.settled:
            return
        try:
            if file.fd < 0:
                self._open(file)
            self._settle(file)
        except OSError as error:
            self.fail(file, reason_of(error))

    def fail(self, file: File, reason: FailureReason) -> None:
        """List a file as failed; its partial copy is discarded once no thread writes to it."""
        with self._lock:
            file.failed = True
        self._tally.fail(file.record.path, reason)
        if not file.many:
            self.discard(file)  # no other thread writes to it, and one cause may fail thousands of files

    def discard(self, file: File) -> None:
        """Remove the partial copy of an unfinished file."""
        if file.fd >= 0:
            with contextlib.suppress(OSError):
                os.close(file.fd)
            file.fd = -1
        if file.place is not None and not file.settled:
            with contextlib.suppress(OSError):
                os.unlink(file.place.name, dir_fd=file.place.at)
            file.place = None

    def _found(self, file: File) -> os.stat_result | None:
        """The lstat of the live file's name, or None."""
        if self._target.fresh:
            return None
        try:
            return os.lstat(file.name, dir_fd=file.folder.fd)
        except OSError:
            return None  # replaced, if it cannot be examined

    def _is_untouched(self, file: File, found: os.stat_result) -> bool:
        if not self._target.trust.believes(found.st_ctime_ns):
            return False
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 + file.links:
            return False
        if stat.S_IMODE(found.st_mode) != self._target.metadata.wanted(file.record).mode:
            return False
        trust, size = self._target.trust, found.st_size
        return is_unchanged(file.record, file.others, trust, found=stat_from(found), size=size)

    def _opened(self, file: File, found: os.stat_result) -> tuple[int, os.stat_result] | None:
        """Open the live file if some of its content can be used."""
        if not stat.S_ISREG(found.st_mode) or (not file.many and found.st_size != file.record.size):
            return None
        try:
            fd = open_for_reading(file.name, file.folder.fd)
        except OSError:
            return None  # replaced, if it cannot be read
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            return None
        return fd, status

    def _prepare(self, file: File, live: int, before: os.stat_result, run: RunAll) -> None:
        run(partial(part.compare, live, self._workers) for part in file.parts)
        if self._keep(file, live, before):
            return
        self._begin(file)
        if file.many:
            shared = not any(part.is_sparse for part in file.parts) and _share(live, file.fd, file.record.size)
            source, sink = (file.fd, None) if shared else (live, file.fd)
            run(partial(self._take, file, part, source, sink) for part in file.parts)

    def _keep(self, file: File, live: int, before: os.stat_result) -> bool:
        """Keep a live file that has the content and the right hard links, and did not change meanwhile."""
        if any(part.differs for part in file.parts) or before.st_size != file.record.size:
            return False
        now = os.fstat(live)
        if identity_of(now) != identity_of(before) or now.st_nlink != 1 + file.links:
            return False
        self._target.metadata.apply(live, file.record, live=now)
        self._settle_as_is(file)
        return True

    def _settle_as_is(self, file: File) -> None:
        self._tally.kept(file.data_size())
        self._tally.file(kept=True)
        file.settled = True

    def _begin(self, file: File) -> None:
        # A small file of one chunk is opened, written and closed in one step, so it holds no descriptor meanwhile.
        if file.many:
            self._open(file)

    def _open(self, file: File) -> None:
        file.fd, file.place = self._target.create(file.folder, file.name)
        if file.many or file.parts[0].data_size() != file.record.size:
            os.ftruncate(file.fd, file.record.size)

    def _take(self, file: File, part: Part, source: int, sink: int | None) -> None:
        try:
            self._tally.kept(part.take(source, sink, self._workers))
        except OSError as error:
            self.fail(file, reason_of(error))

    def _settle(self, file: File) -> None:
        target = self._target
        target.metadata.apply(file.fd, file.record)
        fd, file.fd = file.fd, -1
        os.close(fd)
        file.settled = True
        if file.place is not None and not target.fresh:
            target.offer(file.record.path, file.place, file.record.size)
        else:
            self._tally.file(kept=False)


def _share(live: int, fd: int, size: int) -> bool:
    """Clone the live file's content into the new file without a copy, where the filesystem can (Btrfs, XFS)."""
    try:
        fcntl.ioctl(fd, _FICLONE, live)
    except OSError:
        os.ftruncate(fd, 0)  # a full volume may have cloned a part
        return False
    finally:
        os.ftruncate(fd, size)
    return True


def _write(fd: int, piece: memoryview, run: Run) -> None:
    if len(piece) != run.length:
        raise ManifestInvalid("the manifest names bytes beyond the end of a chunk")
    write_at(fd, piece, run.offset)
