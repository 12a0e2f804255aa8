"""Two manifests read side by side; chunks that both share are skipped unread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from repository.chunked.manifest.records import CHUNK_ID_SIZE, Record, records_unpack
from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.manifest.stream import record_whole
from repository.chunked.packs.fetching import ChunkStore, spans_of
from repository.errors import ManifestInvalid
from trees.paths import walk_order
from trees.source import Kind

READ_AHEAD = 16
Entry = tuple[Record, list[Record]]


class PairedManifests:
    """Pairs of entries with the same path in two snapshots; most unchanged entries are skipped."""

    def __init__(self, old: SnapshotRoot, new: SnapshotRoot, chunks: ChunkStore) -> None:
        shared = set(_ids(old)) & set(_ids(new))
        self._old = _Cursor(old, chunks, shared)
        self._new = _Cursor(new, chunks, shared)

    def pairs(self) -> Iterator[tuple[Entry | None, Entry | None]]:
        """Each path's entry on both sides, in order; None where a side has none. Raises `Damage`, `StorageError`."""
        old, new = self._old, self._new
        while True:
            self._align()
            left, right = old.key(), new.key()
            if left is None and right is None:
                return
            takes_old = right is None or (left is not None and left <= right)
            takes_new = left is None or (right is not None and right <= left)
            yield old.take() if takes_old else None, new.take() if takes_new else None

    def _align(self) -> None:
        """Skip chunks that come next on both sides; otherwise read chunks on the side that is behind."""
        old, new = self._old, self._new
        while old.is_between and new.is_between and old.next_id is not None and old.next_id == new.next_id:
            old.skip()
            new.skip()
        while old.is_between and old.next_id is not None and old.comes_before(new):
            old.load()
        while new.is_between and new.next_id is not None and new.comes_before(old):
            new.load()


class _Cursor:
    """A position in a manifest: between two chunks, or at an entry of one."""

    def __init__(self, root: SnapshotRoot, chunks: ChunkStore, shared: set[bytes]) -> None:
        self._root = root
        self._ids = list(_ids(root))
        self._chunks = chunks
        self._shared = shared
        self._next = 0
        self._entries: deque[Entry] = deque()
        self._plain: dict[bytes, bytes] = {}

    @property
    def is_between(self) -> bool:
        """Whether the next entry is in a chunk that has not been read, or the manifest has ended."""
        return not self._entries

    @property
    def next_id(self) -> bytes | None:
        """The id of the next chunk to read; None at the end."""
        return self._ids[self._next] if self._next < len(self._ids) else None

    def key(self) -> bytes | None:
        """The sort key of the next entry, or a lower bound for it; None at the end."""
        if self._entries:
            return walk_order(self._entries[0][0].path)
        return walk_order(self._root.firsts[self._next]) if self._next < len(self._ids) else None

    def comes_before(self, other: _Cursor) -> bool:
        """Whether the next entry here may come before, or have the same path as, the next one there."""
        mine, theirs = self.key(), other.key()
        return mine is not None and (theirs is None or mine <= theirs)

    def take(self) -> Entry:
        """Remove and return the next entry."""
        return self._entries.popleft()

    def skip(self) -> None:
        """Skip the next chunk, and the parts in later chunks of the file that it ends with."""
        self._next += 1

    def load(self) -> None:
        """Read the next chunk, and the later ones that hold parts of its last file."""
        begin = self._next
        records = self._records(self._next)
        self._next += 1
        if records[0].kind is Kind.PART:
            # The chunk before was skipped: its last file continues here, with parts that differ.
            records = [*self._last_file(begin), *records]
        while self.next_id is not None and self._goes_on(records):
            records += self._records(self._next)
            self._next += 1
        entry: Record | None = None
        parts: list[Record] = []
        for record in records:
            if record.kind is Kind.PART:
                parts.append(record)
                continue
            if entry is not None:
                self._entries.append((record_whole(entry, parts), parts))
            entry, parts = record, []
        if entry is not None:
            self._entries.append((record_whole(entry, parts), parts))

    def _goes_on(self, records: list[Record]) -> bool:
        """Whether the last file has parts in the next chunk."""
        last = next(record for record in reversed(records) if record.kind is not Kind.PART)
        if last.kind is not Kind.FILE or self._root.firsts[self._next] != last.path:
            return False
        return self._records(self._next)[0].kind is Kind.PART

    def _last_file(self, before: int) -> list[Record]:
        """The file that is unfinished at the beginning of a chunk, with its parts so far."""
        records: list[Record] = []
        while before > 0:
            before -= 1
            records = [*self._records(before), *records]
            for at in range(len(records) - 1, -1, -1):
                if records[at].kind is not Kind.PART:
                    return records[at:]
        raise ManifestInvalid("the manifest holds parts without their file")

    def _records(self, number: int) -> list[Record]:
        chunk = self._ids[number]
        if chunk not in self._plain:
            coming = [found for found in self._ids[number + 1 : number + READ_AHEAD] if found not in self._shared]
            wanted = dict.fromkeys([chunk, *coming])
            self._plain = {}
            for span in spans_of(self._chunks.located(wanted)):
                self._plain.update(self._chunks.read_span(span))
        records = list(records_unpack(self._plain[chunk]))
        if not records:
            raise ManifestInvalid("the manifest has an empty chunk")
        return records


def _ids(root: SnapshotRoot) -> Iterator[bytes]:
    return (root.chunks[at : at + CHUNK_ID_SIZE] for at in range(0, len(root.chunks), CHUNK_ID_SIZE))
