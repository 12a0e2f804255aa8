"""Archives that GNU tar makes or extracts are restored, over the wire, as GNU tar does."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.comparison import Tree, but_for, digest, live_read
from tests.sidecar_daemon.daemon import Daemon
from tests.sidecar_restore.archives import END, header, member, pax

pytestmark = pytest.mark.processes

MIB = 1 << 20
APART = 128 << 10
"""The distance of two runs of a sparse file: some formats pack the holes between them as zeros."""
LONG = b"long/" * 30 + b"name"
Make = Callable[[Path, Path], bytes]


@pytest.fixture(scope="module")
def shared_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("foreign"))
    daemon.world.mkdir()
    daemon.start()
    yield daemon
    daemon.close()
    assert not any("Traceback" in line for line in daemon.log), "".join(daemon.log)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A world with sparse files: one run of data, more runs than a header holds, and a hole at the end."""
    source = tmp_path / "source"
    (source / "folder" / "below").mkdir(parents=True)
    (source / "folder" / "below" / "file").write_bytes(b"content")
    (source / "level.dat").write_bytes(b"level" * 1000)
    (source / "twin").hardlink_to(source / "level.dat")
    (source / "link").symlink_to("level.dat")
    for name, runs in {"one": 1, "few": 4, "many": 60}.items():
        with (source / f"sparse-{name}").open("wb") as file:
            for number in range(runs):
                file.seek(number * APART + 4096 * (number % 3))
                file.write(os.urandom(4096 + number))
            file.truncate((runs + 9) * APART + 5)
    with (source / "sparse-nothing").open("wb") as file:
        file.truncate(3 * APART)
    return source


def tar(*options: str | Path, cwd: Path) -> None:
    program = shutil.which("tar")
    if program is None:
        pytest.skip("GNU tar is not installed")
    subprocess.run([program, *options], check=True, capture_output=True, cwd=cwd, env=os.environ | {"LC_ALL": "C"})


def made(*options: str) -> Make:
    """One call of tar for the whole world."""

    def make(source: Path, place: Path) -> bytes:
        tar("-c", "-f", place / "a.tar", *options, ".", cwd=source)
        return (place / "a.tar").read_bytes()

    return make


def appended(source: Path, place: Path) -> bytes:
    """Changed files, appended under names that the archive already has."""
    data = made("--format=gnu")(source, place)
    assert data
    (source / "level.dat").write_bytes(b"changed")
    (source / "link").unlink()
    (source / "link").symlink_to("folder")
    tar("-r", "-f", place / "a.tar", "./level.dat", "./link", "./folder", cwd=source)
    (source / "level.dat").write_bytes(b"changed again")
    tar("-u", "-f", place / "a.tar", "./level.dat", cwd=source)
    return (place / "a.tar").read_bytes()


def catenated(source: Path, place: Path) -> bytes:
    tar("-c", "-f", place / "a.tar", "./folder", cwd=source)
    tar("-c", "-f", place / "b.tar", "./level.dat", "./twin", cwd=source)
    tar("-A", "-f", place / "a.tar", place / "b.tar", cwd=source)
    return (place / "a.tar").read_bytes()


def dumped(tar_format: str) -> Make:
    """The first incremental dump, in which folders list the names of their entries."""

    def make(source: Path, place: Path) -> bytes:
        return made(f"--format={tar_format}", "-g", str(place / "snar"))(source, place)

    return make


def dumped_again(source: Path, place: Path) -> bytes:
    """The second incremental dump, with only the names of unchanged files."""
    dumped("gnu")(source, place)
    (source / "folder" / "new").write_bytes(b"new")
    return dumped("gnu")(source, place)


MADE: dict[str, Make] = {
    "sparse, old GNU": made("--format=gnu", "--sparse"),
    "sparse, pax 0.0": made("--format=posix", "--sparse", "--sparse-version=0.0"),
    "sparse, pax 0.1": made("--format=posix", "--sparse", "--sparse-version=0.1"),
    "sparse, pax 1.0": made("--format=posix", "--sparse", "--sparse-version=1.0"),
    "a label, GNU": made("--format=gnu", "--label=my backup"),
    "a label, pax": made("--format=posix", "--label=my backup"),
    "an incremental dump, GNU": dumped("gnu"),
    "an incremental dump, pax": dumped("posix"),
    "the second incremental dump": dumped_again,
    "large records": made("--blocking-factor=9000"),
    "appended": appended,
    "catenated": catenated,
}

