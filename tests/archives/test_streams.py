"""Archives of more members than 16 bits count, of content of a wrong size, and of names that do not fit."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest

from archives.formats import ArchiveFormat
from archives.points import ArchiveDiffers, Output, PackedFiles, Point, Points
from archives.tar_format import REGULAR, TarMember
from archives.tar_stream import tar_write
from archives.zip_format import NameTooLong, ZipMember
from archives.zip_stream import zip_write

FILE = stat.S_IFREG | 0o644


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def zipped(members: list[tuple[ZipMember, list[memoryview | int]]], pool: Executor) -> bytes:
    listed = (member for member, _ in members)
    return b"".join(zip_write(members, listed=listed, output=Output(), files=PackedFiles(), pool=pool))


def test_a_zip_archive_of_66_000_members(pool: Executor) -> None:
    members = [(ZipMember(b"%d" % number, FILE, 0), []) for number in range(66_000)]
    members.append((ZipMember(b"last", FILE, 0, size=4), [memoryview(b"last")]))

    with zipfile.ZipFile(io.BytesIO(zipped(members, pool))) as archive:
        assert len(archive.namelist()) == 66_001
        assert archive.read("last") == b"last"
        assert archive.getinfo("65999").header_offset > 65_000 * 30


def test_a_name_longer_than_zip_allows_is_refused(pool: Executor) -> None:
    assert zipped([(ZipMember(b"n" * 65_535, FILE, 0), [])], pool)
    for member in (ZipMember(b"n" * 65_536, FILE, 0), ZipMember(b"n" * 65_535, stat.S_IFDIR | 0o755, 0)):
        with pytest.raises(NameTooLong):
            zipped([(member, [])], pool)


@pytest.mark.parametrize("pieces", [[], [memoryview(b"ab")], [2], [memoryview(b"abcd")], [4]])
def test_content_of_another_size_is_refused(pool: Executor, pieces: list[memoryview | int]) -> None:
    member = TarMember(b"a", REGULAR, 0o644, 0, 0, 0, size=3)
    with pytest.raises(ValueError, match="another size"):
        list(tar_write([(member, pieces)], format_=ArchiveFormat.TAR_GZ, output=Output(), pool=pool))
    with pytest.raises(ValueError, match="another size"):
        zipped([(ZipMember(b"a", FILE, 0, size=3), pieces)], pool)


def test_output_is_compared_with_the_known_points() -> None:
    def output(parts: list[bytes], known: Points | None = None) -> Output:
        made = Output(known=known)
        for number, part in enumerate(parts):
            if number:
                made.point(Point(made.offset, b"%d" % number))
            made.add(part)
        made.finish()
        return made

    first = output([b"one", b"two", b"three"])
    known = Points("", first.offset, b"", tuple(first.points), PackedFiles())

    assert output([b"one", b"two", b"three"], known).offset == known.size
    assert [known.before(offset).offset for offset in (0, 2, 3, 5, 6, 100)] == [0, 0, 3, 3, 6, 6]
    for parts in ([b"one", b"tvo", b"three"], [b"one", b"two", b"thre3"], [b"one", b"two", b"three!"], [b"onetwo"]):
        with pytest.raises(ArchiveDiffers):
            output(parts, known)
