"""R24: files that change while they are read."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from repository.chunked.manifest import records, stream
from repository.chunked.manifest.records import Record
from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.repository import Repository
from repository.chunked.snapshots import assembly
from tests.repository.snapshots.kept import Kept
from tests.repository.snapshots.trees import content_of, edit, kept_picture, picture, region
from trees import attributes
from trees.beneath import Root as RootFolder
from trees.local.file import LocalFile
from trees.local.tree import LocalTree
from trees.source import Kind, SourceEntry, SourceFailed

KIB, MIB = 1 << 10, 1 << 20
SIZES = [100, 100_000, 400_000, 3 * MIB]


class Meddled(LocalTree):
    """A folder with a hook at the n-th opening of a file: before it, or once it is open."""

    def __init__(
        self, root: Path, path: bytes, deed: Callable[[], None], *, time: int = 1, opened: bool = True
    ) -> None:
        super().__init__(root)
        self.left = time
        self.path = path
        self.deed = deed
        self.opened = opened

    def open(self, entry: SourceEntry, *, in_place: bool, span: tuple[int, int] | None = None) -> LocalFile:
        if entry.path != self.path:
            return super().open(entry, in_place=in_place)
        self.left -= 1
        if self.left == 0 and not self.opened:
            self.deed()
        file = super().open(entry, in_place=in_place)
        return _Deed(file, self.deed) if self.left == 0 and self.opened else file  # type: ignore[return-value]


@pytest.mark.parametrize("gone", [["a"], ["a", "b"]])
def test_a_further_name_that_is_still_there_has_the_file(kept: Kept, gone: list[str]) -> None:
    (kept.root / "a").write_bytes(b"one file")
    (kept.root / "b").hardlink_to(kept.root / "a")

    def vanish() -> None:
        for name in gone:
            (kept.root / name).unlink()

    source = Meddled(kept.root, b"a", vanish, opened=False)
    source.ahead = 10  # both are scanned before one is read
    made = kept.snapshot(source=source)
    found = {record.path: (record.kind, record.target) for record in kept.opened().manifest(made.snapshot).records()}
    assert found[b"a"] == (Kind.SKIPPED, b"vanished")
    if gone == ["a"]:
        assert found[b"b"][0] is Kind.FILE
        assert content(kept, made, b"b") == b"one file"
    else:
        assert found[b"b"] == (Kind.SKIPPED, b"vanished")


class _Deed:
    """A file with a hook right after it is opened."""

    def __init__(self, file: LocalFile, deed: Callable[[], None]) -> None:
        self._file = file
        self._deed = deed

    def __enter__(self) -> LocalFile:
        opened = self._file.__enter__()
        self._deed()
        return opened

    def __exit__(self, *said: object) -> None:
        self._file.__exit__(*said)


def content(kept: Kept, root: SnapshotRoot, path: bytes) -> bytes:
    repository: Repository = kept.opened()
    found, parts = next(repository.manifest(root.snapshot).under(path))
    return content_of(repository.chunks(), found, parts)


def record(kept: Kept, root: SnapshotRoot, path: bytes) -> Record:
    return next(kept.opened().manifest(root.snapshot).under(path))[0]


@pytest.fixture(params=["f.bin", "f.db", "f.mca"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SIZES)
def path(kept: Kept, name: str, request: pytest.FixtureRequest) -> Path:
    """A file of some kind and size between two others."""
    for other in ("a", "z"):
        (kept.root / other).write_bytes(b"another")
    made = kept.root / name
    made.write_bytes(region(max(12_288, request.param), Random(1))[: request.param])  # noqa: S311
    return made


def test_a_file_that_shrinks_while_it_is_read_ends_in_zeros_and_is_marked(kept: Kept, path: Path) -> None:
    before = path.read_bytes()
    left = len(before) // 3
    root = kept.snapshot(source=Meddled(kept.root, path.name.encode(), lambda: os.truncate(path, left)))
    assert (root.warnings, root.skipped, root.files) == (1, 0, 3)
    assert record(kept, root, path.name.encode()).warning == "changed"
    assert content(kept, root, path.name.encode()) == before[:left] + bytes(len(before) - left)
    # The next snapshot reads it again, whatever its dates say.
    again = kept.snapshot(parent=root.snapshot)
    assert again.warnings == 0
    assert kept_picture(kept.opened(), again.snapshot) == picture(kept.root)


def test_a_file_that_grows_while_it_is_read_is_marked(kept: Kept, path: Path) -> None:
    before = path.read_bytes()

    def grow() -> None:
        with path.open("ab") as file:
            file.write(b"more")

    root = kept.snapshot(source=Meddled(kept.root, path.name.encode(), grow))
    assert root.warnings == 1
    assert content(kept, root, path.name.encode()) == before


def test_a_file_that_is_empty_grows(kept: Kept) -> None:
    (kept.root / "empty").touch()
    root = kept.snapshot(source=Meddled(kept.root, b"empty", lambda: edit(kept.root / "empty", 0, b"now") and None))
    assert (root.warnings, content(kept, root, b"empty")) == (1, b"")


@pytest.mark.parametrize("size", [0, 11, 128 * KIB, 128 * KIB + 1, 3 * MIB])
def test_a_file_that_is_replaced_is_kept_as_it_is_then(kept: Kept, path: Path, size: int) -> None:
    new = Random(size).randbytes(size)  # noqa: S311

    def save() -> None:
        aside = kept.root.parent / "saved"
        aside.write_bytes(new)
        aside.rename(path)

    root = kept.snapshot(source=Meddled(kept.root, path.name.encode(), save, opened=False))
    assert (root.skipped, root.warnings, root.files, root.entries) == (0, 0, 3, 4)
    assert content(kept, root, path.name.encode()) == new
    assert content(kept, root, b"z") == b"another"
    # It has the time of the new file: the next snapshot needs no reading of what is at rest.
    assert record(kept, root, path.name.encode()).stat.inode == path.stat().st_ino


@pytest.mark.parametrize("how", ["vanishes", "becomes a folder", "becomes a FIFO", "becomes a link"])
def test_a_file_that_is_gone_is_listed_and_its_neighbours_are_kept(kept: Kept, path: Path, how: str) -> None:
    def deed() -> None:
        path.rename(kept.root.parent / "aside")
        if how == "becomes a folder":
            path.mkdir()
        elif how == "becomes a FIFO":
            os.mkfifo(path)
        elif how == "becomes a link":
            path.symlink_to("a")

    root = kept.snapshot(source=Meddled(kept.root, path.name.encode(), deed, opened=False))
    assert (root.skipped, root.files, root.entries) == (1, 2, 4)
    found = record(kept, root, path.name.encode())
    assert found.kind is Kind.SKIPPED
    # Something else in its place has not vanished: a restore leaves that alone.
    assert found.target == (b"vanished" if how == "vanishes" else b"unreadable")
    assert content(kept, root, b"z") == b"another"


def test_file_without_its_first_name_is_stored_under_the_next(kept: Kept) -> None:
    (kept.root / "one").write_bytes(b"linked")
    (kept.root / "two").hardlink_to(kept.root / "one")
    aside = kept.root.parent / "aside"
    root = kept.snapshot(source=Meddled(kept.root, b"one", lambda: (kept.root / "one").rename(aside), opened=False))
    # Removing a name changes ctime, so the other name is not taken for a link to the missing one.
    assert (root.skipped, root.files) == (1, 1)
    assert dict(kept_picture(kept.opened(), root.snapshot))[b"two"].names == 1


@pytest.fixture
def parts(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of four parts."""
    for module in (records, stream, assembly):
        monkeypatch.setattr(module, "PART_SIZE", 256 * KIB)
    made = kept.root / "large.mca"
    made.write_bytes(region(8 * KIB + MIB, Random(1)))  # noqa: S311
    (kept.root / "z").write_bytes(b"another")
    return made