BLOCKS: dict[str, list[bytes]] = {
    "a label": [member(b"my backup", kind=b"V"), member(b"a", b"1")],
    "two files of one name": [member(b"a", b"1"), member(b"./a", b"2")],
    "a shorter file over a longer one": [member(b"a", b"1" * 9999), member(b"a", b"2"), member(b"b", b"3")],
    "three files of one name, one live": [member(b"live", b"1"), member(b"live", b"live"), member(b"live", b"2")],
    "two files of one name, the last one live": [member(b"live", b"1"), member(b"live", b"live")],
    "two files of one name, the first one live": [member(b"live", b"live"), member(b"live", b"1")],
    "a file twice as it is live": [member(b"live", b"live"), member(b"live", b"live")],
    "a hard link over a file": [member(b"a", b"1"), member(b"b", b"2"), member(b"b", kind=b"1", link=b"a")],
    "a file over a hard link": [member(b"a", b"1"), member(b"b", kind=b"1", link=b"a"), member(b"b", b"2")],
    "a file over one with a further name": [member(b"a", b"1"), member(b"b", kind=b"1", link=b"a"), member(b"a", b"2")],
    "a hard link to itself": [member(b"a", b"1"), member(b"a", kind=b"1", link=b"a")],
    "two symlinks of one name": [member(b"a", kind=b"2", link=b"x"), member(b"a", kind=b"2", link=b"y")],
    "a file over a symlink": [member(b"a", kind=b"2", link=b"x"), member(b"a", b"2")],
    "a symlink over a file": [member(b"a", b"1"), member(b"a", kind=b"2", link=b"x")],
    "a symlink over a live file": [member(b"live", b"live"), member(b"live", kind=b"2", link=b"x")],
    "a symlink over a file over a symlink": [
        member(b"a", kind=b"2", link=b"x"), member(b"a", b"1"), member(b"a", kind=b"2", link=b"y"),
    ],
    "two folders of one name": [member(b"d", kind=b"5", mode=0o700), member(b"d", kind=b"5", mode=0o750)],
    "two pax headers": [pax({b"path": b"one", b"mtime": b"5"}), pax({b"mtime": b"100"}), member(b"two", b"1")],
    "two pax headers with a name": [pax({b"path": b"one"}), pax({b"path": b"two"}), member(b"three", b"1")],
    "two long names": [member(b"L", b"one\0", b"L"), member(b"L", b"two\0", b"L"), member(b"three", b"1")],
    "a long name and a pax name": [member(b"L", b"one\0", b"L"), pax({b"path": b"two"}), member(b"three", b"1")],
    "a pax name and a long name": [pax({b"path": b"one"}), member(b"L", b"two\0", b"L"), member(b"three", b"1")],
    "two long links": [
        member(b"K", b"one\0", b"K"), member(b"K", b"two\0", b"K"), member(b"L", LONG + b"\0", b"L"),
        member(b"a", kind=b"2", link=b"x"),
    ],
    "the first time of all": [pax(dict.fromkeys([b"mtime", b"atime"], b"-9223372036854775808")), member(b"a")],
    "the last time of all": [pax({b"mtime": b"9223372036854775807"}), member(b"a")],
    "a time with a point and nothing behind it": [pax({b"mtime": b"1234567890."}), member(b"a")],
    "a time with many digits": [pax({b"mtime": b"1234567890." + b"123456789" * 5}), member(b"a")],
    "a time of libarchive's before 1970": [
        pax({b"mtime": b"-2.5", b"atime": b"-2.5", b"LIBARCHIVE.creationtime": b"-2.5"}), member(b"a")
    ],
    "a folder with a size that stands for nothing": [header(b"d/", b"5"), member(b"d/a", b"1")],
}  # fmt: skip

