"""Any tree, changed in any way: each snapshot reads back to the last byte, whatever its parent."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo import comparison
from demo.comparison import but_for
from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.restoring.restore import snapshot_restore
from tests.repository.snapshots.kept import Kept
from tests.repository.snapshots.trees import edit, kept_picture, picture, region
from trees.local.tree import LocalTree
from trees.sectors.map import SectorMap

KIB = 1 << 10
NAMES = ["a", "b.mca", "c.DB", "d/e.txt", "d/r.0.0.mca", "d/deep/f.sqlite", "g-", "d.x", os.fsdecode(b"\xff\n-")]
EDGES = [0, 4 * KIB, 8 * KIB, 64 * KIB, 128 * KIB, 136 * KIB, 256 * KIB, 264 * KIB, 512 * KIB, 520 * KIB, 1024 * KIB]

names = st.sampled_from([*NAMES, "b.mca", "b.mca", "d/deep/f.sqlite"])
sizes = st.builds(lambda edge, off: max(0, edge + off), st.sampled_from(EDGES), st.sampled_from([-4097, -1, 0, 1, 77]))
seeds = st.integers(0, 3)
shares = st.floats(0, 1)
steps = st.one_of(
    st.tuples(st.just("write"), names, sizes, st.sampled_from(["random", "zeros", "region", "sqlite", "holes"]), seeds),
    st.tuples(st.just("edit"), names, shares, st.sampled_from([1, 100, 4096, 70_000]), seeds),
    st.tuples(st.just("insert"), names, shares, st.sampled_from([1, 4096, 10_000]), seeds),
    st.tuples(st.just("append"), names, st.sampled_from([1, 4095, 70_000, 300_000]), seeds),
    st.tuples(st.just("truncate"), names, sizes),
    st.tuples(st.just("rename"), names, names),
    st.tuples(st.just("link"), names, names),
    st.tuples(st.just("symlink"), names, st.sampled_from(["nowhere", "../x", "a"])),
    st.tuples(st.just("delete"), names),
    st.tuples(st.just("chmod"), names, st.sampled_from([0o600, 0o4755, 0o444])),
    st.tuples(st.just("attribute"), names, st.binary(max_size=20)),
    st.tuples(st.just("date"), names, st.integers(-(10**18), 2 * 10**18)),
)
rounds = st.tuples(
    st.lists(steps, max_size=5),
    st.fixed_dictionaries(
        {
            "parent": st.sampled_from(["last", "last", "last", "first", "none", "unknown"]),
            "sector_map": st.sampled_from(["kept", "kept", "lost", "none"]),
            "trust_stat": st.booleans(),
            "threads": st.sampled_from([1, 3]),
        }
    ),
)


@dataclass
class Tree:
    """A folder, and steps that change it; each step is possible on any folder."""

    root: Path

    def step(self, what: str, name: str, *how: Any) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if what not in {"write", "symlink", "delete"} and not path.is_file():
            self.write(path, 10_000, "random", 0)
        getattr(self, what)(path, *how)

    def write(self, path: Path, size: int, of: str, seed: int) -> None:
        random = Random(seed)  # noqa: S311
        path.unlink(missing_ok=True)
        if of == "zeros":
            path.write_bytes(bytes(size))
        elif of == "region":
            path.write_bytes(region(size, random))
        elif of == "sqlite":
            path.write_bytes((b"SQLite format 3\x00" + random.randbytes(size))[:size])
        elif of == "random":
            path.write_bytes(random.randbytes(size))
        else:
            path.touch()
            os.truncate(path, size)
            for at in range(random.randrange(70_000), size, 150_000):
                edit(path, at, random.randbytes(min(9000, size - at)))

    def edit(self, path: Path, share: float, length: int, seed: int) -> None:
        size = path.stat().st_size
        at = int(share * max(0, size - length))
        edit(path, at, Random(seed).randbytes(min(length, size - at)))  # noqa: S311

    def insert(self, path: Path, share: float, length: int, seed: int) -> None:
        before = path.read_bytes()
        at = int(share * len(before))
        path.write_bytes(before[:at] + Random(seed).randbytes(length) + before[at:])  # noqa: S311

    def append(self, path: Path, length: int, seed: int) -> None:
        with path.open("ab") as file:
            file.write(Random(seed).randbytes(length))  # noqa: S311

    def truncate(self, path: Path, size: int) -> None:
        os.truncate(path, size)

    def rename(self, path: Path, to: str) -> None:
        other = self.root / to
        other.parent.mkdir(parents=True, exist_ok=True)
        path.rename(other)

    def link(self, path: Path, to: str) -> None:
        other = self.root / to
        other.parent.mkdir(parents=True, exist_ok=True)
        if other != path:
            other.unlink(missing_ok=True)
            other.hardlink_to(path)

    def symlink(self, path: Path, to: str) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(to)

    def delete(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def chmod(self, path: Path, mode: int) -> None:
        path.chmod(mode)

    def attribute(self, path: Path, content: bytes) -> None:
        os.setxattr(path, "user.note", content)

    def date(self, path: Path, at: int) -> None:
        os.utime(path, ns=(at, at))


class Evolution:
    """A tree, and its snapshots with the expected content of each."""

    def __init__(self, folder: Path) -> None:
        (folder / "tree").mkdir()
        self.folder = folder
        self.tree = Tree(folder / "tree")
        # Files of several parts that are rewritten in place have the most to go wrong.
        self.tree.step("write", "b.mca", 600 * KIB, "region", 0)
        self.tree.step("write", "d/deep/f.sqlite", 300 * KIB, "sqlite", 0)
        self.kept = Kept(folder / "tree")
        self.made: list[tuple[SnapshotRoot, comparison.Tree]] = []

    def snapshot(self, *, parent: str, sector_map: str, **options: Any) -> None:
        given = {"last": self.made[-1:], "first": self.made[:1]}.get(parent, [])
        before = given[0][0].snapshot if given else b"?" * 16 if parent == "unknown" else None
        if sector_map == "lost":
            (self.folder / "map").unlink(missing_ok=True)
        found = None if sector_map == "none" else SectorMap(self.folder / "map")
        source = LocalTree(self.folder / "tree", sector_map=found)
        root = self.kept.snapshot(source=source, parent=before, **options)
        self.made.append((root, picture(self.folder / "tree")))

    def look(self) -> None:
        repository = self.kept.opened()
        for root, expected in self.made:
            assert kept_picture(repository, root.snapshot) == expected
            files = len({entry.first for entry in expected.values() if entry.kind == "file"})
            assert (root.entries, root.files, root.skipped, root.warnings) == (len(expected), files, 0, 0)
            assert root.bytes == sum(entry.size for path, entry in expected.items() if entry.first == path)
        assert set(self.kept.copies().values()) <= {1}

    def restore(self, number: int) -> None:
        root, expected = self.made[number]
        target = self.folder / f"restored {number}"
        report = snapshot_restore(
            self.kept.opened(), snapshot=root.snapshot, target=target, special_bits=True, durable=False
        )
        assert report.failed == []
        assert lasting(picture(target)) == lasting(expected)


def lasting(seen: comparison.Tree) -> comparison.Tree:
    """The picture without inodes and ctimes, which no restore can set, and without the root's own times."""
    return but_for(seen, "identity") | {b"": replace(seen[b""], mtime_ns=0, identity=(0, 0))}


@pytest.mark.usefixtures("small")
@settings(max_examples=int(os.environ.get("EXAMPLES", "60")), deadline=None, suppress_health_check=list(HealthCheck))
@given(first=st.lists(steps, min_size=1, max_size=8), then=st.lists(rounds, min_size=1, max_size=4))
def test_every_snapshot_reads_back(first: list[Any], then: list[Any]) -> None:
    with TemporaryDirectory() as name:
        evolution = Evolution(Path(name))
        for step in first:
            evolution.tree.step(*step)
        evolution.snapshot(parent="none", sector_map="kept")
        for changed, options in then:
            for step in changed:
                evolution.tree.step(*step)
            evolution.snapshot(**options)
        evolution.look()
        evolution.restore(len(then) // 2)
        evolution.restore(-1)
