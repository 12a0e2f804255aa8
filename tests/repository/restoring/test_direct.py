"""Large pieces of new files go past the page cache, and what cannot go that way goes the other."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from repository.errors import TargetFailed, TargetFull
from repository.restoring.new_file import ALIGNMENT, DIRECT_SIZE_MIN, NewFile
from tests.repository.restoring.trees import BASE, FLIPPED, Kept, copied, picture, settle, write

MIB = 1 << 20
RANDOM = Random(3)  # noqa: S311 - content to be told apart
LOG = b"".join(b"[12:%02d:%02d] a line of a log\n" % (n // 60 % 60, n % 60) for n in range(150_000))
PWrite = Callable[[int, memoryview, int], int]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """On a disk, not in memory."""
    return tmp_path


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a machine whose temporary files are in memory opens them for direct writes."""
    monkeypatch.setattr(os, "major", lambda device: 8)


@pytest.fixture
def world(source: Path) -> Path:
    """Pieces that begin anywhere: a region, a database, a log of lines, an archive, holes."""
    write(source / "region" / "r.0.0.mca", BASE[:1_400_000])
    write(source / "players.db", b"SQLite format 3\x00" + BASE * 2)
    write(source / "latest.log", LOG)
    write(source / "plugin.jar", RANDOM.randbytes(5_000_003))
    write(source / "small", b"small")
    with (source / "sparse").open("wb") as sparse:
        sparse.seek(3_000_000)
        sparse.write(BASE)
        sparse.truncate(9_000_001)
    settle(source)
    return source


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Offset and size of each direct write."""
    seen: list[tuple[int, int]] = []
    pwrite = os.pwrite

    def noted(fd: int, view: memoryview, offset: int) -> int:
        if is_direct(fd):
            seen.append((offset, len(view)))
        return pwrite(fd, view, offset)

    monkeypatch.setattr(os, "pwrite", noted)
    return seen


def is_direct(fd: int) -> bool:
    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT)


def failing(monkeypatch: pytest.MonkeyPatch, answer: Callable[[PWrite, int, memoryview, int], int]) -> None:
    """Have direct writes answered so."""
    pwrite = os.pwrite

    def write_(fd: int, view: memoryview, offset: int) -> int:
        return answer(pwrite, fd, view, offset) if is_direct(fd) else pwrite(fd, view, offset)

    monkeypatch.setattr(os, "pwrite", write_)


def test_a_tree_comes_back_in_direct_writes(
    kept: Kept, world: Path, target: Path, direct: list[tuple[int, int]]
) -> None:
    kept.restore(kept.keep(world), target)

    assert picture(target) == picture(world)
    assert sum(size for _, size in direct) > 0.8 * sum(
        path.stat().st_size for path in world.rglob("*") if path.is_file() and path.name != "sparse"
    )
    assert all(offset % ALIGNMENT == size % ALIGNMENT == 0 and size > 0 for offset, size in direct)


def test_a_live_file_that_differs_is_made_anew_in_direct_writes(
    kept: Kept, world: Path, target: Path, direct: list[tuple[int, int]]
) -> None:
    snapshot = kept.keep(world)
    copied(world, target)
    write(target / "region" / "r.0.0.mca", FLIPPED[:1_400_000])
    write(target / "plugin.jar", b"broken")

    kept.restore(snapshot, target)

    assert picture(target) == picture(world)
    assert direct


def test_small_files_are_not_opened_twice(
    kept: Kept, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        write(source / f"{number}.dat", BASE[: DIRECT_SIZE_MIN - 1])
    settle(source)
    snapshot = kept.keep(source)
    opened: list[int] = []
    open_ = os.open

    def noted(path: bytes, flags: int, *arguments: int, **options: int) -> int:
        opened.append(flags)
        return open_(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", noted)
    kept.restore(snapshot, target)

    assert len(opened) >= 20
    assert not [flags for flags in opened if flags & os.O_DIRECT]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_filesystem_without_direct_writes_gets_the_others(
    kept: Kept, world: Path, target: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    snapshot = kept.keep(world)
    open_ = os.open

    def refused(path: bytes, flags: int, *arguments: int, **options: int) -> int:
        if flags & os.O_DIRECT:
            raise OSError(code, os.strerror(code))
        return open_(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", refused)
    kept.restore(snapshot, target)

    assert picture(target) == picture(world)


def refuses(pwrite: PWrite, fd: int, view: memoryview, offset: int) -> int:
    raise OSError(errno.EINVAL, "Invalid argument")  # as a disk with larger sectors does


def stops_halfway(pwrite: PWrite, fd: int, view: memoryview, offset: int) -> int:
    return pwrite(fd, view[: len(view) // 2 // ALIGNMENT * ALIGNMENT], offset)


@pytest.mark.parametrize("answer", [refuses, stops_halfway])
def test_what_is_not_written_directly_is_written_otherwise(
    kept: Kept,
    world: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[PWrite, int, memoryview, int], int],
) -> None:
    snapshot = kept.keep(world)
    failing(monkeypatch, answer)

    kept.restore(snapshot, target)

    assert picture(target) == picture(world)


@pytest.mark.parametrize("exchange", ["a file", "a fifo"])
def test_whoever_takes_the_name_is_not_written_to(
    kept: Kept, source: Path, target: Path, place: Path, monkeypatch: pytest.MonkeyPatch, exchange: str
) -> None:
    """Between the two times that a file is opened, somebody who may write to the target puts another in its place."""
    write(source / "plugin.jar", BASE)
    settle(source)
    snapshot = kept.keep(source)
    other = write(place / "other", b"of somebody else" * 50_000)
    if exchange == "a fifo":
        other.unlink()
        os.mkfifo(other)
    open_ = os.open
    exchanged: list[int] = []

    def exchanging(path: bytes, flags: int, *arguments: int, **options: int) -> int:
        if flags & os.O_DIRECT and not flags & os.O_DIRECTORY:
            (target / "plugin.jar").rename(place / "made")
            other.rename(target / "plugin.jar")
            exchanged.append(flags)
        return open_(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", exchanging)
    kept.restore(snapshot, target)

    assert len(exchanged) == 1
    assert (place / "made").read_bytes() == BASE
    if exchange == "a file":
        assert (target / "plugin.jar").read_bytes() == b"of somebody else" * 50_000


def test_many_failures_hold_no_descriptors(
    kept: Kept, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        write(source / f"{number}.dat", BASE[: 1000 + number])
    settle(source)
    snapshot = kept.keep(source)
    held: list[int] = []

    def refused(*_: object, **__: object) -> None:
        held.append(len(list(Path("/proc/self/fd").iterdir())))
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "utime", refused)
    report = kept.restore(snapshot, target)

    assert len(report.failed) >= 100
    assert max(held) - min(held) < 10


@pytest.mark.parametrize(("code", "error"), [(errno.ENOSPC, TargetFull), (errno.EIO, TargetFailed)])
def test_what_the_volume_says_is_said(
    kept: Kept, world: Path, target: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    snapshot = kept.keep(world)
    write(target / "plugin.jar", b"as it was")

    def refused(fd: int, view: memoryview, offset: int) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "pwrite", refused)
    with pytest.raises(error):
        kept.restore(snapshot, target)

    assert [path.name for path in target.rglob("*") if not path.is_dir()] == ["plugin.jar"]
    assert (target / "plugin.jar").read_bytes() == b"as it was"


def test_a_disk_that_fails_is_not_asked_again(
    kept: Kept, world: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk could not write would be in the cache, and lost when it is written back."""
    snapshot = kept.keep(world)

    def fails(pwrite: PWrite, fd: int, view: memoryview, offset: int) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    failing(monkeypatch, fails)
    with pytest.raises(TargetFailed):
        kept.restore(snapshot, target)


