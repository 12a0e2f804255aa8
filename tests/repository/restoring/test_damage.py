"""A lost chunk costs exactly the files that need it: all are named, and no other is touched."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from demo.comparison import TreeEntry, digest, tree_read
from repository.chunked.manifest import records, stream
from repository.chunked.objects import INDEX
from repository.chunked.restoring import window
from repository.chunked.restoring.outcome import FailureReason
from repository.chunked.snapshots import assembly
from repository.errors import Damage, TargetFailed, TargetFull
from repository.storage import StorageUnavailable
from tests.faults import Fault, fault_script
from tests.repository.restoring.trees import Kept, settle, write
from tests.storage.memory import FaultyStorage

NOTHING = TreeEntry("nothing")
RANDOM = Random(11)  # noqa: S311 - content to be told apart
LARGE = RANDOM.randbytes(6_000_000)
SHARED = RANDOM.randbytes(900_000)


@pytest.fixture
def world(source: Path) -> Path:
    write(source / "large", LARGE)
    for name in ("shared one", "shared two"):
        write(source / "region" / name, SHARED)
    for number in range(40):
        write(source / "small" / f"{number:02}", RANDOM.randbytes(500))
    os.link(source / "large", source / "large too")
    (source / "link").symlink_to("large")
    settle(source)
    return source


@pytest.fixture
def snapshot(kept: Kept, world: Path) -> bytes:
    return kept.keep(world)


def chunks_of(kept: Kept, snapshot: bytes) -> dict[bytes, set[bytes]]:
    """The files that need each data chunk."""
    needed: dict[bytes, set[bytes]] = {}
    for record, parts in kept.opened().manifest(snapshot).files():
        for found in (record, *parts):
            for chunk in found.content.chunk_ids() if found.content else ():
                needed.setdefault(chunk, set()).add(record.path)
    return needed


@pytest.mark.parametrize("existing", [None, b"before", LARGE[:-1] + b"?"], ids=["fresh", "others", "delta"])
@pytest.mark.parametrize("size", [window.WINDOW_FILES, 1])
def test_damage_names_exactly_the_files_that_need_it(
    kept: Kept,
    world: Path,
    target: Path,
    snapshot: bytes,
    existing: bytes | None,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Damages every chunk in turn."""
    monkeypatch.setattr(window, "WINDOW_FILES", size)
    wanted, storage = tree_read(world), dict(kept.storage.objects)
    for number, (chunk, files) in enumerate(chunks_of(kept, snapshot).items()):
        kept.spoil(chunk)
        folder = target / str(number)
        if existing is not None:
            for path in files:
                write(folder / os.fsdecode(path), existing)
        before = tree_read(folder) if existing is not None else {}

        report = kept.restore(snapshot, folder)

        damaged = {path for path, reason in report.failed if reason is FailureReason.DAMAGED}
        linked = {path for path, reason in report.failed if reason is FailureReason.FIRST_LINK_FAILED}
        after = tree_read(folder)
        if existing != LARGE[:-1] + b"?" or b"large" not in files:
            assert damaged == files
        assert damaged <= files
        assert linked == ({b"large too"} if b"large" in damaged else set())
        for path in wanted.keys() - damaged - linked:
            assert after[path].content == wanted[path].content
        for path in damaged:
            assert after.get(path, NOTHING).content == before.get(path, NOTHING).content
        assert after.keys() == wanted.keys() - (set() if existing else damaged) - linked
        kept.storage.objects = dict(storage)


def test_a_pack_that_is_gone_costs_all_that_is_in_it(kept: Kept, world: Path, target: Path, snapshot: bytes) -> None:
    chunks = chunks_of(kept, snapshot)
    for pack in {kept.pack_of(chunk) for chunk in chunks}:
        del kept.storage.objects[pack]

    report = kept.restore(snapshot, target)

    assert {path for path, _ in report.failed} == {path for path in tree_read(world) if path not in _no_files(world)}
    assert tree_read(target).keys() == _no_files(world)


