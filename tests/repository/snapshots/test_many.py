"""R27: very many entries, and files far larger than memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

from repository.chunked.manifest.records import PART_SIZE, placed
from repository.chunked.manifest.root import SnapshotRoot
from tests.repository.snapshots.kept import Kept
from tests.repository.snapshots.trees import content_of, edit, region_head
from trees.local.tree import LocalTree
from trees.sectors.map import SectorMap

MIB, GIB = 1 << 20, 1 << 30
ENTRIES = int(os.environ.get("ENTRIES", "100000"))
MEMORY_MAX = 150


def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    """Half of the files are in one folder. `ENTRIES=1000000` takes a minute."""
    command = [sys.executable, "-m", "tests.repository.snapshots.made_up", str(tmp_path), str(ENTRIES)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    assert ended.returncode == 0, ended.stderr
    full, unchanged, changed = ([*map(int, line.split())] for line in ended.stdout.splitlines())
    assert full[1] == unchanged[1] == changed[1] > ENTRIES
    assert unchanged[2] == 0 < changed[2] < full[2]
    assert changed[0] < MEMORY_MAX


def sparse(path: Path, size: int, data: dict[int, bytes]) -> None:
    path.touch()
    os.truncate(path, size)
    for offset, content in data.items():
        edit(path, offset, content)


def held(kept: Kept, root: SnapshotRoot, path: bytes) -> dict[int, bytes]:
    """The data of a file outside holes, by offset."""
    repository = kept.opened()
    chunks = repository.chunks()
    record, parts = next(repository.manifest(root.snapshot).under(path))
    found, at = {}, 0
    for part in (record, *parts):
        assert part.content is not None
        for begin, end, extent in placed(part.content, at):
            if extent.chunk is not None:
                found[begin] = chunks.read(extent.chunk)[extent.offset : extent.offset + end - begin]
            at = end
    assert at == record.size
    return found


def test_a_sparse_file_of_200_gib(kept: Kept) -> None:
    data = {0: b"begin" * 1000, 100 * GIB: b"middle" * 1000, 200 * GIB - 4096: b"end!" * 1024}
    sparse(kept.root / "huge.img", 200 * GIB, data)
    first = kept.snapshot()
    assert first.bytes == 200 * GIB
    assert first.added_bytes < MIB
    found = held(kept, first, b"huge.img")
    assert {at: content.rstrip(b"\x00") for at, content in found.items()} == data


def test_a_region_file_of_two_parts(kept: Kept) -> None:
    """Its second part begins 8 KiB later than that of other files, also in a comparison with the parent."""
    path, size = kept.root / "r.0.0.mca", PART_SIZE + 3 * MIB
    sparse(path, size, {0: region_head(size)})
    map_path, parent, expected = kept.root.parent / "map", None, bytearray(size)
    expected[:8192] = region_head(size)
    # The last 3 MiB are all data, so that they can be compared by sector.
    steps = {PART_SIZE + 8192: size - PART_SIZE - 8192, PART_SIZE + MIB: 100, PART_SIZE - 50: 100, size - 10: 10}
    added = []
    for offset, length in steps.items():
        content = Random(offset).randbytes(length)  # noqa: S311
        edit(path, offset, content)
        expected[offset : offset + length] = content
        source = LocalTree(kept.root, sector_map=SectorMap(map_path))
        root = kept.snapshot(source=source, parent=parent)
        parent = root.snapshot
        added.append(root.added_bytes)
    repository = kept.opened()
    record, parts = next(repository.manifest(root.snapshot).under(b"r.0.0.mca"))
    assert record.header == 8192
    assert len(parts) == 1
    assert content_of(repository.chunks(), record, parts) == expected
    assert added[1] < 65536 + 50_000
    assert added[3] < 65536 + 50_000
