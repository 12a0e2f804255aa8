"""How files are cut: by size, name and content, stable under what people do to files, and not to be guessed."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from pyfastcdc import FastCDC

from repository.chunks.chunk import ChunkType
from repository.chunks.cipher import Suite
from repository.objects import CONDEMNED, INDEX, PACKS, id_new
from repository.repository_keys import ChunkerSizes, RepositoryKeys
from repository.snapshots.cutting import chunker_of
from repository.snapshots.root import Root
from repository.snapshots.rules import Rule, rule_by_content, rule_by_name
from repository.sources.local import LocalTree
from repository.sources.sector_map import SectorMap
from repository.tree.records import Record
from tests.repository.snapshots.kept import Kept
from tests.repository.snapshots.trees import edit, kept_picture, picture, region, region_head

KIB, MIB = 1 << 10, 1 << 20
BIG = 4 * MIB
SQLITE = b"SQLite format 3\x00"


def table(*places: tuple[int, int]) -> bytes:
    """A location table with these offsets and lengths in sectors."""
    found = [offset << 8 | length for offset, length in places]
    return struct.pack(">1024I", *found, *(0,) * (1024 - len(found)))


@pytest.mark.parametrize(
    ("path", "size", "rule"),
    [
        (b"r.0.0.mca", BIG, Rule.REGION),
        (b"world/R.0.0.MCR", BIG, Rule.REGION),
        (b"plugins/store.DB", BIG, Rule.GRID),
        (b"ibdata/x.ibd", BIG, Rule.GRID),
        (b"server.jar", BIG, Rule.CONTENT),
        (b"mca", BIG, Rule.CONTENT),
        (b"r.mca/notes.txt", BIG, Rule.CONTENT),
        (b"r.mca", 128 * KIB, Rule.BUNDLED),
        (b"r.mca", 128 * KIB + 1, Rule.REGION),
        (b"r.mca", 0, Rule.BUNDLED),
        (b"\xff.mca", BIG, Rule.REGION),
    ],
)
def test_name_and_size_suggest_a_rule(path: bytes, size: int, rule: Rule) -> None:
    assert rule_by_name(path, size) is rule


@pytest.mark.parametrize(
    ("head", "rule"),
    [
        (table((2, 1)), Rule.REGION),
        (table((2, 255), (700, 1), (1023, 1)), Rule.REGION),
        (table((1023, 2)), Rule.CONTENT),  # ends a sector after the file
        (table((2, 1), (1024, 1)), Rule.CONTENT),
        (table((1, 1)), Rule.CONTENT),  # in the header
        (table((2, 1), (0, 3)), Rule.CONTENT),
        (table(), Rule.CONTENT),  # no chunk at all: most likely a hole, which costs nothing either way
        (table((2, 1))[:-1], Rule.CONTENT),
        (b"", Rule.CONTENT),
        (b"\x1f\x8b" * 2048, Rule.CONTENT),
        (SQLITE, Rule.GRID),
        (SQLITE + table((2, 1))[16:], Rule.GRID),
    ],
)
def test_a_region_file_by_name_is_one_by_its_table(head: bytes, rule: Rule) -> None:
    assert rule_by_content(Rule.REGION, BIG, head) is rule


def test_a_last_sector_may_be_short() -> None:
    assert rule_by_content(Rule.REGION, BIG - 4095, table((1023, 1))) is Rule.REGION
    assert rule_by_content(Rule.REGION, BIG - 4096, table((1023, 1))) is Rule.CONTENT


@pytest.mark.parametrize("suggested", [Rule.CONTENT, Rule.GRID, Rule.REGION])
def test_a_database_is_one_under_any_name(suggested: Rule) -> None:
    assert rule_by_content(suggested, BIG, SQLITE + b"\x10") is Rule.GRID
    assert rule_by_content(suggested, BIG, SQLITE[:-1]) is not Rule.GRID or suggested is Rule.GRID


def test_what_is_bundled_stays_so_whatever_it_holds() -> None:
    assert rule_by_content(Rule.BUNDLED, 4096, SQLITE) is Rule.BUNDLED


def test_a_renamed_region_file_is_cut_like_any_file() -> None:
    assert rule_by_content(rule_by_name(b"r.mca.bak", BIG), BIG, table((2, 1))) is Rule.CONTENT


def chunker(number: int) -> FastCDC:
    keys = RepositoryKeys(UUID(int=1), UUID(int=2), bytes([number]) * 32, Suite.AES_256_GCM, ChunkerSizes(), "")
    return chunker_of(keys.chunker, keys.derive("chunker"))


def pieces(cdc: FastCDC, data: bytes) -> list[bytes]:
    return [data[cut.offset : cut.offset + cut.length] for cut in cdc.cut_buf(data)]


def test_an_insertion_moves_the_cuts_around_it_only() -> None:
    data = Random(5).randbytes(24 * MIB)  # noqa: S311
    before = pieces(chunker(1), data)
    after = pieces(chunker(1), data[: 9 * MIB] + b"inserted" + data[9 * MIB :])
    assert len(set(after) - set(before)) <= 3
    assert len(before) > 10


def test_each_repository_cuts_elsewhere() -> None:
    data = Random(5).randbytes(24 * MIB)  # noqa: S311
    shared = set(pieces(chunker(1), data)) & set(pieces(chunker(2), data))
    assert len(shared) <= 1
    assert pieces(chunker(1), data) == pieces(chunker(1), data)


def test_an_insertion_into_a_file_stores_little(kept: Kept) -> None:
    data = Random(5).randbytes(24 * MIB)  # noqa: S311
    (kept.root / "x.zip").write_bytes(data)
    first = kept.snapshot()
    (kept.root / "x.zip").write_bytes(data[: 9 * MIB] + b"inserted" + data[9 * MIB :])
    second = kept.snapshot(parent=first.snapshot)
    # Up to three chunks of up to 4 MiB.
    assert 0 < second.added_bytes - 1000 < 8 * MIB
    assert kept_picture(kept.opened(), second.snapshot) == picture(kept.root)


@pytest.mark.parametrize("size", [8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 8 * MIB + 8 * KIB])
@pytest.mark.parametrize("name", ["a.zip", "a.db", "a.mca"])
def test_the_edges_of_what_is_read_at_once(kept: Kept, name: str, size: int) -> None:
    content = region(size, Random(size)) if name == "a.mca" else Random(size).randbytes(size)  # noqa: S311
    (kept.root / name).write_bytes(content)
    root = kept.snapshot()
    edit(kept.root / name, size - 5, b"12345")
    second = kept.snapshot(parent=root.snapshot)
    (kept.root / name).write_bytes(content)
    again = kept.snapshot(parent=second.snapshot)
    for made in (root, again):
        assert kept_picture(kept.opened(), made.snapshot)[name.encode()][3] == content


def record(kept: Kept, root: Root, name: str) -> Record:
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
def test_a_file_that_shrinks_grows_or_gets_holes(
    kept: Kept, name: str, change: Callable[[Path], None]
) -> None:
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
def parented(kept: Kept) -> tuple[Kept, Root]:
    """A snapshot of a region file, a file cut by content and a small one."""
    (kept.root / "r.mca").write_bytes(region(2 * MIB, Random(2)))  # noqa: S311
    (kept.root / "x.zip").write_bytes(Random(3).randbytes(2 * MIB))  # noqa: S311
    (kept.root / "small").write_bytes(b"small")
    return kept, kept.snapshot()


def nothing_left(kept: Kept, root: Root) -> None:
    kept.storage.objects = {key: data for key, data in kept.storage.objects.items() if "/keys/" in key}


def root_gone(kept: Kept, root: Root) -> None:
    del kept.storage.objects[next(key for key in kept.storage.objects if "/snapshots/" in key)]


def root_damaged(kept: Kept, root: Root) -> None:
    key = next(key for key in kept.storage.objects if "/snapshots/" in key)
    kept.storage.objects[key] = kept.storage.objects[key][:-1] + b"?"


def pack_of(kept: Kept, root: Root, type_: ChunkType) -> str:
    repository = kept.opened()
    found = {at.pack for _, at in repository.chunks().index.entries() if at.type is type_}
    return repository.objects.path(PACKS, found.pop())


def manifest_damaged(kept: Kept, root: Root) -> None:
    key = pack_of(kept, root, ChunkType.MANIFEST)
    data = bytearray(kept.storage.objects[key])
    data[100] ^= 1
    kept.storage.objects[key] = bytes(data)


def manifest_lost(kept: Kept, root: Root) -> None:
    del kept.storage.objects[pack_of(kept, root, ChunkType.MANIFEST)]


def data_lost(kept: Kept, root: Root) -> None:
    del kept.storage.objects[pack_of(kept, root, ChunkType.DATA)]


def data_cut_short(kept: Kept, root: Root) -> None:
    key = pack_of(kept, root, ChunkType.DATA)
    kept.storage.objects[key] = kept.storage.objects[key][:5000]


def condemned(kept: Kept, root: Root) -> None:
    objects = kept.opened().objects
    packs = b"".join(name for name, _ in objects.list(PACKS))
    objects.put_map(CONDEMNED, id_new(), {"at": "2026-01-31T12:00:00.000000Z", "packs": packs})


def index_lost(kept: Kept, root: Root) -> None:
    objects = kept.opened().objects
    for name, _ in list(objects.list(INDEX)):
        objects.delete(INDEX, name)


STORED_AGAIN = [nothing_left, data_lost, data_cut_short, condemned]
STORED_ALREADY = [root_gone, root_damaged, manifest_damaged, manifest_lost, index_lost]


@pytest.mark.parametrize("harm", STORED_AGAIN + STORED_ALREADY)
@pytest.mark.parametrize("tick", [0, 1_000_000_000])
def test_a_parent_that_is_harmed_is_no_harm(
    parented: tuple[Kept, Root], harm: Callable[[Kept, Root], None], tick: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repository.snapshots.parent.TICK_NS", tick)
    kept, first = parented
    harm(kept, first)
    edit(kept.root / "r.mca", 100_000, b"edited")
    root = kept.snapshot(parent=first.snapshot)
    lost = [key for key in kept.storage.objects if harm is condemned and "/packs/" in key]
    fresh = {chunk for chunk, at in kept.opened().chunks().index.entries()}
    assert fresh
    if harm is condemned:
        # What was condemned goes; the new snapshot has all that it needs in packs of its own.
        objects = kept.opened().objects
        for name, _ in list(objects.list(CONDEMNED)):
            gone = objects.get_map(CONDEMNED, name)["packs"]
            for at in range(0, len(gone), 16):
                objects.delete(PACKS, gone[at : at + 16])
        assert lost
    assert kept_picture(kept.opened(), root.snapshot) == picture(kept.root)
    assert (root.added_bytes > 4 * MIB) is (harm in STORED_AGAIN)


def test_a_parent_of_another_tree_lends_what_is_the_same(kept: Kept, tmp_path: Path) -> None:
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
