"""Plans the reads for files in order, and fetches them ahead, a window of chunks at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from typing import NamedTuple
from weakref import WeakValueDictionary

from pipelines.ordered import Ordered
from repository.checkpoint import Checkpoint
from repository.chunked.chunks.chunk import Location
from repository.chunked.contents.blocks import BlockCheck
from repository.chunked.contents.selection import Entry
from repository.chunked.manifest.records import HOLE, Record, parts_of, placed
from repository.chunked.packs.fetching import ChunkStore, spans_of
from repository.errors import ChunkMissing, Damage, ManifestInvalid
from trees.hashes import HASH_SIZE
from trees.source import Kind

# A window is one task of a thread; no chunk is larger.
WINDOW_BYTES = 8 << 20
WINDOW_STEPS = 4096


class Fetched:
    """A chunk, in all windows that need it: its id, its size, and its bytes as they were fetched, or its error once it
    could not be read.
    """

    __slots__ = ("__weakref__", "chunk", "fetched", "size")

    def __init__(self, chunk: bytes, size: int) -> None:
        self.chunk = chunk
        self.size = size
        self.fetched: bytes | Damage = b""

    def taken(self, *, stop: int) -> bytes:
        """The bytes that were fetched. Raises the chunk's error, and `ManifestInvalid` if it has no `stop` bytes."""
        if isinstance(self.fetched, Damage):
            raise self.fetched
        if stop > self.size:
            raise ManifestInvalid("the manifest names bytes beyond the end of a chunk")
        return self.fetched


class Begin(NamedTuple):
    """The next entry begins."""

    record: Record


class Run(NamedTuple):
    """The next bytes of the entry: `length` bytes from `offset` of a chunk, or a hole where `chunk` is None.

    The caller gets them without the first `skipped` bytes, which are given to the check only. `check` is the hash of
    a run that is a whole file of one block.
    """

    check: BlockCheck | bytes
    chunk: Fetched | None
    offset: int
    length: int
    skipped: int = 0


class End(NamedTuple):
    """The entry ends."""


class _Planned(NamedTuple):
    """A run, with the id of its chunk."""

    check: BlockCheck | bytes
    chunk: bytes | None
    offset: int
    length: int
    skipped: int = 0


Step = Begin | Run | End
_END = End()


class Windows:
    """The steps of files in order. For one thread; the pool's threads read ahead.

    At most `ahead` windows are being fetched or wait, besides the one whose steps are being used: each holds up to
    8 MiB of chunks. A chunk that several of them need is fetched once. Without `unpack`, its bytes are the payload that
    was sealed.
    """

    def __init__(
        self,
        chunks: ChunkStore,
        entries: Iterable[Entry | None],
        *,
        start: int = 0,
        pool: Executor,
        ahead: int,
        unpack: bool = True,
    ) -> None:
        self._chunks = chunks
        self._unpack = unpack
        self._planned: Iterator[_Planned | Begin | End | None] = _plan(entries, start)
        self._coming: Ordered[_Window] = Ordered(pool, limit=ahead)
        self._known: WeakValueDictionary[bytes, Fetched] = WeakValueDictionary()
        self._held: _Planned | None = None
        self._paused = False
        self._ended = False
        self._failure: Exception | None = None

    def steps(self, checkpoint: Checkpoint) -> Iterator[Step]:
        """The steps; raises `StorageError`, and an error of the entries in its place."""
        self._fill()
        while self._coming or self._resumed():
            checkpoint()
            window = self._coming.take()
            self._fill()
            for step in window.steps:
                checkpoint()
                yield step
        if self._failure is not None:
            raise self._failure

    def _resumed(self) -> bool:
        """Whether there are more windows, after a pause."""
        while not self._ended and not self._coming:
            self._paused = False
            self._fill()
        return bool(self._coming)

    def _fill(self) -> None:
        while not self._ended and not self._paused and not self._coming.is_full:
            window = self._next()
            if window.steps:
                self._coming.start(partial(window.fetch, self._chunks, unpack=self._unpack))

    def _next(self) -> _Window:
        """Plan the next window, up to a pause or the end of the entries."""
        window = _Window()
        while not window.is_full and (planned := self._held or self._requested()) is not None:
            if not isinstance(planned, _Planned):
                window.add(planned)
                continue
            check, chunk, offset, length, skipped = planned
            if chunk is not None and not self._has_room(window, chunk):
                self._held = planned
                break
            self._held = None
            window.add(Run(check, None if chunk is None else window.chunks[chunk], offset, length, skipped))
        return window

    def _requested(self) -> _Planned | Begin | End | None:
        """The next step, None at a pause and at the end."""
        try:
            planned = next(self._planned)
        except StopIteration:
            self._ended = True
            return None
        except Exception as error:  # noqa: BLE001  # raised after the steps before it
            self._failure, self._ended = error, True
            return None
        self._paused = planned is None
        return planned

    def _has_room(self, window: _Window, chunk: bytes) -> bool:
        """Add a chunk to a window, unless it makes it too large."""
        if chunk in window.chunks:
            return True
        fetched, at = self._known.get(chunk), None
        if fetched is None:
            fetched, at = self._located(chunk)
        if window.chunks and window.size + fetched.size > WINDOW_BYTES:
            return False
        self._known[chunk] = fetched
        window.need(chunk, fetched, at)
        return True

    def _located(self, chunk: bytes) -> tuple[Fetched, Location | None]:
        try:
            at = self._chunks.find(chunk)
        except ChunkMissing as error:
            missing = Fetched(chunk, 0)
            missing.fetched = error
            return missing, None
        return Fetched(chunk, at.plain_size), at


