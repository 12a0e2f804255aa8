"""Opening a scanned entry: only the very same file is opened, and changes during reading are noticed."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.descriptors import descriptors
from tests.faults import fault_script
from tests.trees.reading import found, read
from trees import beneath
from trees.beneath import Root
from trees.local.tree import LocalTree
from trees.source import SourceEntry, SourceGone

if TYPE_CHECKING:
    from pathlib import Path

FILE = b"world/region/file"


@pytest.fixture(params=[True, False], ids=["openat2", "steps"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of opening, with and without openat2."""
    assert beneath.openat2_works()
    monkeypatch.setattr(beneath, "openat2_works", lambda: request.param)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    (path / "world" / "region").mkdir(parents=True)
    (path / os.fsdecode(FILE)).write_bytes(b"mine")
    outside = tmp_path / "outside" / "region"
    outside.mkdir(parents=True)
    (outside / "file").write_bytes(b"secret")
    return path


@pytest.fixture
def tree(root: Path) -> LocalTree:
    return LocalTree(root)


@pytest.fixture
def entry(tree: LocalTree) -> SourceEntry:
    return found(tree)[FILE]


def test_a_file_is_read_as_it_is(tree: LocalTree, entry: SourceEntry) -> None:
    with tree.open(entry, in_place=False) as file:
        assert read(file, 4) == b"mine"
        assert file.readinto(memoryview(bytearray(10)), 2) == 2
        assert file.readinto(memoryview(bytearray(10)), 4) == 0
        assert not file.changed()


def test_reading_leaves_the_access_time_alone(tree: LocalTree, root: Path) -> None:
    path = root / os.fsdecode(FILE)
    os.utime(path, ns=(1, 2))
    with tree.open(found(tree)[FILE], in_place=False) as file:
        assert read(file, 4) == b"mine"
    assert path.stat().st_atime_ns == 1


