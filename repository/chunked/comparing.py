"""Comparison of two snapshots, or of a snapshot with the current files of a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from repository.chunked.manifest.paired import PairedManifests
from repository.chunked.manifest.records import Content, Record, Xattrs, blocks_in, parts_of
from repository.chunked.manifest.stream import is_unchanged
from repository.chunked.repository import Repository
from trees.hashes import HASH_SIZE, zero_hash
from trees.paths import walks_joined
from trees.source import Kind, Source, SourceEntry, SourceGone
from trees.trust import Stat, Trust


class DifferenceKind(StrEnum):
    """The kind of a difference. A path has the first kind that applies, in this order."""

    ADDED = "added"
    REMOVED = "removed"
    KIND = "kind"
    """Another kind of entry, such as a folder in place of a file; also a file that has become unreadable."""
    CONTENT = "content"
    """Other bytes, another size, or another target of a link."""
    METADATA = "metadata"
    """Mode, owner, mtime or attributes. ctime and inode do not count: no restore can set them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One path that differs. Sizes are those of files, else None."""

    path: bytes
    change: DifferenceKind
    old_kind: Kind | None
    new_kind: Kind | None
    old_size: int | None
    new_size: int | None


def snapshots_diff(repository: Repository, *, old: bytes, new: bytes) -> Iterator[Difference]:
    """The changes from one snapshot to another, in the manifest's order; shared parts are not read.

    Files are equal if their hashes are. Raises `SnapshotNotFound`, `Damage`, `StorageError`.
    """
    chunks = repository.chunks()
    pairs = PairedManifests(repository.manifest(old, chunks).root, repository.manifest(new, chunks).root, chunks)
    for before, after in pairs.pairs():
        difference = _difference(_of_record(before), _of_record(after), _same_content)
        if difference is not None:
            yield difference


def tree_diff(
    repository: Repository, *, snapshot: bytes, source: Source, trust_stat: bool = False
) -> Iterator[Difference]:
    """The changes from a snapshot to the source's current files; no file content in the repository is read.

    Each file is read and compared with the snapshot's block hashes, up to the first that differs. With `trust_stat`, a
    file with an unchanged stat is not read (rule: `trees.trust`). An unreadable file has the kind SKIPPED. Raises
    `SnapshotNotFound`, `Damage`, `StorageError`, `SourceGone` when the root cannot be read.
    """
    manifest = repository.manifest(snapshot)
    source.begin(None)
    trusted = manifest.root.scan_started_ns if trust_stat else None
    compared = _Compared(source, Trust(trusted, machine_started_ns=source.started()))
    joined = walks_joined(
        manifest.files(), source.scan(), left_path=lambda found: found[0].path, right_path=lambda entry: entry.path
    )
    for record, entry in joined:
        after = None if entry is None else compared.side(entry)
        before = None if record is None else _of_record(record)
        difference = _difference(before, after, compared.same_content)
        if difference is not None:
            yield difference


class _Side(NamedTuple):
    """A path on one side of a comparison."""

    path: bytes
    kind: Kind
    stat: Stat | None
    xattrs: Xattrs
    size: int
    target: bytes | None
    record: Record | None
    parts: list[Record]
    entry: SourceEntry | None = None


def _of_record(found: tuple[Record, list[Record]] | None) -> _Side | None:
    if found is None:
        return None
    record, parts = found
    return _Side(record.path, record.kind, record.stat, record.xattrs, record.size, record.target, record, parts)


def _difference(
    before: _Side | None, after: _Side | None, same_content: Callable[[_Side, _Side], bool | None]
) -> Difference | None:
    change = _change(before, after, same_content)
    side = before or after
    if change is None or side is None:
        return None
    return Difference(
        side.path,
        change,
        None if before is None else before.kind,
        None if after is None else after.kind,
        before.size if before is not None and before.kind is Kind.FILE else None,
        after.size if after is not None and after.kind is Kind.FILE else None,
    )


def _change(
    before: _Side | None, after: _Side | None, same_content: Callable[[_Side, _Side], bool | None]
) -> DifferenceKind | None:
    if before is None or after is None:
        return DifferenceKind.ADDED if before is None else DifferenceKind.REMOVED
    if before.kind is not after.kind:
        return DifferenceKind.KIND
    if before.kind is Kind.SKIPPED:
        return None
    same = same_content(before, after) if before.kind is Kind.FILE else before.target == after.target
    if not same:
        return DifferenceKind.KIND if same is None else DifferenceKind.CONTENT
    return None if before.kind is Kind.HARDLINK or _meta(before) == _meta(after) else DifferenceKind.METADATA


def _meta(side: _Side) -> tuple[Stat | None, Xattrs]:
    """The metadata that a restore sets. A hard link has none of its own: it shares the file's."""
    return side.stat and side.stat._replace(ctime_ns=0, inode=0), side.xattrs or None


def _same_content(before: _Side, after: _Side) -> bool:
    return before.size == after.size and _file_hash(before) == _file_hash(after)


def _file_hash(side: _Side) -> bytes | None:
    """The file's hash, from its last part. It depends also on whether the file has a header."""
    last = side.parts[-1] if side.parts else side.record
    return last.content.hash if last is not None and last.content is not None else None


class _Compared:
    """A source's entries, read only as far as the comparison needs."""

    def __init__(self, source: Source, trust: Trust) -> None:
        self._source = source
        self._trust = trust

    def side(self, entry: SourceEntry) -> _Side:
        """The entry with its attributes; an unreadable one has the kind SKIPPED."""
        kind, xattrs = entry.kind, None
        if kind in (Kind.FOLDER, Kind.FILE):
            try:
                xattrs = self._source.xattrs(entry)
            except SourceGone:
                kind = Kind.SKIPPED
        return _Side(entry.path, kind, entry.stat, xattrs, entry.size, entry.target, None, [], entry)

    def same_content(self, before: _Side, after: _Side) -> bool | None:
        """Whether a file's content equals the snapshot's; None when it cannot be read."""
        if before.size != after.size or before.record is None or after.entry is None:
            return False
        if after.stat is not None and is_unchanged(
            before.record, before.parts, self._trust, found=after.stat, size=after.size
        ):
            return True
        try:
            return self._blocks_same(before.record, before.parts, after.entry)
        except SourceGone:
            return None

    def _blocks_same(self, record: Record, parts: list[Record], entry: SourceEntry) -> bool:
        contents = [part.content for part in (record, *parts) if part.content is not None]
        with self._source.open(entry, in_place=False) as file:
            for content, (start, stop) in zip(contents, parts_of(record.size, record.header), strict=True):
                known = _known(content, start, stop, record.header)
                changes = file.changes(start, stop, header=record.header, known=known)
                if any(True for _ in changes):
                    return False
        return True


def _known(content: Content, start: int, stop: int, header: int) -> bytes:
    """The hashes of all blocks of a part, those in holes included."""
    at, found = 0, []
    for begin, end, hole in blocks_in(content, start, stop, header):
        if hole:
            found.append(zero_hash(end - begin))
        else:
            found.append(content.blocks[at : at + HASH_SIZE])
            at += HASH_SIZE
    return b"".join(found)
