"""Damage that was found is not relied on: the next snapshot stores those chunks again from the source (R13)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from repository.chunked.chunks.chunk import ChunkType, Compression, Location
from repository.chunked.index import damaged
from repository.chunked.index.damaged import COPY_SIZE, damaged_copies
from repository.chunked.index.index import Index
from repository.chunked.index.table import Table
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.maintenance.rebuild import index_rebuild
from repository.chunked.maintenance.used import UsedChunks
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.manifest import stream
from repository.chunked.objects import DAMAGED, ID_SIZE, PACKS, id_new
from repository.chunked.pack_layout import directory_read
from repository.chunked.repository import repository_open
from repository.chunked.restoring.reading import file_open
from repository.chunked.restoring.restore import snapshot_restore
from repository.chunked.snapshots.create import snapshot_create
from repository.errors import Damage, PruneRefused
from repository.storage import StorageDenied
from tests.repository.maintenance.world import KEY, REPOSITORY, TENANT, World, files
from tests.repository.snapshots.trees import edit, region
from tests.storage.memory import FaultyStorage
from trees.local.tree import LocalTree
from trees.sectors.map import SectorMap

MIB = 1 << 20
HOUR_NS = 3600 * 10**9
THINGS = ("whole", "bundled", "extent", "manifest")
PATHS = {"whole": b"whole.zip", "bundled": b"small 1", "extent": b"r.mca", "manifest": b"whole.zip"}


class Later(LocalTree):
    """A folder whose clock says that its files were changed an hour ago."""

    def begin(self, parent: bytes | None) -> int:
        return super().begin(parent) + HOUR_NS


@dataclass
class Harmed:
    """A repository with one damaged chunk, and the snapshots that need it."""

    world: World
    snapshot: bytes
    chunk: bytes
    at: Location
    path: bytes

    def take(self, parent: bytes | None) -> bytes:
        return taken(self.world, parent)


def taken(world: World, parent: bytes | None) -> bytes:
    source = Later(world.folder, sector_map=SectorMap(world.folder.parent / "map"))
    root = snapshot_create(world.open(), source=source, parent=parent, threads=1)
    world.content[root.snapshot] = {path.name.encode(): path.read_bytes() for path in world.folder.iterdir()}
    return root.snapshot


@pytest.fixture
def kept(tmp_path: Path) -> World:
    """A file cut by content, small files in a bundle, and a region file with some changed sectors."""
    folder = tmp_path / "tree"
    folder.mkdir()
    world = World(folder)
    world.write(**{"whole.zip": 600_000}, **{f"small {number}": 3000 + number for number in range(5)})
    (folder / "r.mca").write_bytes(region(MIB, Random(3)))  # noqa: S311
    return world


def harm(world: World, thing: str, how: Callable[[bytes, Location, bytes], bytes | None]) -> Harmed:
    first = taken(world, None)
    edit(world.folder / "r.mca", 500_000, b"edited")
    snapshot = taken(world, first)
    repository = world.open()
    manifest = repository.manifest(snapshot)
    if thing == "manifest":
        chunk = manifest.root.chunks[:32]
    else:
        record, _ = next(manifest.under(PATHS[thing]))
        assert record.content is not None
        assert thing != "extent" or len(record.content.extents) > 3
        chunk = record.content.ids[-32:]
    at = repository.chunks().index.find(chunk)
    key = world.key(PACKS, at.pack)
    others = [data for other, data in world.storage.objects.items() if "/packs/" in other and other != key]
    after = how(world.storage.objects[key], at, others[0])
    if after is None:
        del world.storage.objects[key]
    else:
        assert after != world.storage.objects[key]
        world.storage.objects[key] = after
    return Harmed(world, snapshot, chunk, at, PATHS[thing])


def flipped(pack: bytes, at: Location, other: bytes) -> bytes:
    place = at.offset + at.stored_size // 2
    return pack[:place] + bytes([pack[place] ^ 4]) + pack[place + 1 :]


def truncated(pack: bytes, at: Location, other: bytes) -> bytes:
    return pack[: at.offset + at.stored_size // 2]


def missing(pack: bytes, at: Location, other: bytes) -> None:
    return None


def swapped(pack: bytes, at: Location, other: bytes) -> bytes:
    """The pack with the bytes of chunks of another pack in place of a chunk."""
    stop = at.offset + at.stored_size
    return pack[: at.offset] + (other[16:] * (at.stored_size // len(other[16:]) + 1))[: at.stored_size] + pack[stop:]


def by_verify(harmed: Harmed, target: Path) -> None:
    report = repository_verify(harmed.world.open(), coverage=Coverage.full())
    assert not report.whole


def by_restore(harmed: Harmed, target: Path) -> None:
    try:
        report = snapshot_restore(harmed.world.open(), snapshot=harmed.snapshot, target=target, durable=False)
    except Damage:
        assert harmed.at.type == 2
    else:
        assert harmed.path in {path for path, _ in report.failed}


def by_range(harmed: Harmed, target: Path) -> None:
    with (
        pytest.raises(Damage),
        file_open(harmed.world.open(), snapshot=harmed.snapshot, path=harmed.path) as file,
    ):
        assert file.read()


def nothing(world: World) -> None:
    """Do nothing between damage and snapshot."""


def pruned(world: World) -> None:
    with suppress(PruneRefused):  # for example because of a missing pack or an unreadable manifest
        world.prune_all()


def rebuilt(world: World) -> None:
    index_rebuild(world.open())


def copied(world: World) -> World:
    other = World(world.folder)
    other.storage.objects = dict(world.storage.objects)
    other.content = dict(world.content)
    return other


@pytest.mark.parametrize("found", [by_verify, by_restore, by_range])
@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("how", [flipped, truncated, missing, swapped])
def test_found_damage_is_healed_by_the_next_snapshot(
    kept: World,
    how: Callable[[bytes, Location, bytes], bytes | None],
    thing: str,
    found: Callable[[Harmed, Path], None],
    tmp_path: Path,
) -> None:
    harmed = harm(kept, thing, how)
    found(harmed, tmp_path / "target")
    for meanwhile in (nothing, pruned, rebuilt):
        for has_parent in (True, False):
            world = copied(kept)
            meanwhile(world)
            made = taken(world, harmed.snapshot if has_parent else None)
            assert dict(files(world.open(), made)) == world.content[made], (meanwhile, has_parent)
            report = repository_verify(world.open(), coverage=Coverage.full())
            assert next(shot for shot in report.snapshots if shot.snapshot == made).whole
            # Older snapshots share its content, so they are healed too.
            if thing == "whole" and how in (flipped, swapped):
                assert all(shot.whole for shot in report.snapshots)


@pytest.mark.parametrize("thing", THINGS)
def test_prune_keeps_the_healed_copy_and_drops_the_damaged(kept: World, thing: str, tmp_path: Path) -> None:
    harmed = harm(kept, thing, flipped)
    by_verify(harmed, tmp_path)
    made = taken(kept, harmed.snapshot)
    for snapshot in [shot for shot in kept.content if shot != made]:
        snapshot_forget(kept.open(), snapshot=snapshot)
    kept.prune_all()
    kept.assert_sound()
    assert harmed.at.pack not in kept.names(PACKS)
    assert not kept.names(DAMAGED)


def test_unchanged_file_is_stored_again_once(kept: World, tmp_path: Path) -> None:
    harmed = harm(kept, "whole", flipped)
    by_verify(harmed, tmp_path)
    second = taken(kept, harmed.snapshot)
    assert kept.open().manifest(second).root.added_bytes >= harmed.at.plain_size
    third = taken(kept, second)
    assert kept.open().manifest(third).root.added_bytes == 0


def test_manifest_damage_found_by_a_snapshot_heals_in_it(kept: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a verify, the snapshot finds the damage in the parent's manifest and loses only that chunk's entries."""
    monkeypatch.setattr(stream, "CUT_LEAST", 100)
    monkeypatch.setattr(stream, "CUT_AVERAGE", 100)
    harmed = harm(kept, "manifest", flipped)
    assert len(kept.open().manifest(harmed.snapshot).root.firsts) > 2
    made = taken(kept, harmed.snapshot)
    assert dict(files(kept.open(), made)) == kept.content[made]
    assert damaged_copies(kept.open().objects) == {harmed.at.pack + harmed.chunk}