def test_chunks_of_a_missing_pack_are_searched_in_one_index(kept: Kept, target: Path, snapshot: bytes) -> None:
    chunks = chunks_of(kept, snapshot)
    for pack in {kept.pack_of(chunk) for chunk in chunks}:
        del kept.storage.objects[pack]
    indexes = sum("/index/" in key for key in kept.storage.objects)
    read: list[str] = []

    class Noted(FaultyStorage):
        def read(self, key: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
            read.append(key)
            return super().read(key, start=start, stop=stop)

    kept.storage = Noted(kept.storage, at=0)  # type: ignore[assignment]
    assert kept.restore(snapshot, target).failed

    assert len(chunks) > 2
    assert sum("/index/" in key for key in read) == 2 * indexes


def test_a_chunk_that_no_index_names(
    kept: Kept, target: Path, snapshot: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk, files = next((chunk, files) for chunk, files in chunks_of(kept, snapshot).items() if len(files) == 2)
    from repository.chunked.index.index import Index

    places = Index.places
    monkeypatch.setattr(Index, "places", lambda self, asked: iter(()) if asked == chunk else places(self, asked))

    report = kept.restore(snapshot, target)

    assert {path for path, reason in report.failed} == files


def test_a_manifest_that_is_damaged_ends_it_before_anything_is_written(
    kept: Kept, target: Path, snapshot: bytes
) -> None:
    for chunk in kept.opened().manifest(snapshot).chunk_ids():
        kept.spoil(chunk)

    with pytest.raises(Damage):
        kept.restore(snapshot, target)

    assert not target.exists()


def test_an_index_that_is_damaged_costs_nothing(kept: Kept, world: Path, target: Path, snapshot: bytes) -> None:
    objects = kept.opened().objects
    for name, _ in objects.list(INDEX):
        key = objects.path(INDEX, name)
        kept.storage.objects[key] = kept.storage.objects[key][:-1] + b"?"

    assert kept.restore(snapshot, target).failed == []
    assert tree_read(target) == tree_read(world)


def test_a_storage_that_fails_leaves_nothing_half_done(
    kept: Kept, world: Path, target: Path, snapshot: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails each storage call in turn; retries do not sleep."""
    monkeypatch.setattr("repository.retrying.PAUSE_SECONDS", 0)
    write(target / "large", b"before")
    inner, wanted, at = kept.storage, tree_read(world), 1
    while True:
        # The sweep ends at the first call that a restore does not reach.
        kept.storage = FaultyStorage(inner, at=at, fault="forever", must_strike=False)
        try:
            report = kept.restore(snapshot, target)
        except StorageUnavailable:
            assert not (target / ".savepoint").exists()
            live = tree_read(target)
            for path, told in live.items():
                assert told.content == wanted[path].content or (path == b"large" and told.content == digest(b"before"))
            at += max(1, at // 8)
            continue
        assert report.failed == []
        break
    assert tree_read(target) == wanted
    assert at > 10


CALLS = ["mkdir", "open", "pwrite", "ftruncate", "fchmod", "utime", "link", "symlink"]


# A restore into an empty target renames nothing.
@pytest.mark.parametrize(("existing", "call"), [(True, "rename"), *itertools.product([True, False], CALLS)], ids=str)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_call_of_the_filesystem_that_fails_leaves_nothing_half_done(
    kept: Kept,
    world: Path,
    target: Path,
    snapshot: bytes,
    *,
    call: str,
    code: int,
    existing: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fails each call of the file system in turn: it costs a path, or ends the restore if later calls fail too."""
    wanted, fault = tree_read(world), fault_script(f"{call} fails")
    for at in (1, 2, 3, 5, 8, 13):
        folder = target / f"{at}"
        if existing:
            write(folder / "large", LARGE[:-1] + b"?")
            write(folder / "small" / "07", b"before")
        before = tree_read(folder) if existing else {}
        failing = _failing(getattr(os, call), at, code, fault)
        with monkeypatch.context() as patched:
            patched.setattr(os, call, failing)
            try:
                failed = {path for path, _ in kept.restore(snapshot, folder).failed}
            except TargetFailed as error:
                failed, full = None, isinstance(error, TargetFull)
        assert failed is not None or full == (code == errno.ENOSPC)
        assert not (folder / ".savepoint").exists()
        after = tree_read(folder) if folder.exists() else {}
        for path, told in after.items():
            assert told.content in (wanted[path].content, before.get(path, NOTHING).content)
        for path in wanted.keys() - (failed or set()) if failed is not None else ():
            assert after[path].content == wanted[path].content
        assert kept.restore(snapshot, folder).failed == []
        assert tree_read(folder) == wanted


@pytest.mark.parametrize("parted", [False, True])
def test_a_live_file_that_a_bad_disk_cannot_read_is_replaced(
    kept: Kept, world: Path, target: Path, *, parted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if parted:
        for module in (records, stream, assembly):
            monkeypatch.setattr(module, "PART_SIZE", 2 << 20)
    snapshot = kept.keep(world)
    bad = [write(target / "large", LARGE), write(target / "small" / "07", bytes(500))]
    faults = {path.stat().st_ino: fault_script(f"the bad disk below {path.name}") for path in bad}
    preadv = os.preadv

    def read(fd: int, buffers: list[memoryview], offset: int) -> int:
        if fault := faults.get(os.fstat(fd).st_ino):
            fault.strike()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return preadv(fd, buffers, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "preadv", read)
        assert kept.restore(snapshot, target).failed == []

    assert tree_read(target) == tree_read(world)


def test_thousands_of_failures_leak_no_descriptors(
    kept: Kept, world: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        write(world / "small" / f"more {number}", b"small" * number)
    snapshot = kept.keep(world)
    held: list[int] = []

    def refused(*_: object, **__: object) -> None:
        held.append(len(list(Path("/proc/self/fd").iterdir())))
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "utime", refused)
    report = kept.restore(snapshot, target)

    assert len(report.failed) > 100
    assert max(held) - min(held) < 20


def _failing(real: Callable, at: int, code: int, fault: Fault) -> Callable:
    """Wrap a call so that its n-th use below an open folder or file fails."""
    calls = itertools.count(1)

    def call(*arguments, **options):
        if next(calls) == at and ("dir_fd" in options or "src_dir_fd" in options or isinstance(arguments[0], int)):
            fault.strike()
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    return call


def _no_files(world: Path) -> set[bytes]:
    return {os.fsencode(path.relative_to(world)) for path in world.rglob("*") if path.is_symlink() or path.is_dir()}
