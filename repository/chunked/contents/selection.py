"""The entries of a snapshot, or of some paths in it, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import dropwhile

from repository.chunked.manifest.records import Record, record_pack
from repository.chunked.manifest.stream import Manifest
from repository.errors import ManifestInvalid, PathNotFound
from trees.paths import folders_above, paths_apart, walk_order
from trees.source import Kind

# For more paths than this, the whole manifest is read once, instead of a piece of it per path.
_SEEKS_MAX = 16
# Up to this size, several passes over the entries share one read of them.
_HELD_ENTRIES = 8192
_HELD_BYTES = 4 << 20

Entry = tuple[Record, list[Record]]
"""A record and the part records of its file."""


class Selection:
    """The whole snapshot, or some paths with everything below them and their parent folders."""

    def __init__(self, manifest: Manifest, paths: Sequence[bytes] | None) -> None:
        self._manifest = manifest
        self.paths = None if paths is None or b"" in paths else paths_apart(paths)
        self._chosen = frozenset(self.paths or ())
        self._above = frozenset(above for path in self.paths or () for above in folders_above(path))
        self._held: list[Entry] | None = None

    def covers(self, path: bytes) -> bool:
        """Whether a path, or a folder above it, was chosen."""
        if self.paths is None:
            return True
        return path in self._chosen or any(above in self._chosen for above in folders_above(path))

    def entries(self, start: bytes = b"") -> Iterator[Entry]:
        """Yield the records in order from the path `start` on, each with the part records of its file.

        A hard link whose file was not chosen becomes the file, and later links of that file link to it.
        Raises `PathNotFound` for a path that is not in the snapshot, `Damage`, `StorageError`.
        """
        if start and self.paths is None:
            yield from self._manifest.beginning_at(start)
        else:
            key = walk_order(start)
            yield from dropwhile(lambda entry: walk_order(entry[0].path) < key, self._all())

    def entry(self, path: bytes) -> Entry:
        """The records of one path, chosen or not; those of the file for a hard link. Raises as `entries`."""
        record, parts = self._entry(path)
        return self._entry(record.target or b"") if record.kind is Kind.HARDLINK else (record, parts)

    def check(self) -> None:
        """Raise `PathNotFound` unless all paths are in the snapshot."""
        if len(self.paths or ()) > _SEEKS_MAX:
            for _ in self._all():
                pass
        else:
            for path in self.paths or ():
                self._entry(path)

    def _all(self) -> Iterator[Entry]:
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
                for above in folders_above(path):
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