ENDS: dict[str, bytes] = {
    "one block of zeros": bytes(512),
    "half a block more": END + bytes(256),
    "zeros of many MiB": END + bytes(40 * MIB),
}


def picture(root: Path) -> Tree:
    """Without what GNU tar gives to whoever extracts, and the times of the folders it made on the way."""
    return but_for(but_for(live_read(root), "owner", "xattrs"), "mtime_ns", kind="folder")


def restored(daemon: Daemon, packed: bytes, *, live: bool) -> Path:
    """Restore the archive and return the world, which is empty before, unless it is `live`."""
    shutil.rmtree(daemon.world)
    daemon.world.mkdir()
    if live:
        (daemon.world / "live").write_bytes(b"live")
        (daemon.world / "extra").write_bytes(b"extra")
    with daemon.client() as client:
        client.file_write(path="/tmp/in", size=len(packed), chunks=[packed])
        client.archive_extract(
            source="/tmp/in",
            destination="/data",
            mode="replace",
            on_progress=lambda _: None,
            cancelled=lambda: False,
        )
        client.extract_release()
    return daemon.world


def by_gnu_tar(data: bytes, place: Path, *options: str) -> Path:
    (place / "foreign.tar").write_bytes(data)
    (place / "by tar").mkdir()
    tar("-x", "-p", "-f", place / "foreign.tar", *options, cwd=place / "by tar")
    return place / "by tar"


@pytest.mark.parametrize("live", [True, False], ids=["live", "empty"])
@pytest.mark.parametrize("name", MADE)
def test_an_archive_by_gnu_tar_is_restored_as_tar_restores_it(
    shared_daemon: Daemon, source: Path, tmp_path: Path, name: str, *, live: bool
) -> None:
    data = MADE[name](source, tmp_path)
    world = restored(shared_daemon, gzip.compress(data, 1), live=live)
    assert picture(world) == picture(by_gnu_tar(data, tmp_path))
    for path in world.glob("sparse-*") if name.startswith("sparse") else ():
        assert path.stat().st_blocks * 512 <= (source / path.name).stat().st_blocks * 512 + APART


@pytest.mark.parametrize("live", [True, False], ids=["live", "empty"])
@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_that_gnu_tar_extracts_are_restored_as_tar_does(
    shared_daemon: Daemon, tmp_path: Path, name: str, *, live: bool
) -> None:
    data = b"".join(BLOCKS[name]) + END
    world = restored(shared_daemon, gzip.compress(data), live=live)
    assert picture(world) == picture(by_gnu_tar(data, tmp_path))


@pytest.mark.parametrize("name", ENDS)
def test_an_unusual_end_is_an_end(shared_daemon: Daemon, tmp_path: Path, name: str) -> None:
    data = member(b"a", b"1") + ENDS[name]
    assert picture(restored(shared_daemon, gzip.compress(data), live=True)) == picture(by_gnu_tar(data, tmp_path))


@pytest.mark.parametrize("between", [b"", bytes(1), bytes(70_000)], ids=len)
def test_zeros_between_and_behind_gzip_members_are_passed_over(
    shared_daemon: Daemon, tmp_path: Path, between: bytes
) -> None:
    data = member(b"a", b"1" * 1000) + member(b"b", b"2") + END
    packed = between.join([*(gzip.compress(data[at : at + 700]) for at in range(0, len(data), 700)), b""])
    assert picture(restored(shared_daemon, packed, live=True)) == picture(by_gnu_tar(data, tmp_path))


@pytest.mark.parametrize("joined", ["tar", "gzip"])
def test_archives_one_behind_the_other_are_read_to_the_last(shared_daemon: Daemon, tmp_path: Path, joined: str) -> None:
    parts = [member(b"a", b"1") + END, member(b"b", b"2") + END + bytes(9 * 1024), member(b"a", b"3") + END]
    packed = gzip.compress(b"".join(parts)) if joined == "tar" else b"".join(map(gzip.compress, parts))
    expected = picture(by_gnu_tar(b"".join(parts), tmp_path, "--ignore-zeros"))
    assert picture(restored(shared_daemon, packed, live=False)) == expected
    assert (expected[b"a"].content, expected[b"a"].names) == (digest(b"3"), 1)
