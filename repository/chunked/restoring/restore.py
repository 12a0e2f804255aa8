"""Restores a snapshot, whole or in part, into an empty folder or over live data.

1. All records are read, checked and counted before anything is written.
2. Folders are made in the order of their records. Files are collected and restored some thousands at a time
   (`window`). A live file is compared block by block, and only differing blocks are fetched.
3. Hard links are made, then symbolic links. With `delete`, paths that are not in the snapshot are removed.
4. The folders get their metadata, the deepest first.

A damaged chunk fails the files that need it: they are listed, and their live files stay.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from repository.chunked.contents.selection import Entry, Selection
from repository.chunked.manifest.records import Record
from repository.chunked.repository import Repository
from repository.chunked.restoring.companions import companions_chosen, companions_remove
from repository.chunked.restoring.extras import extras_remove
from repository.chunked.restoring.files import File
from repository.chunked.restoring.folders import parent_of
from repository.chunked.restoring.links import hard_link_make, symbolic_link_make
from repository.chunked.restoring.metadata import RecordMetadata
from repository.chunked.restoring.outcome import (
    FailureReason,
    RestoreLimits,
    RestoreProgress,
    RestoreReport,
    Tally,
    reason_of,
)
from repository.chunked.restoring.selection import Totals, selection_check
from repository.chunked.restoring.spool import Spool
from repository.chunked.restoring.target import RestoreRoot
from repository.chunked.restoring.units import TargetUnits
from repository.chunked.restoring.window import Window
from repository.chunked.restoring.workers import Pulse, Workers
from repository.errors import TargetFailed
from trees.paths import is_reserved
from trees.reserved import root_is_empty
from trees.source import Kind
from trees.trust import Trust, machine_started_ns

__all__ = ["FailureReason", "RestoreLimits", "RestoreProgress", "RestoreReport", "snapshot_restore"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
DEFAULT_LIMITS = RestoreLimits()


def snapshot_restore(  # noqa: PLR0913 - all by keyword, and none can be derived from another
    repository: Repository,
    *,
    snapshot: bytes,
    target: Path,
    paths: Sequence[bytes] | None = None,
    delete: bool = False,
    special_bits: bool = False,
    durable: bool = True,
    trust_stat: bool = False,
    limits: RestoreLimits = DEFAULT_LIMITS,
    progress: Callable[[RestoreProgress], None] | None = None,
    checkpoint: Callable[[], None] | None = None,
    threads: int = 2,
) -> RestoreReport:
    """Restore a snapshot into a folder, or only `paths` and everything below them; return the report.

    A missing folder is made. In a filled one, only differences change, and each file is wholly old or wholly new at
    any moment: a changed file gets a new inode, and programs that have it open keep the old one. Companions (a
    database and its journal) are restored together, and newer companions are removed. Owners are restored only as
    root. The root keeps its own metadata unless it is made.

    delete: also remove paths that are not in the snapshot, below the chosen ones. special_bits: restore setuid,
    setgid and sticky. durable: sync each new file before its rename, and everything before the return. trust_stat:
    do not read a live file whose size, owner, mode, inode and times match the snapshot, unless it had changed
    shortly before the scan, or the machine has started since; silent damage of the disk then stays. checkpoint:
    raises to cancel; unfinished files are removed, and their live files stay.
    Raises, before anything is written, `PathNotFound`, `SnapshotNotFound`, `RepositoryLimitReached`, and `Damage` when
    the manifest is damaged; `TargetFailed` (`TargetFull`, `TargetBusy`) and `StorageError` at any time.
    """
    tally = Tally(limits)
    pulse = Pulse(tally, progress=progress, checkpoint=checkpoint)
    chunks = repository.chunks()
    manifest = repository.manifest(snapshot, chunks)
    try:
        selection = Selection(manifest, None if paths is None else companions_chosen(manifest, chunks, paths))
        totals = selection_check(selection, limits=limits, pulse=pulse)
    finally:
        repository.damage.settle()
    pulse.bytes_total, pulse.files_total = totals.data, totals.files
    pulse.tick(always=True)
    metadata = RecordMetadata(tally, special_bits=special_bits)
    with contextlib.ExitStack() as stack, _failures_named():
        stack.callback(repository.damage.settle)
        root, made = _root_opened(target)
        stack.callback(os.close, root)
        workers = Workers(threads, pulse)
        stack.callback(workers.close)
        place = RestoreRoot(
            root,
            tally=tally,
            metadata=metadata,
            fresh=root_is_empty(root),
            delete=delete,
            durable=durable,
            trust=Trust(manifest.root.scan_started_ns if trust_stat else None, machine_started_ns=machine_started_ns()),
        )
        stack.callback(place.folders.close)
        stack.callback(place.close)
        window = Window(repository, chunks, place, workers)
        stack.callback(window.close)
        units = TargetUnits(manifest, chunks, place, workers)
        run = _Restore(selection, totals, place, window, units, pulse)
        stack.callback(run.close)
        run.contents()
        run.links()
        if delete and not place.fresh:
            extras_remove(selection, place, pulse, hold=units.hold)
        if not place.fresh and not (delete and selection.paths is None):
            companions_remove(selection, place, pulse, hold=units.hold)
        place.close()  # before the folders get their times
        run.folders(root_too=made)
        place.sync()
    pulse.tick(always=True)
    return tally.report


class _Restore:
    """The steps of a restore."""

    def __init__(
        self,
        selection: Selection,
        totals: Totals,
        target: RestoreRoot,
        window: Window,
        units: TargetUnits,
        pulse: Pulse,
    ) -> None:
        self._selection = selection
        self._totals = totals
        self._target = target
        self._tally = target.tally
        self._window = window
        self._units = units
        self._pulse = pulse
        self._broken: set[bytes] = set()
        self._folders, self._hard, self._symbolic = (Spool(target.reserved.fd) for _ in range(3))

    def contents(self) -> None:
        """Restore folders and files; collect links for later."""
        for entry in self._selection.entries():
            self._place(entry)
            self._pulse.tick()
        self._window.flush()
        self._window.finish()
        self._target.commit(force=True)

    def links(self) -> None:
        """Make the collected links: hard links before symbolic ones."""
        for spool, make in ((self._hard, hard_link_make), (self._symbolic, symbolic_link_make)):
            for record in spool:
                make(record, self._target)
                self._pulse.tick()

    def folders(self, *, root_too: bool) -> None:
        """Set the metadata of folders, subfolders first: a folder's own mode may deny access to them."""
        above: list[Record] = []
        for record in self._folders:
            while above and not record.path.startswith(above[-1].path + b"/" if above[-1].path else b""):
                self._finish(above.pop())
            if record.path or root_too:
                above.append(record)
        while above:
            self._finish(above.pop())

    def close(self) -> None:
        """Drop the collected records."""
        for spool in (self._folders, self._hard, self._symbolic):
            spool.close()

    def _place(self, entry: Entry) -> None:
        record, parts = entry
        if record.kind is Kind.SKIPPED:
            return
        self._tally.entry()
        if self._refused(record):
            return
        if record.kind is Kind.FOLDER:
            self._make_folder(record)
        elif self._units.hold(record.path):
            return
        elif record.kind is Kind.FILE:
            try:
                folder = self._target.folders.get(parent_of(record.path))
                self._window.add(File(record, parts, folder, self._totals.links.get(record.path, 0)))
            except OSError as error:
                self._tally.fail(record.path, reason_of(error))
        else:
            (self._hard if record.kind is Kind.HARDLINK else self._symbolic).add(record)

    def _refused(self, record: Record) -> bool:
        """Whether a path of any kind cannot be restored; lists the failure."""
        if is_reserved(record.path):
            self._tally.fail(record.path, FailureReason.RESERVED_NAME)
            return True
        if self._broken and parent_of(record.path) in self._broken:
            self._fail(record, FailureReason.FOLDER_FAILED)
            return True
        return False

    def _make_folder(self, record: Record) -> None:
        try:
            made = not record.path or self._target.folders.make(record.path)
            if made or self._selection.covers(record.path):
                self._folders.add(record)
        except OSError as error:
            self._fail(record, reason_of(error))

    def _fail(self, record: Record, reason: FailureReason) -> None:
        self._tally.fail(record.path, reason)
        if record.kind is Kind.FOLDER:
            self._broken.add(record.path)

    def _finish(self, record: Record) -> None:
        with self._tally.failing(record.path):
            folder = self._target.folders.get(record.path)
            self._target.metadata.apply(folder.fd, record, live=os.fstat(folder.fd))


def _root_opened(target: Path) -> tuple[int, bool]:
    """Open the target's root; return its descriptor, and whether it was made."""
    made = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    return os.open(target, _FOLDER), made


@contextlib.contextmanager
def _failures_named() -> Iterator[None]:
    """Raise an OSError of the target's filesystem as `TargetFailed`."""
    try:
        yield
    except OSError as error:
        reason_of(error)
        raise TargetFailed(f"the target failed: {error.strerror}") from error
