"""The sector map's knowledge of snapshots, after any sequence of runs and file changes."""

from __future__ import annotations

import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3

from tests.descriptors import descriptors
from tests.trees.reading import BLOCK, SECTOR, found, read
from tests.trees.sector_world import FIRST, SECOND, SIZE, THIRD, World, keys, rows
from trees.local.tree import LocalTree
from trees.sectors import map as sector_map
from trees.sectors import tags as sector_tags
from trees.sectors.map import SectorMap
from trees.source import SourceGone

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


def test_map_knows_the_sectors_of_its_snapshot(world: World) -> None:
    assert [world.knows(name, FIRST) for name in ("a", "b", "c")] == [True] * 3


@pytest.mark.parametrize("parent", [None, SECOND])
def test_map_knows_nothing_of_another_snapshot(world: World, parent: bytes | None) -> None:
    assert not world.knows("a", parent)
    assert world.knows("a", FIRST)


def test_run_with_another_parent_keeps_only_opened_files(world: World) -> None:
    world.tree.begin(THIRD)
    world.edit("a")
    assert world.compare("a") == BLOCK
    world.tree.commit(SECOND)
    assert world.knows("a", SECOND)
    assert not world.knows("b", SECOND)


def test_files_that_were_not_opened_stay_known(world: World) -> None:
    world.tree.begin(FIRST)
    world.edit("a")
    assert world.compare("a") == SECTOR
    world.tree.commit(SECOND)
    assert [world.knows(name, SECOND) for name in ("a", "b", "c")] == [True] * 3
    assert not world.knows("b", FIRST)


def test_a_file_that_is_gone_is_forgotten(world: World) -> None:
    (world.data / "a").unlink()
    (world.data / "c").unlink()
    world.tree.begin(FIRST)
    assert list(found(world.tree)) == [b"", b"b"]
    world.tree.commit(SECOND)
    assert keys(world) == {b"b"}


def test_a_file_that_became_something_else_is_forgotten(world: World) -> None:
    (world.data / "a").unlink()
    (world.data / "a").mkdir()
    (world.data / "b").unlink()
    (world.data / "b").symlink_to("c")
    world.tree.begin(FIRST)
    found(world.tree)
    world.tree.commit(SECOND)
    assert keys(world) == {b"c"}


def test_many_files_are_looked_through_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sector_map, "_KEYS_A_PAGE", 2)
    (world.data / "b").unlink()
    world.tree.begin(FIRST)
    found(world.tree)
    world.tree.commit(SECOND)
    assert keys(world) == {b"a", b"c"}


def test_a_file_opened_otherwise_is_forgotten(world: World) -> None:
    world.tree.begin(FIRST)
    with world.tree.open(found(world.tree)[b"a"], in_place=False) as file:
        read(file, SIZE)
    world.tree.commit(SECOND)
    assert not world.knows("a", SECOND)
    assert world.knows("b", SECOND)


def test_a_file_opened_both_ways_is_known_only_if_in_place_was_last(world: World) -> None:
    for in_place in (False, True):
        world.tree.begin(FIRST)
        entry = found(world.tree)[b"a"]
        for way in (not in_place, in_place):
            with world.tree.open(entry, in_place=way) as file:
                read(file, SIZE)
        world.tree.commit(FIRST)
        assert world.knows("a", FIRST) is in_place


def test_a_file_that_could_not_be_opened_is_forgotten(world: World) -> None:
    world.tree.begin(FIRST)
    entry = found(world.tree)[b"a"]
    (world.data / "a").rename(world.data / "hidden")
    with pytest.raises(SourceGone), world.tree.open(entry, in_place=True):
        pass
    (world.data / "hidden").rename(world.data / "a")
    world.tree.commit(SECOND)
    assert not world.knows("a", SECOND)


