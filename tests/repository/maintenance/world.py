"""A small repository in memory, with a clock that tests move, and the expected bytes of each snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

from repository.chunked.chunks.chunk import ChunkType
from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.maintenance.prune import PruneResult, prune_execute, prune_plan
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.manifest.records import placed
from repository.chunked.marks import MarkKind
from repository.chunked.objects import (
    CONDEMNED,
    INDEX,
    MARKS,
    PACKS,
    SNAPSHOTS,
    TOMBSTONES,
    ObjectFolder,
    id_new,
    prefix_of,
)
from repository.chunked.pack_layout import directory_read
from repository.chunked.repository import Repository, repository_create, repository_open, time_text
from repository.chunked.snapshots.create import snapshot_create
from repository.chunked.snapshots.listing import snapshots_list
from repository.retrying import Retry, RetryingStorage
from repository.storage import Storage
from tests.repository.damaged import unrecorded
from tests.storage.memory import MemoryStorage
from trees.local.tree import LocalTree
from trees.source import Kind

TENANT, REPOSITORY, KEY = UUID(int=1), UUID(int=2), DataKey(bytes(range(32)))
BEGIN = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FOLDERS = (PACKS, INDEX, SNAPSHOTS, TOMBSTONES, CONDEMNED, MARKS)


def pause(seconds: float) -> None:
    """Retry without a pause."""


@dataclass
class Time:
    """The clock of every writer and prune in a test."""

    now: datetime = BEGIN

    def __call__(self) -> datetime:
        return self.now


@dataclass
class World:
    """A repository, the folder that is backed up, and the expected content of each snapshot."""

    folder: Path
    storage: MemoryStorage = field(default_factory=MemoryStorage)
    clock: Time = field(default_factory=Time)
    random: Random = field(default_factory=lambda: Random(7))  # noqa: S311
    content: dict[bytes, dict[bytes, bytes]] = field(default_factory=dict)
    """The bytes of each file, by snapshot."""

    def __post_init__(self) -> None:
        repository_create(self.storage, tenant=TENANT, repository=REPOSITORY, keys=KEY, clock=self.clock)

    def open(self, storage: Storage | None = None) -> Repository:
        retrying = RetryingStorage(storage or self.storage, Retry(sleep=pause))
        return repository_open(retrying, tenant=TENANT, repository=REPOSITORY, keys=KEY, clock=self.clock)

    def write(self, **files: int | bytes) -> None:
        """Write files of that many random bytes, or of these bytes."""
        for name, content in files.items():
            given = content if isinstance(content, bytes) else self.random.randbytes(content)
            (self.folder / name).write_bytes(given)

    def remove(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink()

    def snapshot(self, storage: Storage | None = None, *, parent: bytes | None = None) -> bytes:
        """Snapshot the folder, and keep its content for comparison."""
        made = snapshot_create(self.open(storage), source=LocalTree(self.folder), parent=parent, threads=1).snapshot
        self.content[made] = {bytes(path.name, "utf-8"): path.read_bytes() for path in self.folder.iterdir()}
        return made

    def prune(self, storage: Storage | None = None, **policy: object) -> PruneResult:
        """Plan and execute a prune, without a grace unless `policy` has one."""
        repository = self.open(storage)
        given = {"grace": timedelta(0), **policy}
        return prune_execute(repository, prune_plan(repository, **given))  # type: ignore[arg-type]

    def prune_all(self) -> None:
        """Prune repeatedly, an hour apart, until nothing is left to do."""
        for _ in range(4):
            self.clock.now += timedelta(hours=1)
            self.prune()

    def names(self, folder: ObjectFolder) -> dict[bytes, int]:
        return dict(self.open().objects.list(folder))

    def key(self, folder: ObjectFolder, name: bytes) -> str:
        return prefix_of(TENANT, REPOSITORY) + folder.key(name)

    def packs(self, type_: ChunkType) -> list[bytes]:
        """The packs that hold chunks of a type."""
        objects = self.open().objects
        return [pack for pack, size in objects.list(PACKS) if directory_read(objects, pack, size)[0][1].type is type_]

    def pack_of(self, snapshot: bytes, path: bytes) -> bytes:
        """The pack with the first chunk of a file."""
        repository = self.open()
        record, _ = next(repository.manifest(snapshot).under(path))
        assert record.content is not None
        return repository.chunks().index.find(record.content.ids[:32]).pack

    def assert_sound(self) -> None:
        """Assert that every listed snapshot reads back, and that verify finds no damage."""
        repository = self.open()
        listed = snapshots_list(repository)
        assert listed.damaged == []
        for root in listed.roots:
            assert dict(files(repository, root.snapshot)) == self.content[root.snapshot]
        report = repository_verify(repository, coverage=Coverage.full())
        assert report.whole, (report.damaged, [found for found in report.snapshots if not found.whole])


def files(repository: Repository, snapshot: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each file of a snapshot with its bytes, read without the restore."""
    chunks = repository.chunks()
    for record, parts in repository.manifest(snapshot).files():
        if record.kind is not Kind.FILE:
            continue
        content = b""
        for part in (record, *parts):
            assert part.content is not None
            for begin, end, extent in placed(part.content, 0):
                plain = bytes(end - begin) if extent.chunk is None else chunks.read(extent.chunk)
                content += plain if extent.chunk is None else plain[extent.offset : extent.offset + extent.length]
        yield record.path, content


def mark(world: World, *, age: timedelta, kind: MarkKind = MarkKind.SNAPSHOT) -> bytes:
    name = id_new()
    world.open().objects.put_map(MARKS, name, {"kind": kind.value, "at": time_text(world.clock.now - age)})
    return name


def dead_pack(world: World) -> bytes:
    """Make a snapshot that stays, and return a pack that only a deleted one used."""
    kept = world.snapshot()
    world.write(d=250_000)
    gone = world.snapshot(parent=kept)
    pack = world.pack_of(gone, b"d")
    world.remove("d")
    snapshot_forget(world.open(), snapshot=gone)
    return pack


def stored(world: World) -> dict[str, bytes]:
    """All objects except the records of damage, which reading may add."""
    return unrecorded(world.storage)
