"""The records of a snapshot to restore, and the check of all of them before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from repository.chunked.manifest.records import Record, record_pack
from repository.chunked.manifest.stream import Manifest
from repository.chunked.restoring.folders import parent_of
from repository.chunked.restoring.metadata import metadata_of
from repository.chunked.restoring.outcome import RestoreLimits
from repository.chunked.restoring.parts import content_data_size
from repository.chunked.restoring.workers import Pulse
from repository.errors import ManifestInvalid, PathNotFound, RepositoryLimitReached
from trees.paths import walk_order
from trees.source import Kind

# For more paths than this, the whole manifest is read once, instead of a piece of it per path.
_SEEKS_MAX = 16
_TICK_ENTRIES = 1024
# Up to this size, the check and the restore share one read of the records.
_HELD_ENTRIES = 8192
_HELD_BYTES = 4 << 20

Entry = tuple[Record, list[Record]]


class Selection:
    """The whole snapshot, or some paths with everything below them and their parent folders."""

    def __init__(self, manifest: Manifest, paths: Sequence[bytes] | None) -> None:
        self._manifest = manifest
        self.paths = None if paths is None or b"" in paths else _apart(paths)
        self._chosen = frozenset(self.paths or ())
        self._above = frozenset(above for path in self.paths or () for above in _folders_of(path))
        self._held: list[Entry] | None = None

    def covers(self, path: bytes) -> bool:
        """Whether a path, or a folder above it, was chosen."""
        if self.paths is None:
            return True
        return path in self._chosen or any(above in self._chosen for above in _folders_of(path))

    def entries(self) -> Iterator[Entry]:
        """Yield the records in order, each with the part records of its file.

        A hard link whose file was not chosen becomes the file, and later links of that file link to it.
        Raises `PathNotFound` for a path that is not in the snapshot, `Damage`, `StorageError`.
        """
        if self._held is not None:
            yield from self._held
            return
        # A link whose file was not chosen exists only beside a choice.
        whole = self.paths is None
        held: list[Entry] | None = None if whole and self._manifest.root.entries > _HELD_ENTRIES else []
        size = 0
        for entry in self._manifest.files() if whole else self._resolved():
            yield entry
            if held is not None:
                size += len(entry[0].raw) + sum(len(part.raw) for part in entry[1])
                held.append(entry)
                if len(held) > _HELD_ENTRIES or size > _HELD_BYTES:
                    held = None
        self._held = held

    def _resolved(self) -> Iterator[Entry]:
        firsts: dict[bytes, bytes] = {}
        for record, parts in self._found():
            if record.kind is not Kind.HARDLINK or self.covers(record.target or b""):
                yield record, parts
                continue
            known = firsts.get(record.target or b"")
            if known is not None:
                linked = record._replace(target=known)
                yield linked._replace(raw=record_pack(linked)), []
                continue
            firsts[record.target or b""] = record.path
            first, others = self._entry(record.target or b"")
            if first.kind is not Kind.FILE:
                raise ManifestInvalid("the manifest has a hard link whose target is no file")
            yield first._replace(path=record.path), others

    def _found(self) -> Iterator[Entry]:
        if self.paths is None:
            yield from self._manifest.files()
        elif len(self.paths) > _SEEKS_MAX:
            yield from self._sifted()
        else:
            seen: set[bytes] = set()
            for path in self.paths:
                for above in _folders_of(path):
                    if above not in seen:
                        seen.add(above)
                        yield self._entry(above)
                yield from self._under(path)

    def _sifted(self) -> Iterator[Entry]:
        missing = set(self._chosen)
        for entry in self._manifest.files():
            path = entry[0].path
            missing.discard(path)
            if path in self._above or self.covers(path):
                yield entry
        if missing:
            raise PathNotFound("the snapshot holds nothing under one of the paths")

    def _entry(self, path: bytes) -> Entry:
        return next(self._under(path))

    def _under(self, path: bytes) -> Iterator[Entry]:
        """Yield the record of a path and all records below it."""
        found = self._manifest.under(path)
        first = next(found, None)
        if first is None or first[0].path != path:
            raise PathNotFound("the snapshot holds nothing under one of the paths")
        yield first
        yield from found


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


def _folders_of(path: bytes) -> list[bytes]:
    """The parent folders of a path, the root first."""
    steps = path.split(b"/")
    return [b"/".join(steps[:count]) for count in range(len(steps))] if path else []


def _apart(paths: Sequence[bytes]) -> list[bytes]:
    """The paths in the manifest's order, without those below another one."""
    found: list[bytes] = []
    for path in sorted(set(paths), key=walk_order):
        if not found or not path.startswith(found[-1] + b"/"):
            found.append(path)
    return found
