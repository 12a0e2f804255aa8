"""Scanning a local folder finds every entry, in the manifest's order, in bounded memory."""

from __future__ import annotations

import errno
import itertools
import os
import stat
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from tests.descriptors import descriptors
from tests.trees.reading import found, kinds, read
from tests.volumes import inode_take
from trees import walk
from trees.beneath import Root
from trees.local.scan import LocalEntries
from trees.local.tree import LocalTree
from trees.source import Kind, SourceFailed, SourceGone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = [
    b"not \xff\xfe UTF-8",
    b"a new\nline",
    b"-rf",
    b"n" * 255,
    "caf\u00e9".encode(),
    "cafe\u0301".encode(),
    "\u202egnp.exe".encode(),
    b" ",
    b"\\",
    b"\x01",
    b"~",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def tree(root: Path) -> LocalTree:
    return LocalTree(root)


def test_every_kind_is_found_with_its_metadata(root: Path, tree: LocalTree) -> None:
    (root / "folder").mkdir(mode=0o2750)
    (root / "folder").chmod(0o2750)
    (root / "folder" / "file").write_bytes(b"12345")
    (root / "folder" / "file").chmod(0o4711)
    os.utime(root / "folder" / "file", ns=(1, 1_234_567_890_123_456_789))
    (root / "link").symlink_to("/etc/passwd")
    (root / "loop").symlink_to(".")
    entries = found(tree)
    assert [(entry.kind, entry.path) for entry in entries.values()] == [
        (Kind.FOLDER, b""),
        (Kind.FOLDER, b"folder"),
        (Kind.FILE, b"folder/file"),
        (Kind.SYMLINK, b"link"),
        (Kind.SYMLINK, b"loop"),
    ]
    status = (root / "folder" / "file").stat()
    assert entries[b"folder/file"].size == 5
    assert entries[b"folder/file"].stat == (
        0o4711,
        status.st_uid,
        status.st_gid,
        1_234_567_890_123_456_789,
        status.st_ctime_ns,
        status.st_ino,
    )
    assert entries[b"folder"].stat.mode == 0o2750
    assert entries[b"link"].target == b"/etc/passwd"


def test_names_of_any_bytes_come_in_the_manifests_order(root: Path, tree: LocalTree) -> None:
    for name in NAMES:
        (root / os.fsdecode(name)).mkdir()
        for inner in NAMES:
            (root / os.fsdecode(name) / os.fsdecode(inner)).touch()
    # In byte order between a folder and its content, but not in the order of a manifest.
    for name in (b"~!", b"~.txt", b"~\x01"):
        (root / os.fsdecode(name)).mkdir()
    paths = [entry.path for entry in tree.scan()]
    assert set(paths) == {
        b"",
        b"~!",
        b"~.txt",
        b"~\x01",
        *NAMES,
        *(name + b"/" + inner for name in NAMES for inner in NAMES),
    }
    assert paths == sorted(paths, key=lambda path: path.replace(b"/", b"\0"))
    assert paths != sorted(paths)


def test_paths_longer_than_a_call_takes_are_walked_and_opened(root: Path, tree: LocalTree) -> None:
    name = b"d" * 200
    folder = os.open(root, os.O_RDONLY)
    for _ in range(walk.FOLDERS_OPEN + 40):
        os.mkdir(name, dir_fd=folder)
        # Entries after the folder are found only if the walk returns to the right parent.
        os.close(os.open(b"z", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(os.open(b"last", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    entries = found(tree)
    deepest = b"/".join([name] * (walk.FOLDERS_OPEN + 40)) + b"/last"
    assert len(deepest) > 4096
    assert sum(path.rsplit(b"/", 1)[-1] == b"z" for path in entries) == walk.FOLDERS_OPEN + 40
    assert Kind.SKIPPED not in {entry.kind for entry in entries.values()}
    with tree.open(entries[deepest], in_place=False) as file:
        assert not file.changed()


def test_a_path_too_long_for_the_manifest_is_skipped(
    root: Path, tree: LocalTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trees.local.scan.PATH_BYTES_MAX", 5)
    (root / "abc" / "de" / "f").mkdir(parents=True)
    (root / "abc" / "d").touch()
    (root / "abc" / "file").touch()
    entries = found(tree)
    assert list(entries) == [b"", b"abc", b"abc/d", b"abc/de", b"abc/file"]
    assert entries[b"abc/d"].kind is Kind.FILE
    for path in (b"abc/de", b"abc/file"):
        assert entries[path] == (Kind.SKIPPED, path, None, 0, b"unreadable")


def test_a_hard_links_first_name_is_the_file(root: Path, tree: LocalTree) -> None:
    (root / "b").mkdir()
    (root / "b" / "first").write_bytes(b"123")
    (root / "c").hardlink_to(root / "b" / "first")
    (root / "d").hardlink_to(root / "b" / "first")
    (root / "e").write_bytes(b"1")
    entries = found(tree)
    assert (entries[b"b/first"].kind, entries[b"b/first"].size) == (Kind.FILE, 3)
    for path in (b"c", b"d"):
        assert (entries[path].kind, entries[path].size, entries[path].target) == (Kind.HARDLINK, 0, b"b/first")
        assert entries[path].stat == entries[b"b/first"].stat
    assert entries[b"e"].kind is Kind.FILE


def test_hard_links_are_forgotten_when_all_were_seen(root: Path) -> None:
    for name in ("a", "b"):
        (root / name).touch()
        (root / f"{name}-2").hardlink_to(root / name)
    (root.parent / "outside").hardlink_to(root / "b")
    opened = Root(root)
    entries = LocalEntries(opened)
    assert sum(1 for _ in entries) == 5
    assert [path for path, _ in entries.links.values()] == [b"b"]
    opened.close()


@pytest.mark.usefixtures("own_volume")
@pytest.mark.parametrize("names", [("z",), ("z", "zz"), ("z", "zz", "outside")])
def test_a_new_file_with_a_freed_inode_is_no_link_to_the_old_one(
    root: Path, tree: LocalTree, names: tuple[str, ...]
) -> None:
    (root / "a").write_bytes(b"first")
    (root / "x").hardlink_to(root / "a")
    for name in ("n", "z", "zz"):
        (root / name).touch()
    before = (root / "a").stat()
    scan = tree.scan()
    entries = {entry.path: entry for entry in itertools.takewhile(lambda entry: entry.path != b"n", scan)}
    (root / "a").unlink()
    (root / "x").unlink()
    file = inode_take(before.st_ino, root, b"other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    for name in names:
        where = root.parent / name if name == "outside" else root / name
        where.unlink(missing_ok=True)
        where.hardlink_to(file)
    file.unlink()

    entries |= {entry.path: entry for entry in scan}
    assert entries[b"z"].stat is not None
    assert entries[b"z"].stat.inode == before.st_ino
    assert (entries[b"a"].kind, entries[b"x"].kind) == (Kind.FILE, Kind.SKIPPED)
    assert (entries[b"z"].kind, entries[b"z"].target) == (Kind.FILE, None)
    assert entries[b"zz"].target == (b"z" if "zz" in names else None)


def test_special_entry_is_skipped_with_a_reason(root: Path, tree: LocalTree) -> None:
    os.mkfifo(root / "fifo")
    os.mknod(root / "socket", stat.S_IFSOCK | 0o600)
    os.mknod(root / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    skipped = {entry.path: (entry.kind, entry.stat, entry.target) for entry in tree.scan() if entry.path}
    assert skipped == {
        b"fifo": (Kind.SKIPPED, None, b"skipped"),
        b"null": (Kind.SKIPPED, None, b"skipped"),
        b"socket": (Kind.SKIPPED, None, b"skipped"),
    }


def test_only_the_roots_own_folder_is_reserved(root: Path, tree: LocalTree) -> None:
    (root / ".savepoint" / "x").mkdir(parents=True)
    (root / "a" / ".savepoint").mkdir(parents=True)
    assert list(found(tree)) == [b"", b"a", b"a/.savepoint"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [(errno.EACCES, b"unreadable"), (errno.EIO, b"unreadable"), (errno.ELOOP, b"unreadable")],
)
def test_a_folder_that_cannot_be_opened_is_skipped(
    root: Path, tree: LocalTree, monkeypatch: pytest.MonkeyPatch, code: int, reason: bytes
) -> None:
    (root / "closed" / "in it").mkdir(parents=True)
    (root / "next").touch()
    failing(monkeypatch, "open", b"closed", code)
    entries = found(tree)
    assert list(entries) == [b"", b"closed", b"next"]
    assert entries[b"closed"] == (Kind.SKIPPED, b"closed", None, 0, reason)


def test_entry_vanishing_during_the_scan_is_skipped(root: Path, tree: LocalTree) -> None:
    for name in ("a", "b", "c"):
        (root / name).touch()
    (root / "d").mkdir()
    scan = tree.scan()
    assert [next(scan).path for _ in range(2)] == [b"", b"a"]
    (root / "b").unlink()
    (root / "d").rmdir()
    assert [(entry.path, entry.target) for entry in scan] == [(b"b", b"vanished"), (b"c", None), (b"d", b"vanished")]


def test_a_folder_swapped_for_a_link_is_not_followed(
    root: Path, tree: LocalTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "swapped").mkdir()
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "secret").touch()
    real = os.open

    def swap(path: Any, *args: Any, **options: Any) -> int:
        if path == b"swapped":
            (root / "swapped").rmdir()
            (root / "swapped").symlink_to(root.parent / "outside")
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", swap)
    assert found(tree)[b"swapped"] == (Kind.SKIPPED, b"swapped", None, 0, b"unreadable")
    assert b"swapped/secret" not in kinds(tree)


def test_a_folder_moved_away_while_the_walk_is_deep_in_it_leads_nowhere(root: Path, tree: LocalTree) -> None:
    depth = walk.FOLDERS_OPEN + 10
    (root / "/".join("d" * depth)).mkdir(parents=True)
    for folder in (root, root / "d", root / "d" / "d"):
        (folder / "z").touch()
    scan = tree.scan()
    for entry in scan:
        if entry.path.count(b"/") == depth - 1:
            break
    # The third folder moves elsewhere, so that its parent is another one.
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "z").touch()
    (root / "d" / "d" / "d").rename(root.parent / "outside" / "d")
    (root / "d" / "d").rename(root / "gone")
    (root / "d" / "d").mkdir()
    (root / "d" / "d" / "z").touch()
    rest = {entry.path: (entry.kind, entry.target) for entry in scan}
    assert rest == {
        b"d/d/z": (Kind.SKIPPED, b"unreadable"),
        b"d/z": (Kind.FILE, None),
        b"z": (Kind.FILE, None),
    }


def test_rest_of_a_folder_whose_disk_fails_on_the_way_back_is_skipped(
    root: Path, tree: LocalTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    depth = walk.FOLDERS_OPEN + 10
    (root / "/".join("d" * depth)).mkdir(parents=True)
    (root / "d" / "z").touch()
    scan = tree.scan()
    next(entry for entry in scan if entry.path.count(b"/") == depth - 1)
    failing(monkeypatch, "open", b"..", errno.EIO)
    (root / "d").rename(root / "gone")
    (root / "z").touch()
    assert [(entry.path, entry.kind, entry.target) for entry in scan] == [
        (b"d/z", Kind.SKIPPED, b"unreadable"),
    ]


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOMEM])
def test_a_scan_that_lacks_resources_ends_instead_of_leaving_things_out(
    root: Path, tree: LocalTree, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (root / "folder").mkdir()
    failing(monkeypatch, "open", b"folder", code)
    with pytest.raises(SourceFailed, match=os.strerror(code)):
        found(tree)


def test_a_root_that_is_not_there_is_gone(tmp_path: Path) -> None:
    with pytest.raises(SourceGone, match="root cannot be opened: No such file") as failure:
        LocalTree(tmp_path / "nowhere").begin(None)
    assert str(tmp_path) not in str(failure.value)


def test_a_huge_sparse_file_costs_its_data(root: Path, tree: LocalTree) -> None:
    size = 200 << 30
    with (root / "sparse").open("wb") as file:
        file.truncate(size)
        for offset in (0, 100 << 30, size - 4096):
            os.pwrite(file.fileno(), b"x" * 4096, offset)
    entry = found(tree)[b"sparse"]
    assert entry.size == size
    with tree.open(entry, in_place=False) as opened:
        ranges = list(opened.data_ranges(0, size))
        assert [(low, high - low) for low, high in ranges] == [(0, 4096), (100 << 30, 4096), (size - 4096, 4096)]
        assert list(opened.data_ranges(4096, 100 << 30)) == []
        assert list(opened.data_ranges(100, 5000)) == [(100, 4096)]


def test_a_file_without_holes_is_one_range(root: Path, tree: LocalTree) -> None:
    (root / "file").write_bytes(b"x" * 10_000)
    (root / "empty").touch()
    entries = found(tree)
    with tree.open(entries[b"file"], in_place=False) as opened:
        assert list(opened.data_ranges(10, 9000)) == [(10, 9000)]
        assert read(opened, 10_000, piece=3000) == b"x" * 10_000
    with tree.open(entries[b"empty"], in_place=False) as opened:
        assert list(opened.data_ranges(0, 0)) == []


def test_memory_for_thirty_thousand_files_is_that_of_their_names(root: Path, tree: LocalTree) -> None:
    folder = os.open(root, os.O_RDONLY)
    for number in range(30_000):
        os.mknod(f"file-{number:06}", stat.S_IFREG | 0o600, dir_fd=folder)
    os.close(folder)
    tracemalloc.start()
    try:
        count = sum(1 for _ in tree.scan())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 30_001
    assert peak < 9_000_000


def test_begin_is_not_later_than_files_written_after_it(root: Path, tree: LocalTree) -> None:
    for number in range(200):
        now = tree.begin(None)
        path = root / f"file-{number}"
        path.touch()
        assert path.stat().st_ctime_ns >= now


def failing(monkeypatch: pytest.MonkeyPatch, call: str, name: bytes, code: int) -> None:
    """Fail one system call for that name: tests run as root, which is never denied access."""
    real = getattr(os, call)

    def fail(path: Any, *args: Any, **options: Any) -> Any:
        if path == name:
            raise OSError(code, os.strerror(code))
        return real(path, *args, **options)

    monkeypatch.setattr(os, call, fail)


@pytest.fixture(autouse=True)
def _no_descriptor_is_left(tmp_path: Path) -> Iterator[None]:
    before = descriptors(tmp_path)
    yield
    # The fixture's own tree still has its root open.
    assert len(descriptors(tmp_path)) <= len(before) + 1