def test_file_is_read_even_if_noatime_is_refused(
    tree: LocalTree, entry: SourceEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = fault_script("O_NOATIME is refused")

    def refusing(real: Any) -> Any:
        def call(*args: Any, **options: Any) -> int:
            if any(isinstance(flags, int) and flags & os.O_NOATIME == os.O_NOATIME for flags in args[1:]):
                fault.strike()
                raise PermissionError(errno.EPERM, "")
            return real(*args, **options)

        return call

    monkeypatch.setattr(beneath, "_openat2", refusing(beneath._openat2))
    monkeypatch.setattr(os, "open", refusing(os.open))
    with tree.open(entry, in_place=False) as file:
        assert read(file, 4) == b"mine"


@pytest.mark.parametrize("swapped", ["world", "world/region", "world/region/file"])
def test_entry_swapped_for_a_link_is_not_followed(
    tree: LocalTree, entry: SourceEntry, root: Path, swapped: str
) -> None:
    (root / swapped).rename(root / "kept")
    (root / swapped).symlink_to(str(root.parent / swapped.replace("world", "outside")))
    assert (root / os.fsdecode(FILE)).read_bytes() == b"secret"
    gone(tree, entry, "unreadable")


def test_a_link_within_the_tree_is_not_followed_either(tree: LocalTree, entry: SourceEntry, root: Path) -> None:
    (root / "world").rename(root / "kept")
    (root / "world").symlink_to("kept")
    assert (root / os.fsdecode(FILE)).read_bytes() == b"mine"
    gone(tree, entry, "unreadable")


def test_a_fifo_in_a_files_place_does_not_block(tree: LocalTree, entry: SourceEntry, root: Path) -> None:
    (root / os.fsdecode(FILE)).unlink()
    os.mkfifo(root / os.fsdecode(FILE))
    gone(tree, entry, "unreadable")


def test_another_file_in_its_place_is_not_the_one_that_was_found(
    tree: LocalTree, entry: SourceEntry, root: Path
) -> None:
    (root / "new").write_bytes(b"mine")
    (root / "new").rename(root / os.fsdecode(FILE))
    gone(tree, entry, "unreadable")


def test_a_folder_in_its_place_is_gone(tree: LocalTree, entry: SourceEntry, root: Path) -> None:
    (root / os.fsdecode(FILE)).unlink()
    (root / os.fsdecode(FILE)).mkdir()
    gone(tree, entry, "unreadable")


@pytest.mark.parametrize("vanished", ["world", "world/region", "world/region/file"])
def test_vanished_entry_is_gone(tree: LocalTree, entry: SourceEntry, root: Path, vanished: str) -> None:
    (root / vanished).rename(root / "elsewhere")
    gone(tree, entry, "vanished")


def test_unreadable_entry_is_gone(
    tree: LocalTree, entry: SourceEntry, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*args: Any) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(beneath, "_openat2", denied)
    monkeypatch.setattr(beneath, "_open_step", denied)
    gone(tree, entry, "unreadable")


def test_disk_failure_during_a_read_is_reported(
    tree: LocalTree, entry: SourceEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "preadv", fail)
    with tree.open(entry, in_place=False) as file, pytest.raises(SourceGone, match="unreadable"):
        file.readinto(memoryview(bytearray(4)), 0)


@pytest.mark.parametrize("content", [b"mine and more", b"mi", b"MINE"], ids=["grown", "shrunk", "rewritten"])
def test_a_file_that_changes_while_it_is_read_says_so(
    tree: LocalTree, entry: SourceEntry, root: Path, content: bytes
) -> None:
    with tree.open(entry, in_place=False) as file:
        (root / os.fsdecode(FILE)).write_bytes(content)
        # A change shows in the times only after the kernel's clock has ticked.
        while (root / os.fsdecode(FILE)).stat().st_ctime_ns <= entry.stat.ctime_ns:
            (root / os.fsdecode(FILE)).write_bytes(content)
        assert file.changed()
        view = memoryview(bytearray(4))
        assert bytes(view[: file.readinto(view, 0)]) == content[:4]


def test_a_file_that_is_removed_while_it_is_read_is_read_to_its_end(
    tree: LocalTree, entry: SourceEntry, root: Path
) -> None:
    with tree.open(entry, in_place=False) as file:
        (root / os.fsdecode(FILE)).unlink()
        assert read(file, 4) == b"mine"


def test_the_users_attributes_of_files_and_folders_are_found(tree: LocalTree, root: Path) -> None:
    os.setxattr(root / "world", "user.note", b"a\0b")
    os.setxattr(root / os.fsdecode(FILE), "user.one", b"1")
    os.setxattr(root / os.fsdecode(FILE), b"user.\xff", b"")
    os.setxattr(root / os.fsdecode(FILE), "trusted.admin", b"x")
    (root / "plain").touch()
    entries = found(tree)
    assert tree.xattrs(entries[b"world"]) == {b"user.note": b"a\0b"}
    assert tree.xattrs(entries[b""]) is None
    with tree.open(entries[FILE], in_place=False) as file:
        assert file.xattrs() == {b"user.one": b"1", b"user.\xff": b""}
    with tree.open(entries[b"plain"], in_place=False) as file:
        assert file.xattrs() is None


@pytest.mark.parametrize(
    ("call", "code", "expected"),
    [
        ("listxattr", errno.EOPNOTSUPP, None),
        ("getxattr", errno.ENODATA, None),
        ("listxattr", errno.EIO, SourceGone),
        ("getxattr", errno.EIO, SourceGone),
    ],
)
def test_attributes_that_cannot_be_read(
    tree: LocalTree,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    code: int,
    expected: type[SourceGone] | None,
) -> None:
    """A file system without attributes, an attribute removed meanwhile, and a failing disk."""

    def fail(*args: Any) -> Any:
        raise OSError(code, os.strerror(code))

    os.setxattr(root / os.fsdecode(FILE), "user.one", b"1")
    with tree.open(found(tree)[FILE], in_place=False) as file:
        monkeypatch.setattr(os, call, fail)
        if expected is None:
            assert file.xattrs() is None
        else:
            with pytest.raises(expected, match="unreadable"):
                file.xattrs()


def test_attributes_of_a_swapped_entry_are_not_read(tree: LocalTree, root: Path) -> None:
    entries = found(tree)
    (root / "world").rename(root / "kept")
    (root / "world").symlink_to(str(root.parent / "outside"))
    os.setxattr(root.parent / "outside" / "region", "user.secret", b"1")
    for path in (b"world/region", b"world"):
        with pytest.raises(SourceGone):
            tree.xattrs(entries[path])


@pytest.mark.parametrize("path", [b"../outside/region/file", b"world/../../outside/region/file", b"..", b"/etc/passwd"])
def test_no_path_leads_out_of_the_root(root: Path, path: bytes) -> None:
    opened = Root(root)
    with pytest.raises(OSError, match="cross-device"):
        os.close(opened.open(path))
    opened.close()


def gone(tree: LocalTree, entry: SourceEntry, reason: str) -> None:
    """Check that the file is not opened, the reason names no path, and no descriptor is left."""
    before = descriptors(tree._path.parent)
    with pytest.raises(SourceGone) as failure, tree.open(entry, in_place=False):
        pass
    assert str(failure.value) == reason
    assert descriptors(tree._path.parent) == before
