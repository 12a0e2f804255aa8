"""Assembles a snapshot: threads read the entries as the scan finds them, and the records are emitted in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from pipelines.ordered import Ordered
from repository.chunked.manifest.records import PART_SIZE, Record, Xattrs, parts_of, path_check, record_pack
from repository.chunked.manifest.stream import RawEntry
from repository.chunked.snapshots.ahead import FILE_SIZE_MAX, Ahead, PartsAsked, base_of, part_wanted
from repository.chunked.snapshots.bundling import Bundle, BundledRun, skipped
from repository.chunked.snapshots.contents import Contents, Done
from repository.chunked.snapshots.cutting_rules import BUNDLED_SIZE_MAX, Rule
from repository.chunked.snapshots.parent import Parent
from repository.chunked.snapshots.replaced import ReplacedFiles
from repository.chunked.snapshots.waiting import Kept, Parted, Ready, Waiting
from trees.paths import walk_order
from trees.source import Kind, Left, Source, SourceEntry, SourceGone, Wanted

# Bounds of the entries that wait while one before them is being read.
ENTRIES_WAITING_MAX = 8192
BYTES_WAITING_MAX = 8 << 20
# The estimated memory of a small file's record while it waits.
RECORD_BYTES = 1024
PARTS_WAITING_MAX = 64
# Bundles of about 1 MiB each that are read and wait to be sealed.
SEALING_MAX = 4

Emit = Callable[[bytes, bytes], None]
"""Receives the path and the bytes of the next record."""
Warn = Callable[[str, bytes], None]
"""Receives the word of a warning, and the path that it is about."""


@dataclass(slots=True)
class Counts:
    """The counts of a snapshot so far; `bytes` is the sum of the files' sizes."""

    entries: int = 0
    files: int = 0
    bytes: int = 0
    skipped: int = 0
    warnings: int = 0
    unchanged: int = 0


