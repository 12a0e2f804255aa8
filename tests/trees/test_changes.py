"""Changes of a file since the parent: whole blocks without a sector map, single sectors with one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trees.reading import BLOCK, SECTOR, Runs, blocks, found, hashes, read, rebuilt, sectors
from trees.local import changes as local_changes
from trees.local.tree import LocalTree
from trees.sectors import tags as sector_tags
from trees.sectors.map import SectorMap

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = b"r.0.0.mca"
SIZE_MAX = 10 * BLOCK


@pytest.fixture(scope="module", autouse=True)
def _small_windows() -> Iterator[None]:
    """Windows and slices so small that small files have several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_changes, "_WINDOW_SIZE", 3 * BLOCK)
        patch.setattr(local_changes, "_buffers", [])
        patch.setattr(sector_tags, "SLICE_SECTORS", 40)
        patch.setattr(sector_tags, "SLICE_TAGS_SIZE", 40 * 16)
        yield


class Snapshots:
    """A file, and its snapshots with their content."""

    def __init__(self, folder: Path, *, header: int) -> None:
        (folder / "data").mkdir()
        self.path = folder / "data" / os.fsdecode(FILE)
        self.header = header
        self.parent: bytes | None = None
        self.held = b""
        self.tags_complete = False
        self._map = SectorMap(folder / "map")
        self._tree = LocalTree(folder / "data", sector_map=self._map)
        self._number = 0

    def take(self, *, commit: bool = True, known: bool = True) -> Runs:
        """Take one more snapshot, stored or not; checks that its runs make the file."""
        now = self.path.read_bytes()
        self._tree.begin(self.parent)
        entry = found(self._tree)[FILE]
        parents = hashes(self.held, self.header) if known else b""
        with self._tree.open(entry, in_place=True) as file:
            if self.parent is None:
                assert read(file, entry.size, piece=BLOCK) == now
                runs = [(0, now)]
            else:
                changes = file.changes(0, entry.size, header=self.header, known=parents)
                runs = [(offset, bytes(data)) for offset, data in changes]
                assert changes.hashes == hashes(now, self.header)
                assert rebuilt(self.held, runs, len(now)) == now
        if commit:
            self._number += 1
            self.parent, self.held = self._number.to_bytes(16, "big"), now
            self._tree.commit(self.parent)
        return runs

    def take_elsewhere(self) -> None:
        """Take a snapshot without telling the sector map."""
        self._number += 1
        self.parent, self.held = self._number.to_bytes(16, "big"), self.path.read_bytes()


EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, SIZE_MAX), st.binary(min_size=1, max_size=9000)),
        st.tuples(st.just("resize"), st.integers(0, SIZE_MAX), st.just(b"")),
        st.tuples(st.just("restore"), st.integers(0, 3), st.just(b"")),
    ),
    max_size=6,
)
STEPS = st.lists(st.tuples(EDITS, st.sampled_from(["stored", "stored", "stored", "failed", "elsewhere"])), max_size=6)


@settings(max_examples=120)
@given(header=st.sampled_from([0, 8192]), size=st.integers(0, SIZE_MAX), steps=STEPS, seed=st.binary(max_size=4))
def test_the_parent_and_the_runs_make_the_file_by_the_fewest_sectors(
    header: int, size: int, steps: list[tuple[list[tuple[str, int, bytes]], str]], seed: bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        snapshots = Snapshots(Path(folder), header=header)
        snapshots.path.write_bytes(blake3(seed).digest(size))
        snapshots.take()
        described = True
        contents = [snapshots.held]
        for edits, fate in steps:
            for edit in edits:
                apply(snapshots.path, edit, contents)
            contents.append(snapshots.path.read_bytes())
            if fate == "elsewhere":
                snapshots.take_elsewhere()
                described = False
                continue
            before = snapshots.held
            runs = snapshots.take(commit=fate == "stored")
            assert touched(runs) == expected(before, contents[-1], header, by_sector=described)
            described = described or fate == "stored"


def apply(path: Path, edit: tuple[str, int, bytes], contents: list[bytes]) -> None:
    """Edit as databases and games do; former content comes back too, which stale tags would match."""
    kind, number, data = edit
    if kind == "restore":
        path.write_bytes(contents[number % len(contents)])
        return
    with path.open("r+b") as file:
        if kind == "resize":
            file.truncate(number)
        else:
            file.seek(number)
            file.write(data)


def touched(runs: Runs) -> list[tuple[int, int]]:
    """The sectors that runs cover, each with its length; checks that runs are apart, in order and made of sectors."""
    result = []
    end = -1
    for offset, data in runs:
        assert offset >= end
        assert offset % SECTOR == 0
        assert data
        end = offset + len(data)
        result += [(at, min(SECTOR, end - at)) for at in range(offset, end, SECTOR)]
    return result


def expected(before: bytes, now: bytes, header: int, *, by_sector: bool) -> list[tuple[int, int]]:
    old = blocks(before, header)
    result = []
    at = 0
    for number, block in enumerate(blocks(now, header)):
        was = sectors(old[number]) if number < len(old) else []
        differs = number >= len(old) or block != old[number]
        for index, sector in enumerate(sectors(block)):
            same = by_sector and index < len(was) and was[index] == sector
            if differs and not same:
                result.append((at + index * SECTOR, len(sector)))
        at += len(block)
    return result


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    snapshots = Snapshots(tmp_path, header=8192)
    snapshots.path.write_bytes(blake3(b"file").digest(SIZE_MAX))
    snapshots.take()
    return snapshots


def write(snapshots: Snapshots, offset: int, data: bytes) -> None:
    with snapshots.path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def test_neighbouring_sectors_are_one_run_across_blocks(snapshots: Snapshots) -> None:
    border = 8192 + BLOCK
    write(snapshots, border - 100, b"x" * 200)
    assert [(offset, len(data)) for offset, data in snapshots.take()] == [(border - SECTOR, 2 * SECTOR)]


def test_the_header_is_a_block_of_its_own(snapshots: Snapshots) -> None:
    write(snapshots, 5000, b"x")
    assert [(offset, len(data)) for offset, data in snapshots.take()] == [(SECTOR, SECTOR)]


def test_bytes_cut_off_and_written_again_are_a_change(snapshots: Snapshots) -> None:
    content = snapshots.held
    os.truncate(snapshots.path, 8192 + 2 * BLOCK + 3 * SECTOR)
    assert snapshots.take() == []
    snapshots.path.write_bytes(content)
    assert touched(snapshots.take())[0] == (8192 + 2 * BLOCK + 3 * SECTOR, SECTOR)


def test_blocks_unknown_to_the_caller_are_whole_despite_the_map(snapshots: Snapshots) -> None:
    assert touched(snapshots.take(known=False)) == expected(b"", snapshots.held, 8192, by_sector=True)


def test_without_a_sector_map_blocks_go_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content := blake3(b"file").digest(SIZE_MAX))
    tree = LocalTree(tmp_path)
    with (tmp_path / "file").open("r+b") as file:
        file.seek(8192 + BLOCK)
        file.write(b"x")
    for in_place in (True, False):
        with tree.open(found(tree)[b"file"], in_place=in_place) as opened:
            changes = opened.changes(0, SIZE_MAX, header=8192, known=hashes(content, 8192))
            assert [(offset, len(data)) for offset, data in changes] == [(8192 + BLOCK, BLOCK)]


