"""Files of several parts over the wire: asked for part by part, compared, and given up when they are gone."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.comparison import differences, tree_read
from repository.chunked.manifest import records, stream
from repository.chunked.snapshots import ahead, assembly
from sidecar_client.snapshot import arrivals
from sidecar_client.snapshot.tree_source import TreeSource
from tests.sidecar_daemon.lying_tree import LyingTree
from tests.sidecar_daemon.remote_snapshots import At, Snapshots

KIB = 1 << 10
PART = 256 * KIB


@pytest.fixture
def lying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LyingTree]:
    for module in (records, stream, assembly, ahead):
        monkeypatch.setattr(module, "PART_SIZE", PART)
    (tmp_path / "world").mkdir()
    tree = LyingTree(tmp_path / "world", tmp_path / "scratch")
    with tree.serving():
        yield tree


@pytest.fixture
def snapshots(lying: LyingTree, tmp_path: Path) -> Snapshots:
    return Snapshots(lying, tmp_path)


def region(size: int) -> bytes:
    """A region file, whose header is a block of its own."""
    noise = random.Random(size).randbytes(size)  # noqa: S311 - the same in every run
    return struct.pack(">I", 2 << 8 | 1) + bytes(8188) + noise[8192:]


def fill(world: Path, *, parts: int = 6) -> None:
    noise = random.Random(3)  # noqa: S311 - the same in every run
    for name in ("a.txt", "n.txt", "z.txt"):
        (world / name).write_bytes(noise.randbytes(3000))
    (world / "grid.db").write_bytes(noise.randbytes(parts * PART + 100))
    (world / "log.bin").write_bytes(noise.randbytes(parts * PART + 70 * KIB))
    (world / "r.0.0.mca").write_bytes(region(parts * PART + 20 * KIB))
    (world / "r.1.0.mca").write_bytes(noise.randbytes(2 * PART))
    with (world / "sparse.db").open("wb") as file:
        file.seek(PART + 5000)
        file.write(noise.randbytes(PART))
        file.truncate(parts * PART)


def test_every_part_comes_back_and_crosses_as_its_changes(
    lying: LyingTree, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[bytes] = []
    fetch = TreeSource._fetch
    monkeypatch.setattr(
        TreeSource, "_fetch", lambda source, wanted: (fetched.append(wanted.entry.path), fetch(source, wanted))[1]
    )
    fill(lying.root)
    first, live = snapshots.create(), tree_read(lying.root, top=True)
    assert differences(live, snapshots.restored(first)) == []
    for name in ("grid.db", "log.bin", "r.0.0.mca"):
        with (lying.root / name).open("r+b") as file:
            for at in (10_000, 3 * PART + 5, file.seek(0, os.SEEK_END) - 10):
                file.seek(at)
                file.write(b"changed")
    second, live = snapshots.create(parent=first), tree_read(lying.root, top=True)
    assert differences(live, snapshots.restored(second)) == []
    assert second.added_bytes < 4 * PART
    assert fetched == [], "everything was announced as it was read"


@pytest.mark.parametrize("when", ["expect", "open"])
def test_a_file_that_goes_away_leaves_its_neighbours(lying: LyingTree, snapshots: Snapshots, when: str) -> None:
    fill(lying.root, parts=12)
    snapshots.create(wrap=At.of(when, (lying.root / "grid.db").unlink))
    assert snapshots.warned == [("vanished", b"grid.db")]


def test_a_window_of_a_few_bytes_is_enough(
    lying: LyingTree, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With next to no window nothing waits for what is taken later."""
    monkeypatch.setattr(arrivals, "WINDOW_BYTES", 1)
    monkeypatch.setattr(arrivals, "FULL_SECONDS", 1)
    monkeypatch.setattr(ahead, "ENTRIES_A_REQUEST", 3)
    monkeypatch.setattr(assembly, "PARTS_WAITING_MAX", 3)
    fill(lying.root, parts=9)
    for number in range(300):
        (lying.root / f"{number}.dat").write_bytes(os.urandom(number * 5))
        (lying.root / f"{number}").mkdir()
    first, live = snapshots.create(), tree_read(lying.root, top=True)
    assert differences(live, snapshots.restored(first)) == []


def test_a_file_that_becomes_shorter_between_its_parts(lying: LyingTree, snapshots: Snapshots) -> None:
    fill(lying.root)
    root = snapshots.create(wrap=At.of("open", lambda: os.truncate(lying.root / "log.bin", PART + 10)))
    assert snapshots.warned == [("changed", b"log.bin")]
    assert snapshots.restored(root)[b"log.bin"].size == 6 * PART + 70 * KIB
