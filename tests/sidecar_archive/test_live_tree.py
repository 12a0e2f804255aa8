import os
import shutil
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sidecar.archive.pack import PackWarning
from sidecar.archive.ring import Ring
from sidecar.archive.tree_reader import TreeReader
from sidecar.places.places import Places
from sidecar.scan import root_open, tree_walk
from tests.sidecar_archive.conftest import Archive, Extract
from tests.sidecar_archive.trees import MORE_THAN_READ_AHEAD, content, members, names, noise
from tests.volumes import inode_take
from wire.enums import WarningKind


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def overwrite_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"other")


def overwrite_and_hide_it(path: Path) -> None:
    before = path.stat()
    overwrite_in_place(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [append, overwrite_in_place, overwrite_and_hide_it])
def test_file_growing_during_its_read_keeps_its_first_size_with_a_warning(
    world: Path, archive: Archive, extract: Extract, change: Callable[[Path], None]
) -> None:
    big = world / "big"
    big.write_bytes(noise(MORE_THAN_READ_AHEAD))
    (world / "next").write_bytes(b"next")
    archive.at_first_write = lambda: change(big)
    result = archive.pack(world)
    assert result.warnings == (PackWarning(WarningKind.CHANGED, b"big"),)
    extracted = extract(archive)
    assert (extracted / "big").read_bytes() == noise(MORE_THAN_READ_AHEAD)
    assert (extracted / "next").read_bytes() == b"next"


def test_file_shrinking_during_its_read_ends_in_zeros_with_a_warning(
    world: Path, archive: Archive, extract: Extract
) -> None:
    big = world / "big"
    big.write_bytes(noise(MORE_THAN_READ_AHEAD + 1))
    (world / "next").write_bytes(b"next")
    archive.at_first_write = lambda: os.truncate(big, 10)
    result = archive.pack(world)
    assert result.warnings == (PackWarning(WarningKind.CHANGED, b"big"),)
    extracted = extract(archive)
    packed = (extracted / "big").read_bytes()
    read = archive.progress[-1].bytes_read - len(b"next")
    assert 0 < read < MORE_THAN_READ_AHEAD
    assert packed == noise(MORE_THAN_READ_AHEAD + 1)[:read] + bytes(MORE_THAN_READ_AHEAD + 1 - read)
    assert (extracted / "next").read_bytes() == b"next"


def test_vanished_entry_is_left_out_with_a_warning(world: Path, archive: Archive) -> None:
    (world / "big").write_bytes(noise(MORE_THAN_READ_AHEAD))
    (world / "file").write_bytes(b"f")
    (world / "folder/sub").mkdir(parents=True)
    (world / "link").symlink_to("big")
    (world / "stays").write_bytes(b"s")

    def remove() -> None:
        (world / "file").unlink()
        shutil.rmtree(world / "folder")
        (world / "link").unlink()

    archive.at_first_write = remove
    result = archive.pack(world)
    assert names(archive.data) == ["big", "stays"]
    assert result.warnings == tuple(PackWarning(WarningKind.VANISHED, path) for path in (b"file", b"folder", b"link"))
    assert result.entries == 2


def test_file_unlinked_during_its_read_is_still_packed(world: Path, archive: Archive) -> None:
    (world / "big").write_bytes(noise(MORE_THAN_READ_AHEAD))
    archive.at_first_write = (world / "big").unlink
    archive.pack(world)
    assert content(archive.data, "big") == noise(MORE_THAN_READ_AHEAD)


