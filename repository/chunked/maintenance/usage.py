"""The storage that a repository takes, the size of its snapshots, and their shares of what is stored."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from repository.checkpoint import Checkpoint, go_on
from repository.chunked.index.index import Index
from repository.chunked.index.table import Table
from repository.chunked.manifest.records import CHUNK_ID_SIZE, records_unpack
from repository.chunked.manifest.root import root_load, roots_list
from repository.chunked.manifest.stream import READ_AHEAD
from repository.chunked.objects import INDEX, PACKS, SNAPSHOTS
from repository.chunked.packs.fetching import ChunkStore, spans_of
from repository.chunked.repository import Repository
from repository.errors import ObjectDamaged, SnapshotNotFound

NOBODY = 0
"""The number of the empty set of snapshots."""


@dataclass(frozen=True, slots=True)
class Group:
    """The chunks that exactly these snapshots use: their plain bytes, and their bytes in storage."""

    snapshots: tuple[bytes, ...]
    plain: int
    stored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Sizes in bytes. `logical`: the files of all snapshots together; `snapshots`: those of each one.

    `unique`: the plain bytes of all chunks that a snapshot uses, manifests included. `stored`: packs, index and roots
    in storage. `dead`: the share of `stored` in chunks that no snapshot uses and in packs that no index names.
    `groups`: every chunk in use, by the snapshots that use it.
    """

    logical: int
    unique: int
    stored: int
    dead: int
    snapshots: dict[bytes, int]
    groups: list[Group]


def repository_usage(repository: Repository, *, checkpoint: Checkpoint = go_on) -> Usage:
    """Measure the repository. A chunk of a manifest that several snapshots share is read once.

    Raises `Damage`, `RepositoryUnknown`, `StorageError`, and any error of `checkpoint`.
    """
    objects = repository.objects
    names = list(roots_list(objects))
    index = Index.load(objects)
    users = _Users(index.tables)
    logical: dict[bytes, int] = {}
    manifests: dict[bytes, int] = {}
    for name in names:
        checkpoint()
        try:
            root = root_load(objects, name)
        except SnapshotNotFound:
            continue  # deleted since it was listed
        bit = 1 << len(logical)
        logical[name] = root.bytes
        for at in range(0, len(root.chunks), CHUNK_ID_SIZE):
            chunk = root.chunks[at : at + CHUNK_ID_SIZE]
            manifests[chunk] = manifests.get(chunk, 0) | bit
    _walk(manifests, users, repository.chunks_in(index), checkpoint)
    packs = dict(objects.list(PACKS))
    indexed = {found.pack for table in index.tables for found in table.packs}
    unused, groups = users.groups(list(logical))
    orphans = sum(size for pack, size in packs.items() if pack not in indexed)
    others = sum(size for folder in (INDEX, SNAPSHOTS) for _, size in objects.list(folder))
    return Usage(
        logical=sum(logical.values()),
        unique=sum(group.plain for group in groups),
        stored=sum(packs.values()) + others,
        dead=unused + orphans,
        snapshots=logical,
        groups=groups,
    )


def _walk(manifests: dict[bytes, int], users: _Users, chunks: ChunkStore, checkpoint: Checkpoint) -> None:
    """Note the users of each chunk of the manifests, and of all chunks that these name."""
    ids = list(manifests)
    for begin in range(0, len(ids), READ_AHEAD):
        checkpoint()
        for span in spans_of(chunks.located(ids[begin : begin + READ_AHEAD])):
            for manifest, plain in chunks.read_span(span):
                known = users.number(manifests[manifest])
                if not users.add(manifest, known):
                    raise ObjectDamaged("a chunk of a manifest is in no pack")
                for chunk in _named(plain):
                    users.add(chunk, known)


def _named(plain: bytes) -> Iterator[bytes]:
    for record in records_unpack(plain):
        if record.content is not None:
            yield from record.content.chunk_ids()


class _Users:
    """The snapshots that use each chunk, as the number of a set by position in the index: four bytes a chunk.

    A set is the bits of an int. There are few different ones, because snapshots share most of what they use.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = tables
        self._used = [array("I", bytes(4 * len(table))) for table in tables]
        self._sets = [0]
        self._numbers = {0: NOBODY}
        self._joined: dict[tuple[int, int], int] = {}

    def number(self, bits: int) -> int:
        """The number of a set."""
        if bits not in self._numbers:
            self._numbers[bits] = len(self._sets)
            self._sets.append(bits)
        return self._numbers[bits]

    def add(self, chunk: bytes, more: int) -> bool:
        """Add a set of users to a chunk; False if no pack has it. Of several copies the first one counts."""
        for table, used in zip(self._tables, self._used, strict=True):
            for position in table.positions(chunk):
                if used[position] != more:
                    used[position] = self._join(used[position], more)
                return True
        return False

    def groups(self, snapshots: list[bytes]) -> tuple[int, list[Group]]:
        """The stored bytes that nobody uses, and all others by their users."""
        plain, stored = [0] * len(self._sets), [0] * len(self._sets)
        packs: set[bytes] = set()
        for table, used in zip(self._tables, self._used, strict=True):
            # A pack that two tables name has its users in the first one.
            fresh = [found.pack not in packs for found in table.packs]
            packs.update(found.pack for found in table.packs)
            for (_, pack, stored_size, plain_size), number in zip(table.brief(), used, strict=True):
                if fresh[pack]:
                    plain[number] += plain_size
                    stored[number] += stored_size
        found = zip(self._sets, plain, stored, strict=True)
        named = [Group(_members(bits, snapshots), *sizes) for bits, *sizes in found if bits and any(sizes)]
        return stored[NOBODY], named

    def _join(self, one: int, other: int) -> int:
        pair = (one, other)
        if pair not in self._joined:
            self._joined[pair] = self.number(self._sets[one] | self._sets[other])
        return self._joined[pair]


def _members(bits: int, snapshots: list[bytes]) -> tuple[bytes, ...]:
    return tuple(name for number, name in enumerate(snapshots) if bits >> number & 1)
