"""A sector map file that is damaged, locked, full or another's disables the map, and nothing fails."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.faults import raising
from tests.trees.reading import BLOCK, SECTOR
from tests.trees.sector_world import FIRST, SECOND, THIRD, World, rows
from trees.local.tree import LocalTree
from trees.sectors import map as sector_map
from trees.sectors import store as sector_store
from trees.sectors.map import SectorMap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


def test_a_commit_that_fails_half_way_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sector_store, "_TAKE_STAGED", "INSERT INTO map VALUES (1, x'', NULL, NULL)")
        world.tree.begin(FIRST)
        world.edit("a")
        assert world.compare("a") == SECTOR
        world.tree.commit(SECOND)
    (world.data / "a").write_bytes(world.held[b"a"])
    assert not world.knows("a", SECOND)
    assert world.knows("a", FIRST)


def test_a_disk_that_is_full_ends_the_learning_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    full = raising(sqlite3.OperationalError("database or disk is full"))
    monkeypatch.setattr(sector_map, "_ROWS_A_WRITE", 1)
    world.tree.begin(FIRST)
    world.edit("a")
    with monkeypatch.context() as patch:
        patch.setattr(sector_store.SectorStore, "stage", full)
        assert world.compare("a") == BLOCK
    world.tree.commit(SECOND)
    (world.data / "a").write_bytes(world.held[b"a"])
    assert not world.knows("a", SECOND)
    assert world.knows("a", FIRST)


DAMAGES = {
    "tags": "UPDATE tags SET tags = zeroblob(64) || substr(tags, 65)",
    "shorter": "UPDATE tags SET tags = substr(tags, 1, 512)",
    "proof": "UPDATE tags SET proof = zeroblob(16)",
    "text": "UPDATE tags SET tags = 'text'",
    "number": "UPDATE tags SET number = number + 1",
    "another file's": "UPDATE tags SET tags = (SELECT tags FROM tags WHERE key = CAST('b' AS BLOB)),"
    " proof = (SELECT proof FROM tags WHERE key = CAST('b' AS BLOB))",
    "secret": "UPDATE map SET secret = randomblob(32)",
    "snapshot": "UPDATE map SET snapshot = randomblob(16)",
    "no snapshot": "UPDATE map SET snapshot = 1",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_row_is_not_believed(world: World, damage: str) -> None:
    rows(world.map_path, damage)
    assert not world.knows("a", FIRST)
    world.tree.commit(SECOND)


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def torn(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def another_version(path: Path) -> None:
    rows(path, "PRAGMA user_version = 9")


def without_secret(path: Path) -> None:
    rows(path, "DELETE FROM map")


def same_version_without_tables(path: Path) -> None:
    rows(path, "DROP TABLE staged")


@pytest.mark.parametrize(
    "damage",
    [garbage, torn, cut, emptied, another_version, without_secret, same_version_without_tables],
)
def test_a_file_that_is_no_map_is_begun_anew(world: World, damage: Callable[[Path], None]) -> None:
    damage(world.map_path)
    assert not world.knows("a", FIRST)
    for snapshot, parent in ((SECOND, FIRST), (THIRD, SECOND)):
        world.tree.begin(parent)
        world.edit("a")
        world.compare("a")
        world.held[b"a"] = (world.data / "a").read_bytes()
        world.tree.commit(snapshot)
    assert world.knows("a", THIRD)


def test_foreign_database_is_left_alone(world: World) -> None:
    world.map_path.unlink()
    rows(world.map_path, "CREATE TABLE map AS SELECT 5 AS x")
    assert not world.knows("a", FIRST)
    world.tree.commit(SECOND)
    assert rows(world.map_path, "SELECT x FROM map") == [(5,)]


@pytest.mark.parametrize("path", ["nowhere/map", ".", "/proc/map"])
def test_a_map_that_cannot_be_written_is_none(world: World, path: str) -> None:
    world.tree = LocalTree(world.data, sector_map=SectorMap(world.data.parent / path))
    assert not world.knows("a", FIRST)
    world.tree.commit(SECOND)
    assert not world.knows("a", SECOND)


def test_a_locked_map_is_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sector_store, "_BUSY_SECONDS", 0)
    other = sqlite3.connect(world.map_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not world.knows("a", FIRST)
    world.tree.commit(SECOND)
    other.close()
    assert world.knows("a", FIRST)
