"""A disk with a bad sector costs the data in it; a disk that is gone is not damage."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from demo.comparison import tree_read
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.maintenance.prune import prune_execute, prune_plan
from repository.chunked.maintenance.rebuild import index_rebuild
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.objects import INDEX, PACKS, SNAPSHOTS
from repository.chunked.repository import Repository, repository_create, repository_open
from repository.chunked.restoring.outcome import FailureReason
from repository.chunked.restoring.restore import snapshot_restore
from repository.chunked.snapshots.create import snapshot_create
from repository.chunked.snapshots.listing import snapshots_list
from repository.errors import Damage
from repository.retrying import Retry, RetryingStorage
from repository.storage import StorageUnavailable
from targets.local import LocalStorage
from tests.faults import Fault, fault_script
from tests.repository.restoring.trees import KEY, REPOSITORY, TENANT, settle, write
from trees.local.tree import LocalTree

RANDOM = Random(5)  # noqa: S311 - content to be told apart
LARGE = RANDOM.randbytes(6_000_000)


class Disk:
    """A repository on a disk whose sectors can go bad: reading any byte of them is an error."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, held: ExitStack) -> None:
        self.root = root
        self._gone: Fault | None = None
        self._held = held
        self._bad: dict[int, tuple[range, Fault]] = {}
        self._pread, self._preadv = os.pread, os.preadv
        monkeypatch.setattr(os, "pread", self._read)
        monkeypatch.setattr(os, "preadv", self._readv)
        root.mkdir()
        self._storage = RetryingStorage(LocalStorage(root), Retry(sleep=lambda seconds: None))
        repository_create(self._storage, tenant=TENANT, repository=REPOSITORY, keys=KEY)

    def opened(self) -> Repository:
        return repository_open(self._storage, tenant=TENANT, repository=REPOSITORY, keys=KEY)

    def spoil(self, key: str, at: int) -> None:
        """Make the sector with that byte of an object unreadable."""
        # Held open, so that no later file reuses its inode.
        held = os.open(self.root / key, os.O_RDONLY)
        self._held.callback(os.close, held)
        sector = range(at // 4096 * 4096, at // 4096 * 4096 + 4096)
        self._bad[os.fstat(held).st_ino] = sector, fault_script(f"the bad sector at {at} of {key}")

    def lose(self) -> None:
        """Lose the whole disk."""
        self._gone = fault_script("the disk that has gone")

    def _read(self, fd: int, length: int, offset: int) -> bytes:
        self._fail(fd, length, offset)
        return self._pread(fd, length, offset)

    def _readv(self, fd: int, buffers: list[memoryview], offset: int) -> int:
        self._fail(fd, sum(map(len, buffers)), offset)
        return self._preadv(fd, buffers, offset)

    def _fail(self, fd: int, length: int, offset: int) -> None:
        bad, fault = self._bad.get(os.fstat(fd).st_ino, (range(0), None))
        if offset >= bad.stop or offset + length <= bad.start:
            fault = self._gone
        if fault is not None:
            fault.strike()
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with ExitStack() as held:
        yield Disk(tmp_path / "storage", monkeypatch, held)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    write(source / "large", LARGE)
    write(source / "middle", RANDOM.randbytes(900_000))
    for number in range(30):
        write(source / "small" / f"{number:02}", RANDOM.randbytes(5000))
    settle(source)
    return source


@pytest.fixture
def snapshot(disk: Disk, world: Path) -> bytes:
    return snapshot_create(disk.opened(), source=LocalTree(world)).snapshot


def places(disk: Disk, snapshot: bytes) -> Iterator[tuple[str, int, set[bytes]]]:
    """The middle of each chunk of file data: the pack's key, the byte, and the files."""
    repository = disk.opened()
    index = repository.chunks().index
    needed: dict[bytes, set[bytes]] = {}
    for record, parts in repository.manifest(snapshot).files():
        for found in (record, *parts):
            for chunk in found.content.chunk_ids() if found.content else ():
                needed.setdefault(chunk, set()).add(record.path)
    for chunk, files in needed.items():
        at = index.find(chunk)
        yield repository.objects.path(PACKS, at.pack), at.offset + at.stored_size // 2, files


def test_restore_names_files_on_a_bad_sector_and_restores_the_rest(
    disk: Disk, world: Path, snapshot: bytes, tmp_path: Path
) -> None:
    wanted = tree_read(world)
    for number, (pack, at, files) in enumerate(places(disk, snapshot)):
        disk.spoil(pack, at)
        report = snapshot_restore(disk.opened(), snapshot=snapshot, target=tmp_path / str(number))

        assert {path for path, _ in report.failed} == files
        assert {reason for _, reason in report.failed} == {FailureReason.DAMAGED}
        after = tree_read(tmp_path / str(number))
        assert after.keys() == wanted.keys() - files
        assert all(after[path].content == wanted[path].content for path in after)


def test_verify_names_the_pack_and_the_files(disk: Disk, snapshot: bytes) -> None:
    pack, at, files = next(place for place in places(disk, snapshot) if len(place[2]) == 1)
    disk.spoil(pack, at)

    report = repository_verify(disk.opened(), coverage=Coverage.full())

    assert [key for key in report.damaged if pack.endswith(key)]
    assert {lost.path for lost in report.snapshots[0].lost} == files


def test_a_disk_that_has_gone_damages_nothing(disk: Disk, snapshot: bytes, tmp_path: Path) -> None:
    opened = disk.opened()
    disk.lose()
    with pytest.raises(StorageUnavailable):
        snapshot_restore(opened, snapshot=snapshot, target=tmp_path / "target")
    with pytest.raises(StorageUnavailable):
        repository_verify(opened, coverage=Coverage.full())


def test_snapshot_with_an_unreadable_root_does_not_hide_others(disk: Disk, world: Path, snapshot: bytes) -> None:
    other = snapshot_create(disk.opened(), source=LocalTree(world)).snapshot
    disk.spoil(disk.opened().objects.path(SNAPSHOTS, snapshot), 0)

    listed = snapshots_list(disk.opened())

    assert [found.snapshot for found in listed.roots] == [other]
    assert [(found, type(error)) for found, error in listed.damaged if isinstance(error, Damage)] != []


def test_unreadable_pack_is_not_pruned(disk: Disk, world: Path, snapshot: bytes, tmp_path: Path) -> None:
    """A half dead pack is repacked, unless one of its live chunks is unreadable: then it stays."""
    (world / "large").unlink()
    later = snapshot_create(disk.opened(), source=LocalTree(world)).snapshot
    pack, at, files = next(place for place in places(disk, later) if b"middle" in place[2])
    snapshot_forget(disk.opened(), snapshot=snapshot)
    disk.spoil(pack, at)

    opened = disk.opened()
    for _ in range(2):
        prune_execute(opened, prune_plan(opened, grace=timedelta(0), small_pack=0))

    assert (disk.root / pack).exists()
    report = snapshot_restore(disk.opened(), snapshot=later, target=tmp_path / "target")
    assert {path for path, _ in report.failed} == files


def test_an_index_that_cannot_be_read_costs_nothing(disk: Disk, world: Path, snapshot: bytes, tmp_path: Path) -> None:
    """The directories of the packs take its place, and a new index is built from them."""
    objects, wanted = disk.opened().objects, tree_read(world)
    index = next(name for name, _ in objects.list(INDEX))
    write(world / "later", RANDOM.randbytes(5000))
    snapshot_create(disk.opened(), source=LocalTree(world))
    disk.spoil(objects.path(INDEX, index), 0)

    for step in ("searched", "rebuilt"):
        assert snapshot_restore(disk.opened(), snapshot=snapshot, target=tmp_path / step).failed == []
        assert {path: found.content for path, found in tree_read(tmp_path / step).items()} == {
            path: found.content for path, found in wanted.items()
        }
        assert (
            INDEX.key(index) in repository_verify(disk.opened(), coverage=Coverage.structure()).damaged
            or step == "rebuilt"
        )
        index_rebuild(disk.opened())
    assert repository_verify(disk.opened(), coverage=Coverage.full()).whole
