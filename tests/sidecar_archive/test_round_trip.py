import os
import socket
import stat
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from archives.formats import ArchiveFormat
from demo.comparison import tree_read
from sidecar.archive.pack import PackWarning
from tests.sidecar_archive.conftest import Archive, Extract
from tests.sidecar_archive.trees import content, members, names, noise
from wire.enums import WarningKind

ODD_NAMES = [
    b"-rf",
    b"new\nline",
    b"tab\there",
    b"\xff\xfe not UTF-8",
    b"n" * 255,
    b"\xd7\x90\xe2\x80\xae rtl",
    unicodedata.normalize("NFC", "é").encode(),
    unicodedata.normalize("NFD", "é").encode(),
    b"back\\slash",
    b"*",
    b"'quotes\"",
    b" spaces ",
    b"...",
]


@pytest.mark.parametrize("format_", [ArchiveFormat.TAR_GZ, ArchiveFormat.TAR_ZST])
def test_gnu_tar_brings_back_contents_of_every_kind_and_size(
    format_: ArchiveFormat, world: Path, archive: Archive, extract: Extract
) -> None:
    archive.format_ = format_
    for size in (0, 1, 511, 512, 513, 4095, 1 << 20, (1 << 20) + 1, 3_000_000):
        (world / f"noise-{size}").write_bytes(noise(size))
        (world / f"text-{size}").write_bytes((b"a line of text %d\n" % size * (size // 16 + 1))[:size])
        (world / f"zeros-{size}").write_bytes(bytes(size))
    result = archive.pack(world)
    assert tree_read(extract(archive)) == tree_read(world)
    assert (result.entries, result.warnings_total, result.warnings) == (27, 0, ())


def test_gnu_tar_brings_back_folders_links_modes_and_times(world: Path, archive: Archive, extract: Extract) -> None:
    (world / "empty/er").mkdir(parents=True)
    (world / "a").write_bytes(b"one")
    (world / "b").mkdir()
    os.link(world / "a", world / "b/second name")
    os.link(world / "a", world / "z")
    (world / "b/up").symlink_to("../a")
    (world / "b/nowhere").symlink_to("x" * 300)
    os.link(world / "b/up", world / "b/up too", follow_symlinks=False)
    for number, mode in enumerate((0o400, 0o777, 0o4755, 0o2755)):
        file = world / f"mode-{number}"
        file.write_bytes(b"m")
        file.chmod(mode)
    (world / "sticky").mkdir()
    (world / "sticky").chmod(0o1777)
    for number, path in enumerate(sorted(world.rglob("*"), reverse=True)):
        os.utime(path, ns=(0, 1_600_000_000_000_000_001 + number * 10**8), follow_symlinks=False)
    archive.pack(world)
    # A symbolic link with two names comes back as two links: a link is nothing but its target.
    assert (world / "b/up").lstat().st_nlink == 2
    assert tree_read(extract(archive)) == tree_read(world)


def test_gnu_tar_brings_back_thousands_of_small_files(world: Path, archive: Archive, extract: Extract) -> None:
    for number in range(3000):
        (world / f"{number}").write_bytes(noise(number, seed=number))
    archive.pack(world)
    assert tree_read(extract(archive)) == tree_read(world)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_gnu_tar_brings_back_any_name_of_files_folders_and_targets(
    world: Path, archive: Archive, extract: Extract, name: bytes
) -> None:
    text = os.fsdecode(name)
    folder = world / text / text
    folder.mkdir(parents=True)
    (folder / text).write_bytes(name)
    (folder / "zz").hardlink_to(folder / text)
    (world / "link").symlink_to(text)
    archive.pack(world)
    assert tree_read(extract(archive)) == tree_read(world)


def test_names_that_only_their_bytes_tell_apart_stay_apart(world: Path, archive: Archive, extract: Extract) -> None:
    for name in ODD_NAMES:
        (world / os.fsdecode(name)).write_bytes(name)
    archive.pack(world)
    assert sorted(tree_read(extract(archive))) == sorted(ODD_NAMES)


@pytest.mark.parametrize("seconds", [-1, -(2**31), 2**32, 2**33 + 1])
@pytest.mark.parametrize("nanoseconds", [0, 1, 500_000_000, 999_999_999])
def test_gnu_tar_brings_back_times_before_1970_and_far_ahead(
    world: Path, archive: Archive, extract: Extract, seconds: int, nanoseconds: int
) -> None:
    file = world / "f"
    file.write_bytes(b"f")
    os.utime(file, ns=(0, seconds * 10**9 + nanoseconds))
    archive.pack(world)
    # Without the option, tar would warn about the times themselves.
    assert tree_read(extract(archive, "--warning=no-timestamp")) == tree_read(world)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_gnu_tar_brings_back_owners_with_large_numbers(world: Path, archive: Archive, extract: Extract) -> None:
    (world / "f").write_bytes(b"f")
    os.chown(world / "f", 2_097_152, 4_294_967_294)
    archive.pack(world)
    assert tree_read(extract(archive)) == tree_read(world)


def test_gnu_tar_lists_members_relative_to_the_root_without_the_root(
    world: Path, archive: Archive, gnu_tar: Callable[..., subprocess.CompletedProcess[bytes]]
) -> None:
    (world / "b/c").mkdir(parents=True)
    (world / "b/c/file").write_bytes(b"c")
    (world / "a").write_bytes(b"a")
    archive.pack(world)
    assert gnu_tar(archive, "--list").stdout == b"a\nb/\nb/c/\nb/c/file\n"


def test_an_empty_root_gives_an_archive_without_members(world: Path, archive: Archive, extract: Extract) -> None:
    result = archive.pack(world)
    assert result.entries == 0
    assert tree_read(extract(archive)) == {}


def test_only_the_reserved_folder_at_the_top_is_left_out(world: Path, archive: Archive) -> None:
    for folder in (".savepoint/staging", "sub/.savepoint", ".savepoint2"):
        (world / folder).mkdir(parents=True)
        (world / folder / "file").write_bytes(b"f")
    result = archive.pack(world)
    assert names(archive.data) == [
        ".savepoint2",
        ".savepoint2/file",
        "sub",
        "sub/.savepoint",
        "sub/.savepoint/file",
    ]
    assert result.warnings == ()
    assert archive.progress[-1].bytes_total == 2


def test_a_fifo_and_a_socket_are_skipped_with_a_warning(
    world: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world)  # a socket's path is limited to 108 bytes
    os.mkfifo("fifo")
    (world / "kept").write_bytes(b"k")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        result = archive.pack(world)
    assert names(archive.data) == ["kept"]
    assert result.warnings == (
        PackWarning(WarningKind.SKIPPED, b"fifo"),
        PackWarning(WarningKind.SKIPPED, b"socket"),
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_skipped_with_a_warning(world: Path, archive: Archive) -> None:
    os.mknod(world / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    result = archive.pack(world)
    assert result.entries == 0
    assert result.warnings == (PackWarning(WarningKind.SKIPPED, b"null"),)


def test_unreadable_entry_is_left_out_with_a_warning(
    world: Path, archive: Archive, request: pytest.FixtureRequest
) -> None:
    (world / "closed").mkdir()
    (world / "closed/inside").write_bytes(b"i")
    (world / "closed").chmod(0o000)
    (world / "open").write_bytes(b"of another user, whose access time we may not keep")
    (world / "open").chmod(0o444)
    (world / "secret").write_bytes(b"s")
    (world / "secret").chmod(0o000)
    request.getfixturevalue("unprivileged")
    result = archive.pack(world)
    assert names(archive.data) == ["open"]
    assert result.warnings == (
        PackWarning(WarningKind.UNREADABLE, b"closed"),
        PackWarning(WarningKind.UNREADABLE, b"secret"),
    )


def test_reading_leaves_the_access_time_alone(world: Path, archive: Archive) -> None:
    file = world / "f"
    file.write_bytes(b"f")
    os.utime(file, (1, 2))
    archive.pack(world)
    assert content(archive.data, "f") == b"f"
    assert file.stat().st_atime == 1


def test_a_file_of_several_names_is_stored_and_counted_once(world: Path, archive: Archive) -> None:
    (world / "first").write_bytes(noise(100_000))
    os.link(world / "first", world / "second")
    os.link(world / "first", world / "third")
    archive.pack(world)
    assert [(member.name, member.linkname) for member in members(archive.data)] == [
        ("first", ""),
        ("second", "first"),
        ("third", "first"),
    ]
    last = archive.progress[-1]
    assert (last.bytes_read, last.bytes_total, last.files) == (100_000, 100_000, 3)
    assert len(archive.data) < 110_000


def test_the_same_tree_gives_the_same_bytes(world: Path) -> None:
    for number in range(20):
        (world / f"file-{number}").write_bytes(noise(number * 10_000, seed=number))
    first, second = Archive(), Archive()
    first.pack(world)
    second.pack(world)
    assert first.data == second.data
