"""Sparse files: only their data is read, and one that no restore could take is left out."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from sidecar.archive import pack, tree_reader
from sidecar.archive.pack import PackWarning
from sidecar.archive.ring import Ring
from tests.sidecar_archive.conftest import Archive, Extract
from tests.sidecar_archive.listings import packed, preview
from tests.sidecar_archive.trees import names, noise
from wire.enums import WarningKind

MIB = 1 << 20
FORMS: dict[str, tuple[int, list[tuple[int, int]]]] = {
    "one hole": (8 * MIB, []),
    "hole first": (8 * MIB, [(5 * MIB, 3 * MIB)]),
    "hole last": (8 * MIB + 5, [(0, MIB)]),
    "holes between": (9 * MIB + 1, [(0, 4096), (3 * MIB, MIB), (9 * MIB, 1)]),
    "no hole": (3 * MIB, [(0, 3 * MIB)]),
    "small": (1000, []),
}


def sparse(path: Path, size: int, data: list[tuple[int, int]]) -> int:
    """Write a file with holes; return the bytes of its data, by the file system."""
    with path.open("wb") as file:
        file.truncate(size)
        for offset, length in data:
            file.seek(offset)
            file.write(noise(length, offset))
    return path.stat().st_blocks * 512


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all reads of content."""
    reads: list[int] = []
    real = Ring.read_from

    def read_from(ring: Ring, descriptor: int, size: int) -> memoryview:
        part = real(ring, descriptor, size)
        reads.append(len(part))
        return part

    monkeypatch.setattr(Ring, "read_from", read_from)
    return reads


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("number", [None, errno.EINVAL, errno.EOPNOTSUPP], ids=["holes told", "EINVAL", "EOPNOTSUPP"])
def test_holes_are_packed_as_zeros_and_not_read(
    world: Path, archive: Archive, extract: Extract, monkeypatch: pytest.MonkeyPatch, counted: list[int],
    form: str, number: int | None,
) -> None:  # fmt: skip
    size, data = FORMS[form]
    on_disk = sparse(world / "file", size, data)
    (world / "next").write_bytes(b"next")
    if number is not None:
        real = os.lseek

        def lseek(fd: int, offset: int, whence: int) -> int:
            if whence in (os.SEEK_DATA, os.SEEK_HOLE):
                raise OSError(number, os.strerror(number))
            return real(fd, offset, whence)

        monkeypatch.setattr(os, "lseek", lseek)

    result = archive.pack(world)

    monkeypatch.undo()
    assert result.warnings == ()
    assert result.content_bytes == size + 4 == archive.progress[-1].bytes_read
    assert (extract(archive) / "file").read_bytes() == (world / "file").read_bytes()
    assert preview(world, packed(world).listing).changes == ()
    if number is None and size > MIB:
        assert sum(counted[: len(counted) // 2]) <= on_disk + 4 + MIB


def test_sparse_file_that_shrinks_ends_in_zeros_with_a_warning(world: Path, archive: Archive, extract: Extract) -> None:
    (world / "big").write_bytes(noise(8 * MIB))
    sparse(world / "file", 9 * MIB, [(0, MIB), (6 * MIB, MIB)])
    archive.at_first_write = lambda: os.truncate(world / "file", 5)
    result = archive.pack(world)
    assert {warning.path for warning in result.warnings} <= {b"file"}
    found = (extract(archive) / "file").read_bytes()
    assert found[:5] == noise(MIB, 0)[:5]


@pytest.mark.parametrize("size", [5 << 40, 1 << 50, (8 << 60) - (1 << 40)], ids=["5 TiB", "1 PiB", "8 EiB"])
def test_file_that_no_restore_could_take_is_left_out(size: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        world = Path(folder)
        (world / "a.dat").write_bytes(b"a")
        with (world / "huge.img").open("wb") as file:
            file.truncate(size)
        (world / "further.img").hardlink_to(world / "huge.img")
        (world / "z.dat").write_bytes(b"z")

        made = packed(world)

        assert made.result.warnings == tuple(
            PackWarning(WarningKind.UNREADABLE, path) for path in (b"further.img", b"huge.img")
        )
        assert names(bytearray(made.archive)) == ["a.dat", "z.dat"]
        assert made.result.content_bytes == 2


def test_files_are_left_out_once_an_archive_is_full(
    world: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (tree_reader, pack):
        monkeypatch.setattr(module, "PACKED_BYTES_MAX", 10 * MIB)
    for name, size in (("a", 6 * MIB), ("b", 6 * MIB), ("c", 3 * MIB), ("d", 2 * MIB), ("e", 0)):
        sparse(world / name, size, [])

    result = archive.pack(world)

    assert names(archive.data) == ["a", "c", "e"]
    assert result.warnings == tuple(PackWarning(WarningKind.UNREADABLE, path) for path in (b"b", b"d"))
    assert archive.progress[0].bytes_total == 10 * MIB
