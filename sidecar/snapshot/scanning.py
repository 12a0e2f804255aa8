"""Tells the entries of a session's tree in batches, then what a restore will leave alone among them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from sidecar.archive.report import WarningLog, warnings_pack
from sidecar.calls.jobs import Job
from sidecar.errors import Cancelled, SourceFailed
from sidecar.exclusion.counting import tree_count
from sidecar.exclusion.patterns import IGNORE_FILE
from sidecar.places.places import PlacedTree, Places
from sidecar.snapshot.sessions import Session
from trees import source as trees
from trees.folders import link_leads_out, path_of
from trees.source import Kind, SourceEntry
from wire.enums import WarningKind
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire
from wire.tree_entries import entries_pack

_ENTRIES_A_REPLY: Final = 500
_PATH_BYTES_A_REPLY: Final = 64 << 10
_REPLY_SECONDS: Final = 1.0


def session_scan(session: Session, *, parent: bytes, count: bool) -> Iterator[wire.ScanTreeReply]:
    """Begin the snapshot, and yield the replies about its tree. Raises `SidecarError`s."""
    try:
        yield from _begin(session, parent or None, count=count)
        log = WarningLog()
        if session.patterns.file_wrong:
            log.add(WarningKind.PATTERN, IGNORE_FILE)
        for entries in _batches(session, log):
            yield wire.ScanTreeReply(entries=entries_pack(entries))
    except (trees.SourceFailed, trees.SourceGone) as error:
        raise SourceFailed(f"the data cannot be read: {error}") from error
    left_out = session.counting.found.left_out
    yield wire.ScanTreeReply(
        ended=wire.ScanTreeReply.Ended(
            warnings_total=log.total,
            warnings=warnings_pack(log.kept),
            excluded=wire.Excluded(entries=left_out.entries, bytes=left_out.bytes, patterns=session.patterns.texts),
        )
    )


def _begin(session: Session, parent: bytes | None, *, count: bool) -> Iterator[wire.ScanTreeReply]:
    """Find the places and count the bytes: both take a walk, so replies tell meanwhile that the call goes on."""
    job: Job[None, wire.ScanTreeReply.Began] = Job(name=f"begin for {session.call.operation}", progress=None)

    def begin() -> wire.ScanTreeReply.Began:
        began_ns = session.tree.begin(parent)
        total = _bytes(session, job) if count else 0
        return wire.ScanTreeReply.Began(began_ns=began_ns, started_ns=session.tree.started(), bytes_total=total)

    def work() -> wire.ScanTreeReply.Began:
        try:
            return begin()
        except (trees.SourceFailed, trees.SourceGone) as error:
            raise SourceFailed(f"the data cannot be read: {error}") from error

    session.call.on_stop(job.cancel)
    job.start(work)
    try:
        for _ in job.follow(session.call):
            yield wire.ScanTreeReply()
    finally:
        job.cancel()
        job.join()
    yield wire.ScanTreeReply(began=job.result())


def _bytes(session: Session, job: Job[None, wire.ScanTreeReply.Began]) -> int:
    """The bytes of all files that are not left out."""

    def check() -> None:
        if job.cancelled():
            raise Cancelled("The snapshot was cancelled.")

    return tree_count(session.root, places=session.places, check=check, patterns=session.patterns).kept.bytes


def _batches(session: Session, log: WarningLog) -> Iterator[list[SourceEntry]]:
    batch: list[SourceEntry] = []
    held, due = 0, time.monotonic() + _REPLY_SECONDS
    with closing(session.places.tree()) as live:
        left = _Left(session.places, live)
        for entry in session.tree.scan():
            session.check()
            left.warn(entry, log)
            batch.append(entry)
            held += len(entry.path)
            if len(batch) >= _ENTRIES_A_REPLY or held >= _PATH_BYTES_A_REPLY or time.monotonic() >= due:
                yield batch
                batch, held, due = [], 0, time.monotonic() + _REPLY_SECONDS
    if batch:
        yield batch


class _Left:
    """Finds what is in the backup, and what a restore in place leaves as it is."""

    def __init__(self, places: Places, live: PlacedTree) -> None:
        self._places = places
        self._live = live
        self._root = path_of(places.root.fd)

    def warn(self, entry: SourceEntry, log: WarningLog) -> None:
        """Log the warnings of an entry that tells nothing of them itself."""
        if self._places.left and self._places.left_at(entry.path) is WarningKind.MOUNTED:
            log.add(WarningKind.MOUNTED, entry.path)
        if entry.kind is Kind.SYMLINK and self._leads_out(entry.path):
            log.add(WarningKind.LINKED_OUT, entry.path)

    def _leads_out(self, path: bytes) -> bool:
        """Whether a symbolic link leads out of the tree."""
        try:
            folder, name = self._live.parent(path)
        except OSError:
            return False
        return link_leads_out(name, folder, root=self._root)
