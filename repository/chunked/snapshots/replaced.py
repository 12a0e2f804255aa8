"""Files that were replaced between the scan and their reading, as a game does that saves into a new file.

The server has such a file at any moment, so the snapshot has it, too: the one that is there when it is read.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pipelines.ordered import Ordered
from repository.chunked.manifest.records import PART_SIZE, Record, parts_of, path_check
from repository.chunked.snapshots.ahead import FILE_SIZE_MAX
from repository.chunked.snapshots.bundling import Bundle, StoreBytes
from repository.chunked.snapshots.contents import Contents
from repository.chunked.snapshots.cutting_rules import BUNDLED_SIZE_MAX
from repository.chunked.snapshots.waiting import Parted
from trees.source import Kind, Source, SourceEntry, SourceGone

Packed = list[tuple[Record, bytes]]


class ReplacedFiles:
    """Reads them one at a time, in the thread of the caller, and their parts in the pool."""

    def __init__(self, source: Source, contents: Contents, store: StoreBytes, *, pool: ThreadPoolExecutor) -> None:
        self._source = source
        self._contents = contents
        self._store = store
        self._pool = pool

    def read(self, path: bytes) -> Packed | None:
        """The records of the file that is at a path now; None when there is none to be read.

        Raises the error of an upload, and `SourceFailed`.
        """
        entry = self._source.look(path)
        if entry is None or entry.size > FILE_SIZE_MAX:
            return None
        records = self._small(entry) if entry.size <= BUNDLED_SIZE_MAX else self._parts(entry)
        return None if not records or records[0][0].kind is Kind.SKIPPED else records

    def _small(self, entry: SourceEntry) -> Packed:
        bundle = Bundle(self._source, self._store)
        bundle.add(entry)
        bundle.close()
        return bundle.records or []

    def _parts(self, entry: SourceEntry) -> Packed:
        try:
            rule = self._contents.rule(entry) if entry.size > PART_SIZE else None
        except SourceGone:
            return []
        path_check(entry.path)
        spans = parts_of(entry.size, rule.header if rule is not None else 0)
        parted = Parted(
            Record(entry.kind, entry.path, entry.stat, None, entry.size), spans, Ordered(self._pool, limit=1)
        )
        records: Packed = []
        for span in spans:
            parted.begin(partial(self._contents.part, entry, span, rule=rule, base=None))
            records += parted.take()[0]
            if parted.lost:
                break
        return records