class _Window:
    """Steps, and the chunks that they need."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.chunks: dict[bytes, Fetched] = {}
        self.size = 0
        self._wanted: list[tuple[bytes, Location]] = []

    @property
    def is_full(self) -> bool:
        """Whether no more steps belong into the window."""
        return self.size >= WINDOW_BYTES or len(self.steps) >= WINDOW_STEPS

    def add(self, step: Step) -> None:
        """Add a step, whose chunk the window has."""
        self.steps.append(step)
        if isinstance(step, Begin):
            self.size += len(step.record.raw)

    def need(self, chunk: bytes, fetched: Fetched, at: Location | None) -> None:
        """Add a chunk, which is to be fetched from that place, or which another window fetches."""
        self.chunks[chunk] = fetched
        self.size += fetched.size
        if at is not None:
            self._wanted.append((chunk, at))

    def fetch(self, chunks: ChunkStore, *, unpack: bool) -> _Window:
        """Fetch the chunks; raises `StorageError`."""
        for span in spans_of(self._wanted):
            for chunk, fetched in chunks.read_each(span, unpack=unpack):
                self.chunks[chunk].fetched = fetched
        return self


def _plan(entries: Iterable[Entry | None], start: int) -> Iterator[_Planned | Begin | End | None]:
    """All steps from an offset in the first entry on; None for a pause."""
    for entry in entries:
        if entry is None:
            yield None
            continue
        record, others = entry
        yield Begin(record)
        if record.kind is Kind.FILE:
            yield from _runs(record, others, start)
        yield _END
        start = 0


def _runs(record: Record, others: list[Record], first: int) -> Iterator[_Planned]:
    """The runs of a file from an offset on."""
    content = record.content
    if content is not None and not first and len(content.blocks) == HASH_SIZE == len(content.ids) and not others:
        length, number, offset = content.extents[:3]
        if length == record.size and number != HOLE:  # one block in one chunk, as of most files
            yield _Planned(content.blocks, content.ids, offset, length)
            return
    spans = parts_of(record.size, record.header)
    for part, (start, stop) in zip((record, *others), spans, strict=True):
        if part.content is None or (stop <= first and first):
            continue
        check = BlockCheck(part.content, start=start, stop=stop, header=record.header)
        begin = check.skip(first) if first > start else start
        for low, high, extent in placed(part.content, start):
            if high <= begin:
                continue
            before = max(0, begin - low)
            skipped = min(max(0, first - low - before), high - low - before)
            yield _Planned(check, extent.chunk, extent.offset + before, high - low - before, skipped)
