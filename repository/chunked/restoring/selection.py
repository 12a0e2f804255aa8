"""The check of all records to restore before anything is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from repository.chunked.contents.selection import Selection
from repository.chunked.manifest.records import Record
from repository.chunked.restoring.folders import parent_of
from repository.chunked.restoring.metadata import metadata_of
from repository.chunked.restoring.outcome import RestoreLimits
from repository.chunked.restoring.parts import content_data_size
from repository.chunked.restoring.workers import Pulse
from repository.errors import ManifestInvalid, RepositoryLimitReached
from trees.source import Kind

_TICK_ENTRIES = 1024


@dataclass(slots=True)
class Totals:
    """The totals of a selection. `links`: the number of hard links to each file."""

    entries: int = 0
    files: int = 0
    data: int = 0
    links: Counter[bytes] = field(default_factory=Counter)

    def add(self, record: Record, parts: list[Record]) -> None:
        """Count a record."""
        self.entries += 1
        if record.kind is Kind.FILE:
            self.files += 1
            self.data += _data_size(record) + sum(map(_data_size, parts))
        elif record.kind is Kind.HARDLINK:
            self.links[record.target or b""] += 1


def selection_check(selection: Selection, *, limits: RestoreLimits, pulse: Pulse) -> Totals:
    """Read and count all records, and check that they are consistent.

    Raises `ManifestInvalid` for inconsistent records, `RepositoryLimitReached`, `PathNotFound`, `Damage`,
    `StorageError`.
    """
    totals = Totals()
    folders: list[bytes] = []
    for record, parts in selection.entries():
        if record.path:
            _place_check(record, folders, limits)
        if record.kind is Kind.FOLDER:
            folders.append(record.path)
        if record.kind not in (Kind.HARDLINK, Kind.SKIPPED):
            metadata_of(record)
        totals.add(record, parts)
        if totals.entries > limits.entries or totals.data > limits.bytes:
            raise RepositoryLimitReached("the snapshot exceeds the limits of the restore")
        if totals.entries % _TICK_ENTRIES == 0:
            pulse.tick()
    return totals


def _place_check(record: Record, folders: list[bytes], limits: RestoreLimits) -> None:
    """Raise unless the record's parent folder is among `folders`, the open folders of the records before it."""
    parent = parent_of(record.path)
    while folders and folders[-1] != parent:
        folders.pop()
    if not folders:
        raise ManifestInvalid("the manifest has an entry without its folder")
    # An entry that lies too deep is in the manifest as a skipped one.
    if record.kind is not Kind.SKIPPED and record.path.count(b"/") >= limits.depth:
        raise RepositoryLimitReached("the snapshot's folders are deeper than the limit of the restore")


def _data_size(record: Record) -> int:
    return content_data_size(record.content) if record.content is not None else 0