@pytest.mark.parametrize("between", [None, False, True])
def test_openings_in_place_add_up_unless_there_was_another_between(
    world: World, monkeypatch: pytest.MonkeyPatch, *, between: bool | None
) -> None:
    monkeypatch.setattr(sector_tags, "SLICE_SECTORS", SIZE // 2 // SECTOR)
    world.tree.begin(None)
    entry = found(world.tree)[b"a"]
    half = memoryview(bytearray(SIZE // 2))
    with world.tree.open(entry, in_place=True) as file:
        file.readinto(half, 0)
    if between is not None:
        with world.tree.open(entry, in_place=between):
            pass
    with world.tree.open(entry, in_place=True) as file:
        file.readinto(half, SIZE // 2)
    world.tree.commit(SECOND)
    first, second = known_halves(world, b"a", SECOND)
    assert first is (between is not False)
    assert second


def known_halves(world: World, path: bytes, parent: bytes) -> tuple[bool, bool]:
    world.tree.begin(parent)
    tags = world.map.file_tags(path)
    assert tags is not None
    sectors = SIZE // 2 // SECTOR
    return any(tags.before(0, sectors)), any(tags.before(sectors, sectors))


def test_a_sector_read_twice_does_not_hide_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The beginning of a file is read twice, for its rule and its data; a slice is whole only with its last sector."""
    monkeypatch.setattr(sector_tags, "SLICE_SECTORS", 4)
    monkeypatch.setattr(sector_tags, "SLICE_TAGS_SIZE", 4 * sector_tags.TAG_SIZE)
    world.tree.begin(None)
    with world.tree.open(found(world.tree)[b"a"], in_place=True) as file:
        for sector in (0, 0, 1, 2, 3):
            file.readinto(memoryview(bytearray(SECTOR)), sector * SECTOR)
    world.tree.commit(SECOND)
    world.tree.begin(SECOND)
    tags = world.map.file_tags(b"a")
    assert tags is not None
    assert all(any(tags.before(sector, 1)) for sector in range(4))


def test_bytes_not_read_in_whole_sectors_are_not_known(world: World) -> None:
    world.tree.begin(None)
    with world.tree.open(found(world.tree)[b"a"], in_place=True) as file:
        file.readinto(memoryview(bytearray(2 * SECTOR)), 100)
        file.readinto(memoryview(bytearray(50)), 10)
    world.tree.commit(SECOND)
    world.tree.begin(SECOND)
    tags = world.map.file_tags(b"a")
    assert tags is not None
    assert not any(tags.before(0, 1))
    assert any(tags.before(1, 1))


def test_rows_of_an_unfinished_run_are_dropped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sector_map, "_ROWS_A_WRITE", 1)
    world.tree.begin(FIRST)
    original = world.held[b"a"]
    world.edit("a")
    assert world.compare("a") == SECTOR
    crashed = World.__new__(World)
    crashed.__dict__.update(world.__dict__)
    crashed.map_path = world.map_path.with_name("crashed")
    for suffix in ("", "-wal"):
        shutil.copy(f"{world.map_path}{suffix}", f"{crashed.map_path}{suffix}")
    assert rows(crashed.map_path, "SELECT count(*) FROM staged") != [(0,)]
    crashed.tree = LocalTree(world.data, sector_map=SectorMap(crashed.map_path))
    crashed.tree.begin(FIRST)
    assert rows(crashed.map_path, "SELECT count(*) FROM staged") == [(0,)]
    (world.data / "a").write_bytes(original)
    assert crashed.knows("a", FIRST)


def test_only_the_later_of_two_concurrent_runs_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sector_map, "_ROWS_A_WRITE", 1)
    original = world.held[b"a"]
    world.tree.begin(FIRST)
    world.edit("a")
    later = SectorMap(world.map_path)
    later.begin(FIRST)
    world.compare("a")
    world.tree.commit(SECOND)
    later.commit(THIRD)
    (world.data / "a").write_bytes(original)
    assert not world.knows("a", SECOND)
    assert world.knows("a", THIRD)


def test_files_are_compared_by_several_threads_at_once(world: World) -> None:
    names = [f"file-{number}" for number in range(24)]
    for name in names:
        (world.data / name).write_bytes(blake3(name.encode()).digest(SIZE))
        world.held[name.encode()] = (world.data / name).read_bytes()
    world.tree.begin(FIRST)
    entries = [entry for entry in world.tree.scan() if os.fsdecode(entry.path) in names]
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(world.compare_entry, entries)) == {0}
    world.tree.commit(SECOND)
    for name in names:
        world.edit(name)
    world.tree.begin(SECOND)
    entries = [entry for entry in world.tree.scan() if os.fsdecode(entry.path) in names]
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(world.compare_entry, entries)) == {SECTOR}
    world.tree.commit(THIRD)


def test_only_its_owner_may_read_it(world: World) -> None:
    world.tree.begin(FIRST)
    for path in world.map_path.parent.glob("map*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert world.map_path.with_name("map-wal").exists()


def test_nothing_stays_open_after_a_commit(world: World) -> None:
    assert str(world.map_path) not in descriptors(world.map_path.parent)
    world.tree.begin(FIRST)
    assert str(world.map_path) in descriptors(world.map_path.parent)
