"""The parent of a snapshot, walked beside the source: what it holds of each path."""

from __future__ import annotations

from typing import NamedTuple

from repository.errors import Damage
from repository.packs.writing import ChunkWriter
from repository.sources.protocol import SourceEntry
from repository.tree.records import Record, sort_key
from repository.tree.stream import Manifest

# File systems date changes by a clock that ticks every few ms: what changed shortly before a scan may change again
# without another date.
TICK_NS = 1_000_000_000


class Known(NamedTuple):
    """What the parent holds of a file: its record and its parts."""

    record: Record
    parts: list[Record]


class Parent:
    """Answers in the order of paths: each path may be asked for once, and none that came before it."""

    def __init__(self, manifest: Manifest | None, writer: ChunkWriter, *, trust_stat: bool) -> None:
        self._files = manifest.files() if manifest is not None else iter(())
        self._writer = writer
        self._trusted_before = manifest.root.scan_started_ns - TICK_NS if manifest and trust_stat else None
        self._now = self._next()

    def known(self, path: bytes) -> Known | None:
        """What the parent holds under that path, of any kind."""
        key = sort_key(path)
        while self._now is not None and sort_key(self._now[0].path) < key:
            self._now = self._next()
        if self._now is None or self._now[0].path != path:
            return None
        return Known(*self._now)

    def is_unchanged(self, entry: SourceEntry, known: Known) -> bool:
        """Whether the entry is what the parent holds, as far as its stat can say, and all of that is still there.

        What was changed shortly before, or during, the parent's scan is read again.
        """
        record = known.record
        return (
            self._trusted_before is not None
            and entry.stat is not None
            and record.stat == entry.stat
            and record.kind == entry.kind
            and (record.size, record.target) == (entry.size, entry.target)
            and entry.stat.ctime_ns < self._trusted_before
            and record.warning is None
            and all(part.warning is None for part in known.parts)
            and self.is_there(known)
        )

    def _next(self) -> tuple[Record, list[Record]] | None:
        """The parent's next entry; from where it is damaged on, it holds nothing."""
        try:
            return next(self._files, None)
        except Damage:
            self._files = iter(())
            return None

    def is_there(self, known: Known) -> bool:
        """Whether every chunk may be named by a new snapshot."""
        contents = [record.content for record in (known.record, *known.parts)]
        return all(self._writer.has(chunk) for content in contents if content for chunk in content.chunk_ids())