def test_damage_is_recorded_once(kept: World, tmp_path: Path) -> None:
    harmed = harm(kept, "whole", flipped)
    for number in range(2):
        by_verify(harmed, tmp_path)
        by_restore(harmed, tmp_path / str(number))
        by_range(harmed, tmp_path)
    assert len(kept.names(DAMAGED)) == 1
    assert damaged_copies(kept.open().objects) == {harmed.at.pack + harmed.chunk}


def test_many_damaged_chunks_make_few_records(kept: World, tmp_path: Path) -> None:
    for number in range(40):
        kept.write(**{f"{number}.zip": 200_000})
    snapshot = taken(kept, None)
    for key in [key for key in kept.storage.objects if "/packs/" in key]:
        kept.storage.objects[key] = bytes(len(kept.storage.objects[key]))
    chunks = sum(1 for _, at in Index.load(kept.open().objects).entries() if at.type == 1)
    assert chunks > 32
    repository = kept.open()
    for chunk, at in Index.load(repository.objects).entries():
        repository.damage.note(chunk, at.pack)
    repository.damage.settle()
    assert len(kept.names(DAMAGED)) < 12
    assert len(damaged_copies(repository.objects)) > chunks
    made = taken(kept, snapshot)
    assert dict(files(kept.open(), made)) == kept.content[made]
    kept.prune_all()
    assert not kept.names(DAMAGED)


