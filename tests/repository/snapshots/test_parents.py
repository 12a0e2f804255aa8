"""Snapshots against a parent: files that become others, and a parent that is damaged or of another tree."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from repository.chunked.chunks.chunk import ChunkType
from repository.chunked.manifest.records import Record
from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.objects import CONDEMNED, INDEX, PACKS, id_new
from tests.repository.snapshots.kept import Kept
from tests.repository.snapshots.trees import edit, kept_picture, picture, region, region_head
from trees.local.tree import LocalTree
from trees.sectors.map import SectorMap
from trees.trust import WRITTEN_BACK_NS

MIB = 1 << 20
SQLITE = b"SQLite format 3\x00"


def record(kept: Kept, root: SnapshotRoot, name: str) -> Record:
    return next(kept.opened().manifest(root.snapshot).under(name.encode()))[0]


def test_a_file_that_becomes_a_region_file_and_stops_being_one(kept: Kept) -> None:
    path, random = kept.root / "r.mca", Random(1)  # noqa: S311
    body, parent, headers = random.randbytes(MIB), None, []
    heads = [bytes(8192), region_head(MIB), b"\xff" * 8192, region_head(MIB), SQLITE.ljust(8192, b"\x00")]
    for head in heads:
        path.write_bytes(head + body[8192:])
        source = LocalTree(kept.root, sector_map=SectorMap(kept.root.parent / "map"))
        parent = kept.snapshot(source=source, parent=parent.snapshot if parent else None)
        headers.append(record(kept, parent, "r.mca").header)
        assert kept_picture(kept.opened(), parent.snapshot) == picture(kept.root)
    assert headers == [0, 8192, 0, 8192, 0]


def shrink(path: Path) -> None:
    os.truncate(path, 700_001)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more" * 100_000)


def grow_by_hole(path: Path) -> None:
    os.truncate(path, 5 * MIB)


def shrink_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def shrink_and_grow(path: Path) -> None:
    os.truncate(path, 500_000)
    os.truncate(path, 3 * MIB)
    edit(path, 2 * MIB, b"data")


@pytest.mark.parametrize("change", [shrink, grow, grow_by_hole, shrink_to_nothing, shrink_and_grow])
@pytest.mark.parametrize("name", ["r.mca", "a.db", "a.zip"])
def test_a_file_that_shrinks_grows_or_gets_holes(kept: Kept, name: str, change: Callable[[Path], None]) -> None:
    path = kept.root / name
    path.write_bytes(region(3 * MIB, Random(2)))  # noqa: S311
    map_path, parent = kept.root.parent / "map", None
    steps = [lambda path: None, change, lambda path: edit(path, path.stat().st_size // 2, b"edited"), grow]
    for step in steps:
        step(path)
        source = LocalTree(kept.root, sector_map=SectorMap(map_path))
        root = kept.snapshot(source=source, parent=parent)
        parent = root.snapshot
        assert kept_picture(kept.opened(), parent) == picture(kept.root)


def test_a_few_changed_sectors_are_all_that_is_stored(kept: Kept) -> None:
    (kept.root / "r.mca").write_bytes(region(6 * MIB, Random(2)))  # noqa: S311
    map_path = kept.root.parent / "map"
    first = kept.snapshot(source=LocalTree(kept.root, sector_map=SectorMap(map_path)))
    edit(kept.root / "r.mca", 100_000, b"edited")
    edit(kept.root / "r.mca", 5_000_000, b"edited")
    second = kept.snapshot(source=LocalTree(kept.root, sector_map=SectorMap(map_path)), parent=first.snapshot)
    chunks = set(kept.opened().manifest(second.snapshot).chunk_ids())
    assert len(chunks) == 1
    assert second.added_bytes < 2 * 4096 + 10_000
    edit(kept.root / "r.mca", 200_000, b"edited")
    map_path.unlink()
    third = kept.snapshot(source=LocalTree(kept.root, sector_map=SectorMap(map_path)), parent=second.snapshot)
    assert 65536 <= third.added_bytes < 65536 + 10_000
    assert kept_picture(kept.opened(), third.snapshot) == picture(kept.root)


@pytest.fixture
def parented(kept: Kept) -> tuple[Kept, SnapshotRoot]:
    """A snapshot of a region file, a file cut by content and a small one."""
    (kept.root / "r.mca").write_bytes(region(2 * MIB, Random(2)))  # noqa: S311
    (kept.root / "x.zip").write_bytes(Random(3).randbytes(2 * MIB))  # noqa: S311
    (kept.root / "small").write_bytes(b"small")
    return kept, kept.snapshot()


def nothing_left(kept: Kept, root: SnapshotRoot) -> None:
    kept.storage.objects = {key: data for key, data in kept.storage.objects.items() if "/keys/" in key}


def root_gone(kept: Kept, root: SnapshotRoot) -> None:
    del kept.storage.objects[next(key for key in kept.storage.objects if "/snapshots/" in key)]


def root_damaged(kept: Kept, root: SnapshotRoot) -> None:
    key = next(key for key in kept.storage.objects if "/snapshots/" in key)
    kept.storage.objects[key] = kept.storage.objects[key][:-1] + b"?"


def pack_of(kept: Kept, root: SnapshotRoot, type_: ChunkType) -> str:
    repository = kept.opened()
    found = {at.pack for _, at in repository.chunks().index.entries() if at.type is type_}
    return repository.objects.path(PACKS, found.pop())


def manifest_damaged(kept: Kept, root: SnapshotRoot) -> None:
    key = pack_of(kept, root, ChunkType.MANIFEST)
    data = bytearray(kept.storage.objects[key])
    data[100] ^= 1
    kept.storage.objects[key] = bytes(data)


def manifest_lost(kept: Kept, root: SnapshotRoot) -> None:
    del kept.storage.objects[pack_of(kept, root, ChunkType.MANIFEST)]


def data_lost(kept: Kept, root: SnapshotRoot) -> None:
    del kept.storage.objects[pack_of(kept, root, ChunkType.DATA)]


def data_cut_short(kept: Kept, root: SnapshotRoot) -> None:
    key = pack_of(kept, root, ChunkType.DATA)
    kept.storage.objects[key] = kept.storage.objects[key][:5000]


def condemned(kept: Kept, root: SnapshotRoot) -> None:
    objects = kept.opened().objects
    packs = b"".join(name for name, _ in objects.list(PACKS))
    objects.put_map(CONDEMNED, id_new(), {"at": "2026-01-31T12:00:00.000000Z", "packs": packs})


def condemned_delete(kept: Kept) -> None:
    """Delete condemned packs: a later snapshot has all its chunks elsewhere."""
    objects = kept.opened().objects
    for name, _ in list(objects.list(CONDEMNED)):
        packs = objects.get_map(CONDEMNED, name)["packs"]
        for at in range(0, len(packs), 16):
            objects.delete(PACKS, packs[at : at + 16])


def index_lost(kept: Kept, root: SnapshotRoot) -> None:
    objects = kept.opened().objects
    for name, _ in list(objects.list(INDEX)):
        objects.delete(INDEX, name)


STORED_AGAIN = [nothing_left, data_lost, data_cut_short, condemned]
STORED_ALREADY = [root_gone, root_damaged, manifest_damaged, manifest_lost, index_lost]


@pytest.mark.parametrize("harm", STORED_AGAIN + STORED_ALREADY)
@pytest.mark.parametrize("margin", [0, WRITTEN_BACK_NS])
def test_a_parent_that_is_harmed_is_no_harm(
    parented: tuple[Kept, SnapshotRoot],
    harm: Callable[[Kept, SnapshotRoot], None],
    margin: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trees.trust.WRITTEN_BACK_NS", margin)
    kept, first = parented
    harm(kept, first)
    edit(kept.root / "r.mca", 100_000, b"edited")
    root = kept.snapshot(parent=first.snapshot)
    if harm is condemned:
        condemned_delete(kept)
    assert kept_picture(kept.opened(), root.snapshot) == picture(kept.root)
    assert (root.added_bytes > 4 * MIB) is (harm in STORED_AGAIN)


def test_parent_of_another_tree_shares_equal_chunks(kept: Kept, tmp_path: Path) -> None:
    (kept.root / "x.zip").write_bytes(Random(3).randbytes(2 * MIB))  # noqa: S311
    (kept.root / "r.mca").write_bytes(region(2 * MIB, Random(4)))  # noqa: S311
    first = kept.snapshot()
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.zip").write_bytes(region(2 * MIB, Random(5)))  # noqa: S311
    (other / "r.mca").mkdir()
    (other / "r.mca" / "x").write_bytes((kept.root / "x.zip").read_bytes())
    root = kept.snapshot(source=LocalTree(other), parent=first.snapshot)
    assert kept_picture(kept.opened(), root.snapshot) == picture(other)
    assert 2 * MIB <= root.added_bytes < 2 * MIB + 10_000