def test_folder_that_becomes_an_outward_link_is_packed_as_the_link(
    world: Path, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (world / "big").write_bytes(noise(MORE_THAN_READ_AHEAD))
    (world / "folder").mkdir()
    (world / "folder/secret").write_bytes(b"mine")

    def swap() -> None:
        shutil.rmtree(world / "folder")
        (world / "folder").symlink_to(tmp_path)

    archive.at_first_write = swap
    archive.pack(world)
    assert [(member.name, member.issym()) for member in members(archive.data)] == [
        ("big", False),
        ("folder", True),
    ]


def plain(file: Path, _: os.stat_result) -> None:
    """A file with one name."""


def linked(file: Path, _: os.stat_result) -> None:
    file.with_name("zz.dat").unlink()
    os.link(file, file.with_name("zz.dat"))


def linked_with_the_same_time(file: Path, before: os.stat_result) -> None:
    linked(file, before)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("disguise", [plain, linked, linked_with_the_same_time])
def test_a_new_file_with_a_freed_inode_is_no_link_to_the_old_one(
    own_volume: Path, archive: Archive, extract: Extract, disguise: Callable[[Path, os.stat_result], None]
) -> None:
    world = own_volume / "world"
    world.mkdir()
    first, second = world / "a-one", world / "a-two"
    first.write_bytes(b"first")
    os.link(first, second)
    (world / "b-big").write_bytes(noise(MORE_THAN_READ_AHEAD))
    for name in ("z.dat", "zz.dat"):
        (world / name).write_bytes(b"old")
    before = first.stat()

    def reuse() -> None:
        first.unlink()
        second.unlink()
        file = inode_take(before.st_ino, world, b"other")
        disguise(file.replace(world / "z.dat"), before)

    archive.at_first_write = reuse
    archive.pack(world)

    assert (world / "z.dat").stat().st_ino == before.st_ino
    extracted = extract(archive)
    assert (extracted / "a-one").read_bytes() == (extracted / "a-two").read_bytes() == b"first"
    assert (extracted / "z.dat").read_bytes() == b"other"
    assert (extracted / "zz.dat").read_bytes() == (world / "zz.dat").read_bytes()
    assert (extracted / "z.dat").samefile(extracted / "zz.dat") == (world / "z.dat").samefile(world / "zz.dat")


def test_links_to_a_file_written_between_them_have_the_bytes_of_their_turn(
    world: Path, archive: Archive, extract: Extract
) -> None:
    (world / "a").write_bytes(b"first")
    (world / "b-big").write_bytes(noise(MORE_THAN_READ_AHEAD))
    os.link(world / "a", world / "c")
    os.link(world / "a", world / "d")
    archive.at_first_write = lambda: (world / "a").write_bytes(b"second")
    archive.pack(world)
    extracted = extract(archive)
    assert [(extracted / name).read_bytes() for name in "acd"] == [b"first", b"second", b"second"]
    assert (extracted / "c").samefile(extracted / "d")


def replace_by_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def replace_by_fifo(path: Path) -> None:
    os.mkfifo(path)


def replace_by_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("replace", [replace_by_link, replace_by_fifo, replace_by_folder])
@pytest.mark.parametrize("file_type", [stat.S_IFREG, stat.S_IFLNK])
def test_file_replaced_after_lstat_is_not_followed(
    world: Path, replace: Callable[[Path], None], file_type: int
) -> None:
    entry = world / "entry"
    if file_type == stat.S_IFREG:
        entry.write_bytes(b"e")
    else:
        entry.symlink_to("before")
    root = root_open(world)
    reader = TreeReader(Ring(), Places(root))
    with closing(tree_walk(root, warn=reader.warnings.add)) as walk:
        found = next(walk)
        assert stat.S_IFMT(found.status.st_mode) == file_type
        entry.unlink()
        replace(entry)
        reader._entry(found)
    os.close(root)
    still_a_link = file_type == stat.S_IFLNK and replace is replace_by_link
    # The new link leads out of the root; nothing else is wrong with it.
    kind = WarningKind.LINKED_OUT if still_a_link else WarningKind.UNREADABLE
    expected = [PackWarning(kind, b"entry")]
    assert reader.warnings.kept == expected
    assert reader.entries == int(still_a_link)


def test_only_the_first_thousand_warnings_are_kept(world: Path, archive: Archive) -> None:
    for number in range(1100):
        os.mkfifo(world / f"fifo-{number:04}")
    result = archive.pack(world)
    assert result.warnings_total == 1100
    assert [warning.path for warning in result.warnings] == [b"fifo-%04d" % number for number in range(1000)]