def test_parts_of_a_file_are_compared_each_for_itself(snapshots: Snapshots) -> None:
    border = 8192 + 4 * BLOCK
    tree, before = snapshots._tree, snapshots.held
    for offset in (0, border, SIZE_MAX - 1):
        write(snapshots, offset, b"x")
    now = snapshots.path.read_bytes()
    for _ in range(3):
        tree.begin(snapshots.parent)
        runs = []
        entry = found(tree)[FILE]
        # As a snapshot does: find the rule first, then read each part in an opening of its own.
        with tree.open(entry, in_place=False) as file:
            file.readinto(memoryview(bytearray(SECTOR)), 0)
        for start, stop, header in ((0, border, 8192), (border, SIZE_MAX, 0)):
            with tree.open(entry, in_place=True) as file:
                file.readinto(memoryview(bytearray(SECTOR)), 0)
                changes = file.changes(start, stop, header=header, known=hashes(before[start:stop], header))
                runs += [(offset, bytes(data)) for offset, data in changes]
                assert changes.hashes == hashes(now[start:stop], header)
        assert touched(runs) == expected(before, now, 8192, by_sector=True)
        snapshots.parent = b"next" * 4
        tree.commit(snapshots.parent)
        before = now
        write(snapshots, border + SECTOR, b"y")
        now = snapshots.path.read_bytes()


def test_a_huge_hole_is_compared_without_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 64 << 20
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "sparse").open("wb") as file:
        file.truncate(size)
        os.pwrite(file.fileno(), b"x", 32 << 20)
    tree = LocalTree(tmp_path / "data", sector_map=SectorMap(tmp_path / "map"))
    tree.begin(None)
    counted = []
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda *args: counted.append(real(*args)) or counted[-1])
    zeros = hashes(bytes(size), 0)
    with tree.open(found(tree)[b"sparse"], in_place=True) as opened:
        changes = opened.changes(0, size, header=0, known=zeros)
        assert [(offset, len(data)) for offset, data in changes] == [(32 << 20, BLOCK)]
        assert len(changes.hashes) == len(zeros)
        assert changes.hashes != zeros
    assert sum(counted) < 8 * BLOCK


def test_a_hole_that_was_data_is_a_change(snapshots: Snapshots) -> None:
    size = len(snapshots.held)
    with snapshots.path.open("wb") as file:
        file.truncate(size)
    runs = snapshots.take()
    assert touched(runs) == expected(blake3(b"file").digest(SIZE_MAX), bytes(size), 8192, by_sector=True)
    assert snapshots.take() == []


def test_a_file_cut_while_it_is_compared_ends_in_zeros(snapshots: Snapshots) -> None:
    tree = snapshots._tree
    tree.begin(snapshots.parent)
    entry = found(tree)[FILE]
    write(snapshots, 0, b"x")
    with tree.open(entry, in_place=True) as file:
        changes = file.changes(0, entry.size, header=8192, known=hashes(snapshots.held, 8192))
        iterator = iter(changes)
        offset, data = next(iterator)
        runs = [(offset, bytes(data))]
        assert (offset, len(data)) == (0, SECTOR)
        os.truncate(snapshots.path, 8192 + 4 * BLOCK + 100)
        runs += [(offset, bytes(data)) for offset, data in iterator]
        assert file.changed()
    now = snapshots.path.read_bytes().ljust(SIZE_MAX, b"\0")
    assert changes.hashes == hashes(now, 8192)
    assert rebuilt(snapshots.held, runs, SIZE_MAX) == now
    snapshots.parent = b"next" * 4
    tree.commit(snapshots.parent)
    snapshots.held = now
    snapshots.path.write_bytes(now)
    assert snapshots.take() == []


def test_a_part_that_is_not_made_of_sectors_is_refused(snapshots: Snapshots) -> None:
    tree = snapshots._tree
    with tree.open(found(tree)[FILE], in_place=True) as file:
        for start, header in ((1, 0), (0, 100), (0, 2 * BLOCK)):
            with pytest.raises(ValueError, match="whole sectors"):
                file.changes(start, SIZE_MAX, header=header, known=b"")
