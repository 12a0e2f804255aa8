"""Putting a snapshot together: entries are given to threads as they are found, and their records come out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from repository.chunks.chunk import BLOCK_SIZE
from repository.snapshots.bundling import Bundle, BundledRun, skipped
from repository.snapshots.contents import Base, Contents
from repository.snapshots.deltas import base_is_usable
from repository.snapshots.parent import Known, Parent
from repository.snapshots.rules import BUNDLED_SIZE_MAX
from repository.snapshots.waiting import Parted, Ready, Waiting
from repository.sources.protocol import Kind, Source, SourceEntry, SourceGone
from repository.tree.records import PART_SIZE, Record, Xattrs, parts_of, path_check, record_pack

# What may wait for an entry before it that is still being read.
ENTRIES_WAITING_MAX = 8192
PARTS_WAITING_MAX = 64
# Bundles that are read and wait to be sealed, of about 1 MiB each.
SEALING_MAX = 4

Emit = Callable[[bytes, bytes], None]
"""Takes path and bytes of the next record."""


@dataclass(slots=True)
class Counts:
    """What a snapshot holds so far; `bytes` is the sum of the files' sizes."""

    entries: int = 0
    files: int = 0
    bytes: int = 0
    skipped: int = 0
    warnings: int = 0
    unchanged: int = 0


class Assembly:
    """Takes entries in order and emits their records in order. `pool` reads, one thread calls."""

    def __init__(
        self, source: Source, contents: Contents, parent: Parent, *, pool: ThreadPoolExecutor, emit: Emit
    ) -> None:
        self._source = source
        self._contents = contents
        self._parent = parent
        self._pool = pool
        self._emit = emit
        self._waiting: deque[Waiting] = deque()
        self._parts_waiting = 0
        self._bundle = Bundle(source, self._store)
        self._sealing: deque[Future[None]] = deque()
        self._lost: set[bytes] = set()
        self.counts = Counts()

    def add(self, entry: SourceEntry) -> None:
        """Take the next entry. Raises what storing raised."""
        known = self._parent.known(entry.path)
        if known is not None and self._parent.is_unchanged(entry, known):
            self.counts.unchanged += entry.kind is Kind.FILE
            self._waiting.append(Ready([(record, record.raw) for record in (known.record, *known.parts)]))
        elif entry.kind is not Kind.FILE:
            record = self._record(entry)
            self._waiting.append(Ready([(record, record_pack(record))]))
        elif entry.size <= BUNDLED_SIZE_MAX:
            self._bundled(entry)
        else:
            self._parted(entry, known)
        while self._waiting and (self._waiting[0].ready() or len(self._waiting) > ENTRIES_WAITING_MAX):
            self._step()

    def finish(self) -> None:
        """Wait for what is being read, and emit it. Raises what storing raised."""
        while self._waiting:
            self._step()
        while self._sealing:
            self._sealing.popleft().result()

    def _bundled(self, entry: SourceEntry) -> None:
        bundle = self._bundle
        run = self._waiting[-1] if self._waiting else None
        if not isinstance(run, BundledRun) or run.bundle is not bundle:
            run = BundledRun(bundle)
            self._waiting.append(run)
        bundle.add(entry, self._record(entry))
        run.end = len(bundle)
        if bundle.is_full:
            self._bundle_close()

    def _bundle_close(self) -> None:
        self._bundle.close()
        self._bundle = Bundle(self._source, self._store)

    def _store(self, plain: bytes, hashes: bytes) -> bytes:
        """Have the pool seal a bundle, if it is new; a few may wait."""
        chunk, is_new = self._contents.claim(len(plain), hashes)
        if is_new:
            self._sealing.append(self._pool.submit(self._contents.seal, chunk, plain))
        while len(self._sealing) > SEALING_MAX:
            self._sealing.popleft().result()
        return chunk

    def _parted(self, entry: SourceEntry, known: Known | None) -> None:
        """A larger file, part by part. The rule of one with several parts is settled first: it moves their borders."""
        rule = self._contents.rule(entry) if entry.size > PART_SIZE else None
        header = rule.header if rule is not None else 0
        if known is not None and not self._parent.is_there(known):
            known = None
        spans = parts_of(entry.size, header)
        parted = Parted(self._record(entry), spans)
        self._waiting.append(parted)
        for number, span in enumerate(spans):
            while self._parts_waiting >= PARTS_WAITING_MAX:
                self._step()
            if parted.lost:
                return
            base = _base(known, number, span)
            parted.futures.append(self._pool.submit(self._contents.part, entry, span, rule=rule, base=base))
            self._parts_waiting += 1

    def _step(self) -> None:
        """Emit what is first in line, or its next part, waiting for it."""
        head = self._waiting[0]
        if isinstance(head, BundledRun) and not head.ready():
            self._bundle_close()
        records, is_last = head.take()
        for record, raw in records:
            self._out(record, raw)
        self._parts_waiting -= isinstance(head, Parted)
        if is_last:
            if isinstance(head, Parted):
                self._parts_waiting -= head.drop()
            self._waiting.popleft()

    def _out(self, record: Record, raw: bytes) -> None:
        if record.kind is Kind.SKIPPED:
            self._lost.add(record.path)
        elif record.kind is Kind.HARDLINK and record.target in self._lost:
            record = skipped(record.path, "the first of its names could not be read")
            raw = record_pack(record)
        counts = self.counts
        counts.entries += record.kind is not Kind.PART
        counts.skipped += record.kind is Kind.SKIPPED
        counts.warnings += record.warning is not None
        if record.kind is Kind.FILE:
            counts.files += 1
            counts.bytes += record.size
        self._emit(record.path, raw)

    def _record(self, entry: SourceEntry) -> Record:
        """The entry's record, but for a file's content."""
        path_check(entry.path)
        xattrs: Xattrs = None
        if entry.kind is Kind.FOLDER:
            with suppress(SourceGone):
                xattrs = self._source.xattrs(entry)
        return Record(entry.kind, entry.path, entry.stat, xattrs, entry.size, target=entry.target)


def _base(known: Known | None, number: int, span: tuple[int, int]) -> Base | None:
    """What the parent holds of a part, if it is fit to be built upon."""
    if known is None or known.record.kind is not Kind.FILE:
        return None
    found = known.record if number == 0 else known.parts[number - 1] if number <= len(known.parts) else None
    if found is None or found.content is None:
        return None
    blocks = -(-(span[1] - span[0]) // BLOCK_SIZE)
    return Base(found.content, known.record.header) if base_is_usable(found.content, blocks) else None
