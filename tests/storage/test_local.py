"""Failures that only a storage in a folder has."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from repository.retrying import Retry, RetryingStorage
from repository.storage import (
    ObjectExists,
    ObjectInfo,
    ObjectNotFound,
    ObjectUnreadable,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
)
from targets.local import LocalStorage
from tests.faults import fault_script
from tests.services.require import program_require, unavailable

MIB = 1 << 20


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four MiB."""
    mount, umount = (program_require(name, package="Debian mount") for name in ("mount", "umount"))
    root = tmp_path / "small"
    root.mkdir()
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=4m", "none", root], check=False).returncode:
        unavailable("the right to mount a tmpfs")
    yield root
    subprocess.run([umount, root], check=True)


def put(storage: LocalStorage, key: str, data: bytes | mmap.mmap = b"data") -> None:
    with storage.writer(key, expected_size=len(data)) as writer:
        writer.write(data)
        writer.commit()


def test_only_the_owner_may_read_stored_files(storage: LocalStorage, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        put(storage, "a/b/object")
    finally:
        os.umask(before)
    modes = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {".partial": 0o700, "a": 0o700, "a/b": 0o700, "a/b/object": 0o600}


def test_folders_go_with_their_last_object(storage: LocalStorage, tmp_path: Path) -> None:
    put(storage, "a/b/c/one")
    put(storage, "a/two")
    storage.delete("a/b/c/one")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".partial", "a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["two"]
    storage.delete("a/two")
    assert [path.name for path in tmp_path.iterdir()] == [".partial"]


def test_a_folder_that_is_gone_is_denied_and_never_looks_empty(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "unmounted")
    with pytest.raises(StorageDenied):
        list(storage.list(""))
    with pytest.raises(StorageDenied):
        put(storage, "object")
    with pytest.raises(StorageDenied):
        storage.size("object")
    with pytest.raises(StorageDenied):
        list(storage.read("object"))
    # A delete that seemed to succeed would be forgotten, and the object would come back with its folder.
    with pytest.raises(StorageDenied):
        storage.delete("object")
    with pytest.raises(StorageDenied):
        storage.partials_sweep(older_than_seconds=0)
    assert not (tmp_path / "unmounted").exists()


def test_an_empty_mount_point_never_makes_a_delete_look_done(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    with pytest.raises(StorageDenied):
        storage.delete("a/object")
    with pytest.raises(StorageDenied):
        storage.size("a/object")
    put(storage, "a/object")
    storage.delete("a/object")
    storage.delete("a/object")


def test_dead_partial_files_are_swept_and_living_ones_stay(storage: LocalStorage, tmp_path: Path) -> None:
    assert storage.partials_sweep(older_than_seconds=0) == 0
    with storage.writer("living", expected_size=1) as writer:
        writer.write(b"1")
        dead = tmp_path / ".partial" / "dead"
        dead.write_bytes(b"left by a process that was killed")
        (living,) = (path for path in dead.parent.iterdir() if path != dead)
        for path in (dead, living):
            os.utime(path, (time.time() - 600,) * 2)
        assert storage.partials_sweep(older_than_seconds=3600) == 0
        assert storage.partials_sweep(older_than_seconds=300) == 1
        assert list(dead.parent.iterdir()) == [living]
        writer.commit()
    assert storage.size("living") == 1


def test_only_objects_are_read_and_listed(storage: LocalStorage, tmp_path: Path) -> None:
    put(storage, "a/object")
    secret = tmp_path.parent / "outside"
    secret.write_text("not the storage's")
    (tmp_path / "a" / "link").symlink_to(secret)
    (tmp_path / "a" / "away").symlink_to(tmp_path.parent)
    os.mkfifo(tmp_path / "a" / "fifo")
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ".hidden").write_text("somebody else's")
    assert list(storage.list("")) == [ObjectInfo("a/object", 4)]
    for key in ("a/link", "a/fifo"):
        with pytest.raises((ObjectNotFound, StorageDenied)):
            list(storage.read(key))
        with pytest.raises(ObjectNotFound):
            storage.size(key)


def test_an_object_is_no_folder_for_others(storage: LocalStorage) -> None:
    put(storage, "a")
    for key in ("a/b", "a/b/c"):
        with pytest.raises(ObjectExists):
            put(storage, key)
    assert b"".join(storage.read("a")) == b"data"


def test_a_full_disk_leaves_nothing_half_written_and_deleting_still_works(small_disk: Path) -> None:
    storage = LocalStorage(small_disk)
    put(storage, "a/fits", bytes(2 * MIB))
    with pytest.raises(StorageFull):
        put(storage, "b/too-large", bytes(3 * MIB))
    assert [path.name for path in small_disk.iterdir() if path.name != ".partial"] == ["a"]
    assert list((small_disk / ".partial").iterdir()) == []
    storage.delete("a/fits")
    put(storage, "b/fits-now", bytes(3 * MIB))
    assert list(storage.list("")) == [ObjectInfo("b/fits-now", 3 * MIB)]


def test_a_commit_survives_a_delete_that_takes_its_folder_away(
    storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, raced = os.link, []

    def link_after_a_delete(*paths: Path, **options: bool) -> None:
        if not raced:
            raced.append(True)
            shutil.rmtree(tmp_path / "a")
        link(*paths, **options)

    monkeypatch.setattr(os, "link", link_after_a_delete)
    put(storage, "a/b/object")
    assert raced
    assert storage.size("a/b/object") == 4


@pytest.fixture
def written_direct(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Records for each write to a file whether it bypassed the page cache."""
    seen: list[bool] = []
    write = os.write

    def observed(descriptor: int, view: memoryview) -> int:
        taken = write(descriptor, view)
        seen.append(bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT))
        return taken

    monkeypatch.setattr(os, "write", observed)
    return seen


def test_pages_of_a_large_buffer_go_past_the_cache_and_the_tail_through_it(
    storage: LocalStorage, tmp_path: Path, written_direct: list[bool]
) -> None:
    (tmp_path / "probe").touch()
    try:
        os.close(os.open(tmp_path / "probe", os.O_WRONLY | os.O_DIRECT))
    except OSError:
        unavailable(f"a file system with O_DIRECT below {tmp_path}")
    data = os.urandom(MIB) * 5 + b"tail"
    with mmap.mmap(-1, len(data)) as buffer:
        buffer[:] = data
        put(storage, "object", buffer)
    assert b"".join(storage.read("object")) == data
    assert written_direct == [True, False]


@pytest.mark.parametrize(("head", "offset"), [(1, 0), (4095, 0), (4096, 1), (0, 1), (0, 4097), (4096, 4096)])
def test_unaligned_bytes_are_written_too(storage: LocalStorage, head: int, offset: int) -> None:
    data = os.urandom(MIB + 1) * 5
    with mmap.mmap(-1, len(data)) as buffer:
        buffer[:] = data
        with (
            memoryview(buffer) as whole,
            whole[offset:] as part,
            storage.writer("object", expected_size=0) as writer,
        ):
            writer.write(bytes(head))
            writer.write(part)
            writer.write(part)
            writer.commit()
    assert b"".join(storage.read("object")) == bytes(head) + data[offset:] * 2


def test_a_file_system_without_direct_writes_gets_buffered_ones(
    storage: LocalStorage, written_direct: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    control, fault = fcntl.fcntl, fault_script("direct writes are refused")

    def refuses_direct(descriptor: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETFL and argument & os.O_DIRECT:
            fault.strike()
            raise OSError(errno.EINVAL, "Invalid argument")
        return control(descriptor, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", refuses_direct)
    with mmap.mmap(-1, 5 * MIB) as buffer:
        put(storage, "object", buffer)
    assert b"".join(storage.read("object")) == bytes(5 * MIB)
    assert written_direct == [False]


def test_a_disk_that_fills_up_in_a_direct_write_is_full(small_disk: Path) -> None:
    with mmap.mmap(-1, 5 * MIB) as buffer, pytest.raises(StorageFull):
        put(LocalStorage(small_disk), "object", buffer)
    assert list((small_disk / ".partial").iterdir()) == []


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        pytest.param(lambda size, offset: size > MIB and offset > 0, ObjectUnreadable, id="the rest of it is there"),
        pytest.param(lambda size, offset: size == len(b"data"), ObjectUnreadable, id="its neighbour is there"),
        pytest.param(lambda size, offset: False, StorageUnavailable, id="nothing is there"),
    ],
)
def test_lost_sector_is_distinct_from_a_lost_disk(
    storage: LocalStorage,
    monkeypatch: pytest.MonkeyPatch,
    answers: Callable[[int, int], bool],
    error: type[StorageError],
) -> None:
    put(storage, "packs/large", os.urandom(MIB) * 3)
    put(storage, "packs/small")
    preadv = os.preadv

    def lost(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def asked(descriptor: int, buffers: list[mmap.mmap], offset: int) -> int:
        return preadv(descriptor, buffers, offset) if answers(os.fstat(descriptor).st_size, offset) else len(lost())

    monkeypatch.setattr(os, "pread", lost)
    monkeypatch.setattr(os, "preadv", asked)
    with pytest.raises(error):
        list(storage.read("packs/large"))


def test_an_error_names_no_path_of_the_machine(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    put(storage, "a/other")
    with pytest.raises(ObjectNotFound) as caught:
        storage.size("a/object")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_object_whose_name_was_not_synced_is_stored_once_all_names_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    """The next try only finds the names that a failed one has made: they have to reach the disk all the same."""
    fault, sync, synced = fault_script("the disk does not take a name"), os.fsync, list[str]()

    def sync_failing(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        if len(synced) == fails:
            fault.strike()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_failing)
    storage = RetryingStorage(LocalStorage(tmp_path), Retry(sleep=lambda _: None))
    storage.put("a/b/key", [b"content"])
    assert storage.get("a/b/key") == b"content"
    assert {str(tmp_path / "a" / "b"), str(tmp_path / "a"), str(tmp_path)} <= set(synced[fails:])


def test_deletion_whose_name_was_not_synced_is_over_once_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = RetryingStorage(LocalStorage(tmp_path), Retry(sleep=lambda _: None))
    storage.put("a/key", [b"content"])
    storage.put("a/other", [b"content"])
    fault, sync, synced = fault_script("the disk does not take a name"), os.fsync, list[str]()

    def sync_failing(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        if len(synced) == 1:
            fault.strike()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_failing)
    storage.delete("a/key")
    assert synced == [str(tmp_path / "a")] * 2