@pytest.mark.parametrize("time", range(1, 6))
def test_a_large_file_that_vanishes_at_any_part(kept: Kept, parts: Path, time: int) -> None:
    before = parts.read_bytes()
    source = Meddled(kept.root, b"large.mca", parts.unlink, time=time, opened=False)
    root = kept.snapshot(source=source, threads=1)
    assert content(kept, root, b"z") == b"another"
    if time <= 2:  # the rule for cutting it was not known, or its first part is lost
        assert (root.skipped, root.warnings) == (1, 0)
        return
    kept_bytes = 8 * KIB + (time - 2) * 256 * KIB
    assert (root.skipped, root.warnings) == (0, 6 - time)
    assert content(kept, root, b"large.mca") == before[:kept_bytes] + bytes(len(before) - kept_bytes)


def test_large_file_missing_for_a_moment_keeps_the_manifest_valid(kept: Kept, parts: Path) -> None:
    aside = kept.root.parent / "aside"

    class Away(LocalTree):
        opened = 0

        def open(self, entry: SourceEntry, *, in_place: bool, span: tuple[int, int] | None = None) -> LocalFile:
            if entry.path == b"large.mca":
                self.opened += 1
                (parts if self.opened == 1 else aside).rename(aside if self.opened == 1 else parts)
            return super().open(entry, in_place=in_place)

    root = kept.snapshot(source=Away(kept.root))
    assert kept_picture(kept.opened(), root.snapshot)[b"large.mca"].kind == "skipped"


