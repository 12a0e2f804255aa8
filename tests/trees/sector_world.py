"""A few files and their sector map."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from blake3 import blake3

from tests.trees.reading import BLOCK, SECTOR, found, hashes, read, rebuilt
from trees.local.tree import LocalTree
from trees.sectors.map import SectorMap

if TYPE_CHECKING:
    from pathlib import Path

    from trees.source import SourceEntry

SIZE = 4 * BLOCK
FIRST, SECOND, THIRD = (bytes([number]) * 16 for number in (1, 2, 3))


class World:
    """A few files, and a map that describes their snapshot FIRST."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        self.map_path = folder / "map"
        for name in ("a", "b", "c"):
            (self.data / name).write_bytes(blake3(name.encode()).digest(SIZE))
        self.map = SectorMap(self.map_path)
        self.tree = LocalTree(self.data, sector_map=self.map)
        self.held = {name.encode(): (self.data / name).read_bytes() for name in ("a", "b", "c")}
        self.tree.begin(None)
        for entry in list(self.tree.scan())[1:]:
            with self.tree.open(entry, in_place=True) as file:
                read(file, entry.size, piece=BLOCK)
        self.tree.commit(FIRST)

    def edit(self, name: str) -> None:
        """Change one byte in the second sector."""
        with (self.data / name).open("r+b") as file:
            file.seek(SECTOR)
            file.write(bytes([self.held[name.encode()][SECTOR] ^ 1]))

    def compare(self, name: str) -> int:
        """Open a file in place; returns the bytes in its runs, and checks that they and the parent make the file."""
        return self.compare_entry(found(self.tree)[name.encode()])

    def compare_entry(self, entry: SourceEntry) -> int:
        name = os.fsdecode(entry.path)
        held, now = self.held[name.encode()], (self.data / name).read_bytes()
        with self.tree.open(entry, in_place=True) as file:
            changes = file.changes(0, entry.size, header=0, known=hashes(held, 0))
            runs = [(offset, bytes(data)) for offset, data in changes]
        assert rebuilt(held, runs, len(now)) == now
        return sum(len(data) for _, data in runs)

    def knows(self, name: str, parent: bytes) -> bool:
        """Whether the map knows the sectors of a file in that snapshot; commits nothing."""
        self.tree.begin(parent)
        self.held[name.encode()] = (self.data / name).read_bytes()
        self.edit(name)
        size = self.compare(name)
        (self.data / name).write_bytes(self.held[name.encode()])
        assert size in (SECTOR, BLOCK)
        return size == SECTOR


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def keys(world: World) -> set[object]:
    return {key for (key,) in rows(world.map_path, "SELECT DISTINCT key FROM tags")}