class Assembly:
    """Takes entries in order and emits their records in order. One thread calls; `pool` reads the files."""

    def __init__(
        self,
        source: Source,
        contents: Contents,
        parent: Parent,
        *,
        pool: ThreadPoolExecutor,
        emit: Emit,
        warn: Warn | None = None,
    ) -> None:
        self._source = source
        self._contents = contents
        self._parent = parent
        self._emit = emit
        self._warn = warn
        self._warned: bytes | None = None
        self._ahead = Ahead(source, parent, self._place) if source.ahead else None
        self._waiting: deque[Waiting | Kept] = deque()
        self._bytes_waiting = 0
        self._parts: Ordered[Done] = Ordered(pool, limit=PARTS_WAITING_MAX)
        self._bundle = Bundle(source, self._store)
        self._sealing: Ordered[None] = Ordered(pool, limit=SEALING_MAX)
        self._replaced = ReplacedFiles(source, contents, self._store, pool=pool)
        # Paths whose file was gone when it was read, with the reason.
        self._lost: dict[bytes, str] = {}
        self._last: bytes | None = None
        self.counts = Counts()

    def add(self, entry: SourceEntry) -> None:
        """Take the next entry. Raises the error of an upload, and ValueError for an entry out of order."""
        key = walk_order(entry.path)
        if self._last is not None and key <= self._last:
            raise ValueError("a source's entries are out of order")
        self._last = key
        known = self._parent.known(entry.path)
        unchanged = known is not None and self._parent.is_unchanged(entry, known)
        if self._ahead is None:
            self._place(entry, known, unchanged)
        else:
            self._ahead.add(entry, known, unchanged=unchanged)

    def finish(self) -> None:
        """Wait for all entries and emit their records. Raises the error of an upload."""
        if self._ahead is not None:
            self._ahead.finish()
        while self._waiting:
            self._step()
        self._sealing.finish()

    def _place(self, entry: SourceEntry, known: RawEntry | None, unchanged: bool) -> None:  # noqa: FBT001
        """Queue an entry, reading it unless it is unchanged."""
        if known is not None and unchanged:
            self._keep(entry, known)
        elif entry.kind is not Kind.FILE:
            record = self._record(entry)
            self._ready([(record, record_pack(record))])
        elif entry.size <= BUNDLED_SIZE_MAX:
            self._bundled(entry)
        elif entry.size > FILE_SIZE_MAX:
            self._skip(entry, Left.UNREADABLE)
        else:
            self._parted(entry, known)
        while self._waiting and (self._waiting[0].ready() or self._is_full()):
            self._step()

    def _is_full(self) -> bool:
        return len(self._waiting) > ENTRIES_WAITING_MAX or self._bytes_waiting > BYTES_WAITING_MAX

    def _ready(self, records: list[tuple[Record, bytes]]) -> None:
        """Queue records that need no reading."""
        self._waiting.append(Ready(records))
        self._bytes_waiting += sum(len(raw) for _, raw in records)

    def _skip(self, entry: SourceEntry, reason: str) -> None:
        lost = skipped(entry.path, reason)
        self._ready([(lost, record_pack(lost))])

    def _keep(self, entry: SourceEntry, known: RawEntry) -> None:
        """Copy the parent's records of an entry, at once unless other entries wait before it."""
        self.counts.unchanged += entry.kind is Kind.FILE
        raws = [known.raw, *(raw for _, raw in known.parts)] if known.parts else [known.raw]
        if self._waiting:
            kept = Kept(entry, raws)
            self._waiting.append(kept)
            self._bytes_waiting += kept.bytes
        else:
            self._kept_out(entry, raws)

    def _kept_out(self, entry: SourceEntry, raws: list[bytes]) -> None:
        """Emit the parent's records of an entry. A copied entry counts no warning."""
        counts = self.counts
        counts.entries += 1
        if entry.kind is Kind.FILE:
            counts.files += 1
            counts.bytes += entry.size
        for raw in raws:
            self._emit(entry.path, raw)

    def _bundled(self, entry: SourceEntry) -> None:
        bundle = self._bundle
        run = self._waiting[-1] if self._waiting else None
        if not isinstance(run, BundledRun) or run.bundle is not bundle:
            run = BundledRun(bundle)
            self._waiting.append(run)
        bundle.add(entry)
        run.end = len(bundle)
        self._bytes_waiting += RECORD_BYTES
        if bundle.is_full:
            self._bundle_close()

    def _bundle_close(self) -> None:
        self._bundle.close()
        self._bundle = Bundle(self._source, self._store)

    def _store(self, plain: bytes, hashes: bytes) -> bytes:
        """Let the pool seal a bundle if it is new; return its id. A few bundles may wait."""
        chunk, is_new = self._contents.claim(len(plain), hashes)
        if is_new:
            self._sealing.start(partial(self._contents.seal, chunk, plain))
        return chunk

    def _parted(self, entry: SourceEntry, known: RawEntry | None) -> None:
        """Read a larger file part by part. With several parts, its rule is decided first: it sets their borders."""
        try:
            rule = self._contents.rule(entry) if entry.size > PART_SIZE else None
        except SourceGone as error:
            self._skip(entry, str(error))
            return
        header = rule.header if rule is not None else 0
        found = self._parent.record(known) if known is not None else None
        spans = parts_of(entry.size, header)
        parted = Parted(self._record(entry), spans, self._parts)
        self._waiting.append(parted)
        asked = PartsAsked(self._source, self._parts_wanted(entry, found, spans, rule))
        for number, span in enumerate(spans):
            while self._parts.is_full:
                self._step()
            if parted.lost:
                asked.drop()
                return
            asked.begin()
            base = base_of(found, number, span)
            parted.begin(partial(self._contents.part, entry, span, rule=rule, base=base))

    def _parts_wanted(
        self,
        entry: SourceEntry,
        found: tuple[Record, list[Record]] | None,
        spans: list[tuple[int, int]],
        rule: Rule | None,
    ) -> Iterator[Wanted]:
        """The parts of a very large file, which are asked for only now; none of another file."""
        if self._ahead is not None and rule is not None:
            for number, span in enumerate(spans):
                yield part_wanted(entry, span, rule, base_of(found, number, span))

    def _step(self) -> None:
        """Wait for the first entry in the queue, or for its next part, and emit it."""
        head = self._waiting[0]
        if isinstance(head, Kept):
            self._bytes_waiting -= head.bytes
            self._kept_out(head.entry, head.raws)
            self._waiting.popleft()
            return
        if isinstance(head, BundledRun) and not head.ready():
            self._bundle_close()
        records, is_last = head.take()
        self._bytes_waiting -= _waited(head, records)
        for record, raw in records:
            self._out_read(head, record, raw)
        if is_last:
            if isinstance(head, Parted):
                head.drop()
            self._waiting.popleft()

    def _out(self, record: Record, raw: bytes) -> None:
        counts = self.counts
        counts.warnings += record.warning is not None
        if record.kind is Kind.FILE:  # as most entries are
            counts.entries += 1
            counts.files += 1
            counts.bytes += record.size
            if record.warning is not None:
                self._tell(record)
            self._emit(record.path, raw)
            return
        if record.kind is Kind.SKIPPED and record.target != Left.EXCLUDED.encode():
            self._lost[record.path] = (record.target or b"").decode()
        elif record.kind is Kind.HARDLINK and record.target in self._lost:
            # A file of its own: whether it is still the same as another further name is not certain.
            found = self._replaced.read(record.path)
            if found is not None:
                self._out_all(found)
                return
            record = skipped(record.path, self._further_lost(record))
            raw = record_pack(record)
        counts.entries += record.kind is not Kind.PART
        counts.skipped += record.kind is Kind.SKIPPED
        self._tell(record)
        self._emit(record.path, raw)

    def _out_read(self, head: Waiting, record: Record, raw: bytes) -> None:
        """Emit a record; for a file that was gone when it was read, that of the file which is there now."""
        if record.kind is not Kind.SKIPPED or isinstance(head, Ready):
            self._out(record, raw)
            return
        self._lost[record.path] = (record.target or b"").decode()
        self._out_all(self._replaced.read(record.path) or [(record, raw)])

    def _out_all(self, records: list[tuple[Record, bytes]]) -> None:
        for record, raw in records:
            self._out(record, raw)

    def _further_lost(self, record: Record) -> str:
        """The reason to leave out a further name of a lost file. One that is still there did not vanish.

        A restore that replaces everything removes what had vanished, and nothing else that was left out.
        """
        entry = SourceEntry(Kind.FILE, record.path, record.stat, 0, None)
        try:
            with self._source.open(entry, in_place=False, span=(0, 0)):
                return Left.UNREADABLE.value
        except SourceGone as gone:
            return str(gone)

    def _tell(self, record: Record) -> None:
        """Warn of a record that needs it, once for all parts of a file."""
        word = (record.target or b"").decode() if record.kind is Kind.SKIPPED else record.warning
        if word and self._warn is not None and record.path != self._warned:
            self._warned = record.path
            self._warn(word, record.path)

    def _record(self, entry: SourceEntry) -> Record:
        """The entry's record, without a file's content."""
        path_check(entry.path)
        xattrs: Xattrs = None
        if entry.kind is Kind.FOLDER:
            with suppress(SourceGone):
                xattrs = self._source.xattrs(entry)
        return Record(entry.kind, entry.path, entry.stat, xattrs, entry.size, target=entry.target)


def _waited(head: Waiting, records: list[tuple[Record, bytes]]) -> int:
    """The memory of an entry's records while they waited, in bytes."""
    if isinstance(head, BundledRun):
        return RECORD_BYTES * len(records)
    return sum(len(raw) for _, raw in records) if isinstance(head, Ready) else 0