def test_consolidation_splits_large_records(kept: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damaged, "COPIES_PER_OBJECT", 2)
    taken(kept, None)
    objects = kept.open().objects
    pack = next(iter(kept.names(PACKS)))
    copies = {pack + bytes([number]) * (COPY_SIZE - ID_SIZE) for number in range(5)}
    for copy in copies | {id_new() + bytes(COPY_SIZE - ID_SIZE)}:
        objects.put_map(DAMAGED, id_new(), {"copies": copy})
    damaged.damage_consolidate(objects)
    assert len(kept.names(DAMAGED)) == 3
    assert damaged_copies(objects) == copies
    names = kept.names(DAMAGED)
    damaged.damage_consolidate(objects)
    assert kept.names(DAMAGED) == names


def test_record_that_does_not_open_blocks_no_work(kept: World, tmp_path: Path) -> None:
    harmed = harm(kept, "whole", flipped)
    by_verify(harmed, tmp_path)
    [name] = kept.names(DAMAGED)
    kept.storage.objects[kept.key(DAMAGED, name)] = b"nonsense"
    by_verify(harmed, tmp_path)
    made = taken(kept, harmed.snapshot)
    assert dict(files(kept.open(), made)) == kept.content[made]


class ReadOnly(FaultyStorage):
    """A target with read-only credentials."""

    refused = 0

    def writer(self, key: str, *, expected_size: int) -> Iterator[None]:  # type: ignore[override]
        self.refused += 1
        raise StorageDenied("read only")


def test_storage_that_takes_no_record_still_restores(kept: World, tmp_path: Path) -> None:
    harmed = harm(kept, "whole", flipped)
    storage = ReadOnly(kept.storage, at=0)
    report = snapshot_restore(kept.open(storage), snapshot=harmed.snapshot, target=tmp_path / "target", durable=False)
    assert storage.refused
    assert [path for path, _ in report.failed] == [harmed.path]


def test_reader_that_records_nothing_writes_nothing(kept: World, tmp_path: Path) -> None:
    harmed = harm(kept, "whole", flipped)
    before = dict(kept.storage.objects)
    reader = repository_open(kept.storage, tenant=TENANT, repository=REPOSITORY, keys=KEY, records_damage=False)
    assert not repository_verify(reader, coverage=Coverage.full()).whole
    assert snapshot_restore(reader, snapshot=harmed.snapshot, target=tmp_path / "target", durable=False).failed
    assert kept.storage.objects == before


@pytest.mark.parametrize("damaged_first", [True, False])
def test_prune_relies_on_the_copy_that_is_whole(*, damaged_first: bool) -> None:
    chunk, bad, good = b"c" * 32, b"b" * 16, b"g" * 16
    tables = [
        Table.build([(chunk, Location(pack, 16, 100, 90, ChunkType.DATA, Compression.NONE))], {pack: 300})
        for pack in ((bad, good) if damaged_first else (good, bad))
    ]
    # Even if the good copy is in a condemned pack: that pack is kept.
    used = UsedChunks(tables, avoided={good}, damaged={bad + chunk})
    assert used.use(chunk)
    assert used.live_place(chunk).pack == good


@pytest.mark.parametrize("found", [by_verify, by_restore])
def test_all_damage_in_a_manifest_is_recorded_at_once(
    kept: World, found: Callable[[Harmed, Path], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The next snapshot would name every damaged chunk that stays unknown."""
    monkeypatch.setattr(stream, "CUT_LEAST", 100)
    monkeypatch.setattr(stream, "CUT_AVERAGE", 100)
    for number in range(20):
        kept.write(**{f"more {number}": 100 + number})
    harmed = harm(kept, "manifest", flipped)
    pack = kept.key(PACKS, harmed.at.pack)
    entries = directory_read(kept.open().objects, harmed.at.pack, len(kept.storage.objects[pack]))
    assert len(entries) > 7
    kept.storage.objects[pack] = bytes(len(kept.storage.objects[pack]))
    found(harmed, tmp_path / "target")
    made = taken(kept, None)
    assert dict(files(kept.open(), made)) == kept.content[made]
