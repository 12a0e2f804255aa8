"""The parent of a snapshot, read in step with the source."""

from __future__ import annotations

from repository.chunked.manifest.records import CHUNK_ID_SIZE, Record
from repository.chunked.manifest.stream import Manifest, RawEntry
from repository.chunked.packs.writing import ChunkWriter
from repository.errors import Damage
from trees.paths import walk_order
from trees.source import Kind, SourceEntry
from trees.trust import Trust


class Parent:
    """Looks up entries of the parent. Paths must be ascending, each asked for at most once.

    Most entries did not change, and their records are copied unchecked; only the base of a delta is checked.
    """

    def __init__(self, manifest: Manifest | None, writer: ChunkWriter, trust: Trust) -> None:
        self._entries = manifest.raw_entries() if manifest is not None else iter(())
        self._writer = writer
        self._trust = trust
        self._now = self._next()

    def known(self, path: bytes) -> RawEntry | None:
        """The parent's entry of any kind at a path, None when it has none."""
        now = self._now
        if now is None or now.array[1] == path:
            return now
        key = walk_order(path)
        while now is not None and walk_order(now.array[1]) < key:
            now = self._now = self._next()
            if now is not None and now.array[1] == path:  # as most are
                return now
        return None

    def is_unchanged(self, entry: SourceEntry, known: RawEntry) -> bool:
        """Whether the entry matches the parent's by its stat, and every chunk of that is still stored."""
        array, stat = known.array, entry.stat
        if array[0] != entry.kind:
            return False
        try:
            if entry.kind is Kind.FILE:
                return known.is_unchanged_file(self._trust, found=stat, size=entry.size) and self._is_there(known)
            is_same = entry.kind is Kind.FOLDER or bool(array[3] == entry.target)
            return is_same and self._trust.holds(array[2][:6], stat)
        except (TypeError, IndexError):
            return False

    def record(self, known: RawEntry) -> tuple[Record, list[Record]] | None:
        """A file's record and parts as the base of a delta; None when a chunk may not be named again."""
        try:
            return known.checked() if known.array[0] == Kind.FILE and self._is_there(known) else None
        except (Damage, TypeError, IndexError):
            return None

    def _is_there(self, known: RawEntry) -> bool:
        """Whether a new snapshot may name every chunk."""
        has = self._writer.has
        if not known.parts and len(known.array[5][0]) == CHUNK_ID_SIZE:  # as most files are
            return has(known.array[5][0])
        for ids in (known.array[5][0], *(part[3][0] for part, _ in known.parts)):
            for at in range(0, len(ids), CHUNK_ID_SIZE):
                if not has(ids[at : at + CHUNK_ID_SIZE]):
                    return False
        return True

    def _next(self) -> RawEntry | None:
        """The parent's next entry; None at its end, and from a damaged place on."""
        try:
            return next(self._entries, None)
        except Damage:
            self._entries = iter(())
            return None