@pytest.mark.parametrize("size", [0, 100, 200_000, 400_000])
def test_lack_of_descriptors_fails_the_snapshot_and_skips_no_file(
    kept: Kept, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (records, stream, assembly):
        monkeypatch.setattr(module, "PART_SIZE", 256 * KIB)
    for name in "abc":
        (kept.root / name).write_bytes(bytes(size))
    opened = RootFolder.open

    def lacking(root: RootFolder, path: bytes, flags: int = 0) -> int:
        if path == b"b":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(root, path, flags)

    monkeypatch.setattr(RootFolder, "open", lacking)
    with pytest.raises(SourceFailed, match="Too many open files"):
        kept.snapshot()
    assert kept.listed() == set()


def test_unstorable_entry_is_listed(kept: Kept) -> None:
    os.mkfifo(kept.root / "fifo")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(kept.root / "socket"))
        root = kept.snapshot()
    assert (root.skipped, root.entries, root.files) == (2, 3, 0)


def test_attributes_that_no_record_can_hold_cost_that_file_only(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "_SIZE_MAX", 50)
    (kept.root / "folder").mkdir()
    for path in ("a", "b", "folder"):
        if path != "folder":
            (kept.root / path).write_bytes(b"content")
        os.setxattr(kept.root / path, "user.note", b"x" * (51 if path != "b" else 50))
    root = kept.snapshot()
    found = kept_picture(kept.opened(), root.snapshot)
    assert [found[path].kind for path in (b"a", b"b", b"folder")] == ["skipped", "file", "folder"]
    assert found[b"b"].xattrs == ((b"user.note", b"x" * 50),)


@pytest.mark.parametrize("size", [100, 100_000, 400_000])
def test_file_on_a_bad_sector_is_listed_and_its_neighbours_stored(
    kept: Kept, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (kept.root / name).write_bytes(name.encode() * size)
    bad, preadv = (kept.root / "b").stat().st_ino, os.preadv

    def read(fd: int, buffers: list[memoryview], offset: int) -> int:
        if os.fstat(fd).st_ino == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return preadv(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", read)
    root = kept.snapshot()
    assert (root.skipped, root.files) == (1, 2)
    assert record(kept, root, b"b").target == b"unreadable"
    assert [content(kept, root, name) for name in (b"a", b"c")] == [b"a" * size, b"c" * size]


def test_file_of_impossible_size_is_listed_and_its_neighbours_stored(kept: Kept) -> None:
    class Huge(LocalTree):
        def scan(self) -> Iterator[SourceEntry]:
            for entry in super().scan():
                yield entry._replace(size=1 << 62) if entry.path == b"b" else entry

    for name in ("a", "b", "c"):
        (kept.root / name).write_bytes(name.encode())
    root = kept.snapshot(source=Huge(kept.root))
    assert (root.skipped, root.files) == (1, 2)
    assert record(kept, root, b"b").target == b"unreadable"
    assert [content(kept, root, name) for name in (b"a", b"c")] == [b"a", b"c"]
