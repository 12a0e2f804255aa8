"""One rule decides which files are not read: for a snapshot with a parent, a restore and a comparison (R25)."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from repository.chunked.comparing import DifferenceKind, tree_diff
from repository.chunked.repository import Repository, repository_create
from repository.chunked.restoring.restore import snapshot_restore
from repository.chunked.snapshots.create import snapshot_create
from tests.repository.snapshots.kept import KEY, REPOSITORY, TENANT
from tests.repository.snapshots.trees import kept_picture, picture, region
from tests.storage.memory import MemoryStorage
from trees.local.file import LocalFile
from trees.local.tree import LocalTree
from trees.sectors.map import SectorMap
from trees.source import SourceEntry

MIB = 1 << 20
SECOND_NS = 10**9
TRIES = 20
NAMES = {"small.dat": 5000, "world.pak": 300_000, "r.0.0.mca": 300_000, "large.db": 3 * MIB}
ALL = {name.encode() for name in NAMES}


class Timed(LocalTree):
    """A folder whose snapshots begin a given time after its newest change, by the source's own clock."""

    def __init__(self, root: Path, *, after_ns: int, sector_map: SectorMap | None = None) -> None:
        super().__init__(root, sector_map=sector_map)
        self.root = root
        self.after_ns = after_ns
        self.opened: set[bytes] = set()

    def begin(self, parent: bytes | None) -> int:
        super().begin(parent)
        return max(path.stat().st_ctime_ns for path in self.root.iterdir()) + self.after_ns

    def open(self, entry: SourceEntry, *, in_place: bool, span: tuple[int, int] | None = None) -> LocalFile:
        self.opened.add(entry.path)
        return super().open(entry, in_place=in_place)


@pytest.fixture
def repository() -> Repository:
    return repository_create(MemoryStorage(), tenant=TENANT, repository=REPOSITORY, keys=KEY)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    for name, size in NAMES.items():
        (folder / name).write_bytes(region(max(size, 20_000), Random(size))[:size])  # noqa: S311
    return folder


def rewritten(path: Path, between: Callable[[], bytes]) -> bytes:
    """Write to a page through mapped memory, run `between`, and write to it again: the file's times stay.

    Now and then the kernel writes the page back in between; then the whole procedure is repeated.
    """
    for attempt in range(TRIES):
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[4000:4010] = b"first%05d" % attempt
            before = path.stat()
            made = between()
            memory[4000:4010] = b"later%05d" % attempt
            after = path.stat()
        if (before.st_ctime_ns, before.st_mtime_ns) == (after.st_ctime_ns, after.st_mtime_ns):
            assert path.read_bytes()[4000:4005] == b"later"
            return made
    raise AssertionError("the kernel dated every second write")


@pytest.mark.parametrize("name", NAMES)
def test_mapped_page_rewritten_after_the_scan_is_in_the_next_snapshot(
    repository: Repository, tree: Path, name: str
) -> None:
    def source() -> Timed:
        return Timed(tree, after_ns=13 * SECOND_NS // 10, sector_map=SectorMap(tree.parent / "map"))

    first = rewritten(tree / name, lambda: snapshot_create(repository, source=source()).snapshot)
    second = snapshot_create(repository, source=source(), parent=first).snapshot
    assert kept_picture(repository, second) == picture(tree)
    third = snapshot_create(repository, source=source(), parent=second).snapshot
    assert kept_picture(repository, third) == picture(tree)


@pytest.mark.parametrize("name", NAMES)
def test_mapped_page_rewritten_after_the_scan_is_seen_and_restored(
    repository: Repository, tree: Path, name: str
) -> None:
    source = Timed(tree, after_ns=13 * SECOND_NS // 10)
    snapshot = rewritten(tree / name, lambda: snapshot_create(repository, source=source).snapshot)
    found = list(tree_diff(repository, snapshot=snapshot, source=source, trust_stat=True))
    assert [(difference.path, difference.change) for difference in found] == [(name.encode(), DifferenceKind.CONTENT)]
    snapshot_restore(repository, snapshot=snapshot, target=tree, trust_stat=True, durable=False)
    assert (tree / name).read_bytes()[4000:4005] == b"first"


def by_snapshot(repository: Repository, snapshot: bytes, source: Timed, patch: pytest.MonkeyPatch) -> set[bytes]:
    snapshot_create(repository, source=source, parent=snapshot)
    return source.opened


def by_comparison(repository: Repository, snapshot: bytes, source: Timed, patch: pytest.MonkeyPatch) -> set[bytes]:
    assert list(tree_diff(repository, snapshot=snapshot, source=source, trust_stat=True)) == []
    return source.opened


def by_restore(repository: Repository, snapshot: bytes, source: Timed, patch: pytest.MonkeyPatch) -> set[bytes]:
    read: set[bytes] = set()
    preadv = os.preadv

    def noted(fd: int, buffers: list[memoryview], offset: int) -> int:
        read.add(os.fsencode(Path(f"/proc/self/fd/{fd}").readlink().name))
        return preadv(fd, buffers, offset)

    patch.setattr(os, "preadv", noted)
    snapshot_restore(repository, snapshot=snapshot, target=source.root, trust_stat=True, durable=False)
    return read


Use = Callable[[Repository, bytes, Timed, pytest.MonkeyPatch], set[bytes]]
"""Uses a snapshot and the tree it was made of, and returns the files that were read."""
EVERY_USE = pytest.mark.parametrize("use", [by_snapshot, by_comparison, by_restore])


def spread(tree: Path) -> int:
    """The range of the files' ctimes in ns."""
    times = [path.stat().st_ctime_ns for path in tree.iterdir()]
    return max(times) - min(times)


@EVERY_USE
@pytest.mark.parametrize(("after", "read"), [(61, set()), (60, ALL), (1, ALL), (-1, ALL)])
def test_file_at_rest_for_a_minute_before_the_scan_is_not_read(
    repository: Repository, tree: Path, monkeypatch: pytest.MonkeyPatch, use: Use, after: int, read: set[bytes]
) -> None:
    source = Timed(tree, after_ns=after * SECOND_NS - (spread(tree) if read else 0))
    snapshot = snapshot_create(repository, source=source).snapshot
    source.opened.clear()
    assert use(repository, snapshot, source, monkeypatch) == read


@EVERY_USE
def test_no_stat_is_trusted_of_a_machine_that_started_since(
    repository: Repository, tree: Path, monkeypatch: pytest.MonkeyPatch, use: Use
) -> None:
    source = Timed(tree, after_ns=3600 * SECOND_NS)
    snapshot = snapshot_create(repository, source=source).snapshot
    source.opened.clear()
    later = repository.manifest(snapshot).root.scan_started_ns + 1
    for place in ("trees.local.tree", "repository.chunked.restoring.restore"):
        monkeypatch.setattr(f"{place}.machine_started_ns", lambda: later)
    assert use(repository, snapshot, source, monkeypatch) == ALL


@EVERY_USE
def test_file_that_changed_while_it_was_read_is_read_again(
    repository: Repository, tree: Path, monkeypatch: pytest.MonkeyPatch, use: Use
) -> None:
    source = Timed(tree, after_ns=3600 * SECOND_NS)
    with monkeypatch.context() as patch:
        patch.setattr(LocalFile, "changed", lambda file: file._entry.path == b"world.pak")
        snapshot = snapshot_create(repository, source=source).snapshot
    assert repository.manifest(snapshot).root.warnings == 1
    source.opened.clear()
    assert use(repository, snapshot, source, monkeypatch) == {b"world.pak"}
