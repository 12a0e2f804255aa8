"""Small repositories for tests of damage, one for each owner, and the results of every way to read them."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import UUID

from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.index.index import Index
from repository.chunked.manifest.records import placed
from repository.chunked.marks import marks_list
from repository.chunked.objects import (
    CONDEMNED,
    DAMAGED,
    INDEX,
    KEYS,
    MARKS,
    PACKS,
    SNAPSHOTS,
    TOMBSTONES,
    id_new,
    prefix_of,
)
from repository.chunked.repository import Repository, repository_create, repository_open
from repository.chunked.snapshots.create import snapshot_create
from repository.chunked.snapshots.listing import snapshots_list
from repository.errors import RepositoryError
from repository.sealing.frames import SealContext
from tests.storage.memory import MemoryStorage
from trees.local.tree import LocalTree

AT = "2026-01-31T12:00:00.000000Z"
FOLDERS = {folder.name: folder for folder in (KEYS, PACKS, INDEX, SNAPSHOTS, TOMBSTONES, CONDEMNED, MARKS)}
RIGHT = "right"


def flipped(stored: bytes, at: int) -> bytes:
    at %= len(stored)
    return stored[:at] + bytes([stored[at] ^ 0x10]) + stored[at + 1 :]


HARM: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda stored: b"",
    "cut to a byte": lambda stored: stored[:1],
    "cut to a header": lambda stored: stored[:72],
    "cut in half": lambda stored: stored[: len(stored) // 2],
    "last byte missing": lambda stored: stored[:-1],
    "a byte more": lambda stored: stored + b"\0",
    "flipped at the beginning": lambda stored: flipped(stored, 0),
    "flipped in the header": lambda stored: flipped(stored, 50),
    "flipped in the middle": lambda stored: flipped(stored, len(stored) // 2),
    "flipped at the end": lambda stored: flipped(stored, -1),
    "zeros": lambda stored: bytes(len(stored)),
}


@dataclass
class Made:
    """A repository in memory with several objects in each folder, and its expected content.

    The first object of a folder is one that `read` needs, such as the pack with the first snapshot's files.
    """

    where: tuple[UUID, UUID, DataKey]
    storage: MemoryStorage
    names: dict[str, list[bytes]]
    spare_key: bytes
    """A second wrap of the repository key, under another name."""
    snapshots: list[bytes]
    files: dict[bytes, bytes]

    def key(self, folder: str, number: int = 0) -> str:
        """The object's key in storage."""
        tenant, repository, _ = self.where
        return prefix_of(tenant, repository) + FOLDERS[folder].key(self.names[folder][number])

    def stored(self, folder: str, number: int = 0) -> bytes:
        return self.storage.objects[self.key(folder, number)]

    def copied(self) -> Made:
        """A copy of the repository, to be damaged."""
        other = copy(self)
        other.storage = MemoryStorage()
        other.storage.objects = dict(self.storage.objects)
        return other

    def opened(self) -> Repository:
        tenant, repository, key = self.where
        return repository_open(self.storage, tenant=tenant, repository=repository, keys=key)


def repository_made(where: tuple[UUID, UUID, DataKey], root: Path) -> Made:
    """Create three snapshots, the last one deleted but with its root still there, and two of each other object."""
    tenant, repository, key = where
    storage = MemoryStorage()
    opened = repository_create(storage, tenant=tenant, repository=repository, keys=key)
    objects, random, snapshots = opened.objects, Random(tenant.int * 10 + repository.int), []  # noqa: S311
    for round_ in range(3):
        (root / "small").write_bytes(b"small" * (round_ + 1))
        (root / "big").write_bytes(random.randbytes(700_000))
        snapshots.append(snapshot_create(opened, source=LocalTree(root)).snapshot)
    names = {
        KEYS.name: [name for name, _ in objects.list(KEYS)],
        SNAPSHOTS.name: snapshots,
        TOMBSTONES.name: [snapshots[2], id_new()],
        CONDEMNED.name: [id_new(), id_new()],
        MARKS.name: [id_new(), id_new()],
        PACKS.name: [_pack_of(opened, snapshot) for snapshot in snapshots],
    }
    names[INDEX.name] = sorted(
        (name for name, _ in objects.list(INDEX)), key=lambda name: names[PACKS.name][0] not in objects.get(INDEX, name)
    )
    for name in names[TOMBSTONES.name]:
        objects.put_map(TOMBSTONES, name, {"snapshot": name, "at": AT})
    for name in names[CONDEMNED.name]:
        objects.put_map(CONDEMNED, name, {"packs": id_new(), "at": AT})
    for name in names[MARKS.name]:
        objects.put_map(MARKS, name, {"kind": "snapshot", "at": AT})
    spare = key.wrap(opened.keys.encoded(), context=SealContext(tenant, repository, KEYS.kind, KEYS.key(id_new())))
    return Made(where, storage, names, spare, snapshots, content(opened, snapshots[0]))


def content(repository: Repository, snapshot: bytes) -> dict[bytes, bytes]:
    """Every file of a snapshot with its bytes, read by the product."""
    chunks, found = repository.chunks(), {}
    for record, _ in repository.manifest(snapshot, chunks).files():
        if record.content is not None:
            runs = [run for _, _, run in placed(record.content, 0) if run.chunk is not None]
            pieces = [chunks.read(run.chunk)[run.offset : run.offset + run.length] for run in runs]
            found[record.path] = b"".join(pieces)
    return found


def sayings(made: Made) -> dict[str, str]:
    """The results of opening, listing, reading and preparing to write: `right`, or the code of an error.

    Nothing is changed, except that damage may be recorded. Errors that are not the repository's are raised.
    """
    before = unrecorded(made.storage)
    said: dict[str, str] = {}

    def say(name: str, call: Callable[[], bool]) -> None:
        try:
            said[name] = RIGHT if call() else "another"
        except RepositoryError as error:
            said[name] = error.code

    say("open", lambda: bool(made.opened()))
    if said["open"] == RIGHT:
        opened = made.opened()
        say("list", lambda: _listed(made, opened))
        say("read", lambda: content(opened, made.snapshots[0]) == made.files)
        say("marks", lambda: len(list(marks_list(opened.objects))) == 2)
        say("write", lambda: len(Index.load(opened.objects).condemned) == 2)
    assert unrecorded(made.storage) == before, "reading changed something"
    return {name: code for name, code in said.items() if code != RIGHT}


def unrecorded(storage: MemoryStorage) -> dict[str, bytes]:
    """All objects except the records of damage."""
    return {key: data for key, data in storage.objects.items() if f"/{DAMAGED.name}/" not in key}


def _listed(made: Made, repository: Repository) -> bool:
    """Whether the two live snapshots are listed; raises the error of an unreadable one."""
    found = snapshots_list(repository)
    for _, error in found.damaged:
        raise error
    return [root.snapshot for root in found.roots] == made.snapshots[:2]


def _pack_of(repository: Repository, snapshot: bytes) -> bytes:
    """The pack that holds a snapshot's files."""
    chunks = repository.chunks()
    files = repository.manifest(snapshot, chunks).files()
    contents = [record.content for record, _ in files if record.path == b"big"]
    return chunks.index.find(next(contents[0].chunk_ids())).pack