@pytest.fixture
def new_file(tmp_path: Path) -> Iterator[tuple[NewFile, Path]]:
    path = tmp_path / "file"
    new = NewFile(os.open(path, os.O_RDWR | os.O_CREAT), direct=True)
    yield new, path
    new.close()
    assert new.fd == -1


@pytest.mark.parametrize("seed", range(8))
def test_pieces_of_any_place_and_order_make_the_file(new_file: tuple[NewFile, Path], seed: int) -> None:
    """Cut anywhere, in any order, by two threads: what shares a page is written by different pieces."""
    new, path = new_file
    random = Random(seed)  # noqa: S311 - cuts
    content = memoryview(random.randbytes(7 * MIB + random.randrange(ALIGNMENT)))
    near = [random.randrange(len(content) // ALIGNMENT) * ALIGNMENT + random.choice((-1, 0, 1)) for _ in range(20)]
    cuts = sorted(
        {0, len(content), *(cut for cut in near if cut > 0), *(random.randrange(len(content)) for _ in range(9))}
    )
    pieces = list(pairwise(cuts))
    random.shuffle(pieces)
    os.ftruncate(new.fd, len(content))

    def half(number: int) -> None:
        for begin, end in pieces[number::2]:
            new.write(content[begin:end], begin)

    threads = [threading.Thread(target=half, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert path.read_bytes() == content
