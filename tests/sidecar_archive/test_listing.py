"""The listing that packing writes beside an archive, and its reader."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib

from sidecar.archive.pack import tree_pack
from sidecar.errors import Cancelled, ScratchFull
from sidecar.scan import PATH_BYTES_MAX
from tests.sidecar_archive.conftest import Archive
from tests.sidecar_archive.listings import HEAD, Bytes, file_line, listing_of, packed
from tests.sidecar_archive.trees import MORE_THAN_READ_AHEAD, noise
from trees.paths import walk_order
from wire.listing import (
    DEFAULT_LIMITS,
    FILE,
    FOLDER,
    HARD_LINK,
    LEFT_OUT,
    SYMLINK,
    Entry,
    Listing,
    ListingDamaged,
    ListingLimits,
    ListingRefused,
    ListingWriter,
)

FILE_LINE = file_line(b"file")
ODD_NAMES = [b"not \xff UTF-8", b"line\nbreak", b"100%", b"%20", b"%", b"%25", b" ", b"-rf", "\u202etxt".encode()]


def members_of(archive: bytes) -> list[tuple[bytes, bytes, int, int, int]]:
    """Kind, path, mode, size and CRC-32 of every member, as the standard library reads them."""
    kinds = {tarfile.REGTYPE: FILE, tarfile.DIRTYPE: FOLDER, tarfile.SYMTYPE: SYMLINK, tarfile.LNKTYPE: HARD_LINK}
    found = []
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() or member.islnk() else None
            content = file.read() if file else b""
            name = os.fsencode(member.name)
            found.append((kinds[member.type], name, member.mode, len(content), zlib.crc32(content) if file else 0))
    return found


def varied_world(root: Path) -> None:
    (root / "region").mkdir()
    (root / "region-old").mkdir(mode=0o700)
    (root / "region" / "big").write_bytes(noise(MORE_THAN_READ_AHEAD + 7))
    (root / "region" / "sparse").touch()
    os.truncate(root / "region" / "sparse", 5 << 20)
    (root / "level.dat").write_bytes(b"level")
    (root / "level.dat").chmod(0o4640)
    os.utime(root / "level.dat", ns=(-1, -1))
    (root / "zweiter Name").hardlink_to(root / "level.dat")
    (root / "latest").symlink_to(os.fsdecode(b"a target\n\xff"))
    os.mkfifo(root / "pipe")
    for name in ODD_NAMES:
        (root / os.fsdecode(name)).write_bytes(name)


def test_listing_has_exactly_the_members_of_the_archive(world: Path) -> None:
    varied_world(world)
    done = packed(world)
    *entries, left_out = sorted(done.entries(), key=lambda entry: entry.kind == LEFT_OUT)
    assert (left_out.path, left_out.link) == (b"pipe", b"skipped")
    assert [(e.kind, e.path, e.mode, e.size, e.crc32) for e in entries] == members_of(done.archive)
    assert len(entries) == done.result.entries
    assert done.result.content_bytes == sum(e.size for e in entries if e.kind == FILE)
    paths = [entry.path for entry in entries]
    assert set(ODD_NAMES) < set(paths)
    assert b"pipe" not in paths
    assert paths == sorted(paths, key=lambda path: path.split(b"/"))


def test_an_entry_tells_of_owner_time_and_target(world: Path) -> None:
    varied_world(world)
    entries = {entry.path: entry for entry in packed(world).entries() if entry.kind != LEFT_OUT}
    for path, entry in entries.items():
        status = os.lstat(os.path.join(os.fsencode(world), path))  # noqa: PTH118 - bytes
        told = (entry.mode, entry.uid, entry.gid, entry.mtime_ns)
        assert told == (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns)
    assert entries[b"level.dat"].mtime_ns == -1
    assert entries[b"latest"].link == b"a target\n\xff"
    assert entries[b"zweiter Name"] == entries[b"level.dat"]._replace(
        kind=HARD_LINK, path=b"zweiter Name", link=b"level.dat"
    )


def test_the_head_tells_a_time_before_anything_was_read(world: Path) -> None:
    before = time.time_ns()
    (world / "file").touch()
    listing = Listing([packed(world).listing])
    assert before <= listing.started_ns <= time.time_ns()


def test_a_file_that_shrinks_is_listed_as_it_is_in_the_archive(world: Path, archive: Archive) -> None:
    (world / "big").write_bytes(noise(MORE_THAN_READ_AHEAD + 1))
    listing = Bytes()
    archive.at_first_write = lambda: os.truncate(world / "big", 10)
    tree_pack(root=world, sink=archive, on_progress=lambda _: None, cancelled=lambda: False, listing=listing)
    (entry,) = Listing([bytes(listing.data)]).entries()
    assert (entry.kind, entry.path, entry.mode, entry.size, entry.crc32) == members_of(bytes(archive.data))[0]


def test_the_listing_is_whole_before_the_archive_is(world: Path) -> None:
    (world / "file").write_bytes(noise(MORE_THAN_READ_AHEAD))
    listing, seen = Bytes(), []

    class Sink:
        def write(self, data: bytes | bytearray | memoryview, /) -> None:
            seen.append(bytes(listing.data))

    tree_pack(root=world, sink=Sink(), on_progress=lambda _: None, cancelled=lambda: False, listing=listing)
    assert seen[0] == b""
    assert len(list(Listing([seen[-1]]).entries())) == 1


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), ScratchFull("full")])
def test_full_disk_under_the_listing_fails_the_packing(world: Path, archive: Archive, failure: Exception) -> None:
    class Full:
        def write(self, data: bytes | bytearray | memoryview, /) -> None:
            raise failure

    with pytest.raises(ScratchFull):
        tree_pack(root=world, sink=archive, on_progress=lambda _: None, cancelled=lambda: False, listing=Full())


def test_a_packing_that_is_cancelled_leaves_no_whole_listing(world: Path, archive: Archive) -> None:
    (world / "file").write_bytes(noise(MORE_THAN_READ_AHEAD))
    listing = Bytes()
    with pytest.raises(Cancelled):
        tree_pack(
            root=world, sink=archive, on_progress=lambda _: None, cancelled=lambda: bool(archive.data), listing=listing
        )
    with pytest.raises(ListingDamaged):
        list(Listing([bytes(listing.data)]).entries())


names = st.binary(min_size=1, max_size=8).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))
paths = st.lists(names, min_size=1, max_size=4).map(b"/".join).filter(lambda path: not path.startswith(b".savepoint"))


@given(listed=st.sets(paths), part=st.integers(1, 50), link=st.binary(min_size=1).filter(lambda name: 0 not in name))
def test_listing_reads_back_in_parts_of_any_size(listed: set[bytes], part: int, link: bytes) -> None:
    entries = [
        Entry(SYMLINK, 0o777, 0, 2**32 - 1, -(2**62), 0, 0, path, link) for path in sorted(listed, key=walk_order)
    ]
    written: list[bytes] = []
    writer = ListingWriter(written.append, started_ns=7)
    for entry in entries:
        writer.add(entry)
    writer.finish()
    data = b"".join(written)
    listing = Listing(memoryview(data)[start : start + part] for start in range(0, len(data), part))
    assert listing.started_ns == 7
    assert list(listing.entries()) == entries


def read(data: bytes, limits: ListingLimits = DEFAULT_LIMITS) -> int:
    return sum(1 for _ in Listing([data], limits=limits).entries())


def test_a_listing_cut_anywhere_is_not_taken_for_a_whole_one(world: Path) -> None:
    varied_world(world)
    listing = packed(world).listing
    assert read(listing)
    for size in range(len(listing)):
        with pytest.raises(ListingDamaged):
            read(listing[:size])
    lines = gzip.decompress(listing).splitlines(keepends=True)
    for count in range(len(lines)):
        with pytest.raises(ListingDamaged):
            read(gzip.compress(b"".join(lines[:count])))


def test_a_flipped_bit_is_found_or_says_nothing(world: Path) -> None:
    varied_world(world)
    listing = packed(world).listing
    entries = list(Listing([listing]).entries())
    header_bytes = 10  # only the first three describe the content
    missed = []
    for place in (0, 1, 2, *range(header_bytes, len(listing))):
        damaged = bytearray(listing)
        damaged[place] ^= 4
        try:
            assert list(Listing([bytes(damaged)]).entries()) == entries
        except ListingDamaged:
            continue
        missed.append(place)
    # The bits before an empty block that ends a byte, and before CRC and length, may belong to no code.
    assert len(missed) <= 1 + listing.count(b"\x00\x00\xff\xff"), missed


@pytest.mark.parametrize(
    "listing",
    [
        b"",
        b"no gzip",
        gzip.compress(b""),
        gzip.compress(b"no listing\nend 0\n"),
        listing_of(head=b"savepoint-listing one 1\n"),
        listing_of(head=b""),
        listing_of(FILE_LINE, end=b"end 2\n"),
        listing_of(FILE_LINE, end=b"end 01\n"),
        listing_of(FILE_LINE, end=b"end 1"),
        listing_of(FILE_LINE, end=b"end 1\nend 1\n"),
        listing_of(FILE_LINE, end=b"end 1\n" + FILE_LINE + b"\n"),
        listing_of(FILE_LINE, FILE_LINE),
        listing_of(file_line(b"b"), file_line(b"a")),
        listing_of(file_line(b"a-b"), file_line(b"a/b")),
        listing_of(b""),
        listing_of(FILE_LINE.replace(b"f ", b"x ", 1)),
        listing_of(FILE_LINE + b" more"),
        listing_of(FILE_LINE.removesuffix(b" %")),
        listing_of(FILE_LINE.removesuffix(b"%") + b"link"),
        listing_of(b"l 511 0 0 0 0 0 link %"),
        listing_of(b"f 4096 0 0 0 0 0 file %"),
        listing_of(b"f 420 4294967296 0 0 0 0 file %"),
        listing_of(b"f 420 0 0 0 -1 0 file %"),
        listing_of(b"f 420 0 0 0 0 4294967296 file %"),
        listing_of(b"f 420 0 0 0 1_0 0 file %"),
        listing_of(FILE_LINE) + b"\0",
        listing_of(FILE_LINE) + listing_of(FILE_LINE),
    ],
)
def test_invalid_listing_is_damaged(listing: bytes) -> None:
    with pytest.raises(ListingDamaged):
        read(listing)


@pytest.mark.parametrize(
    "path",
    [
        *(b"%", b"/etc", b"..", b"../x", b"a/../../x", b"a/..", b"a//b", b"a/", b".", b"./a", b"a/./b", b"a\0b"),
        *(b".savepoint", b".savepoint/journal"),
    ],
)
def test_a_path_that_no_archive_may_hold_is_refused(path: bytes) -> None:
    with pytest.raises(ListingRefused):
        read(listing_of(file_line(path)))


@pytest.mark.parametrize("path", [b"...", b"..a", b".a", b".savepoint2", b"a/.savepoint", b"a..", b"a/..b/c."])
def test_a_name_that_only_looks_special_is_taken(path: bytes) -> None:
    assert read(listing_of(file_line(path))) == 1


@pytest.mark.parametrize(
    ("listing", "limits"),
    [
        (listing_of(head=b"savepoint-listing 3 1\n"), DEFAULT_LIMITS),
        (listing_of(file_line(b"a"), file_line(b"b")), ListingLimits(entries=1)),
        (listing_of(file_line(b"a" * 1000)), ListingLimits(line_bytes=500)),
        (listing_of(file_line(b"a" * 1000)), ListingLimits(total_bytes=500)),
        (listing_of(*(b"f 420 0 0 0 %d 0 %b %%" % (2**62, name) for name in (b"a", b"b"))), DEFAULT_LIMITS),
    ],
)
def test_listing_beyond_a_limit_is_refused(listing: bytes, limits: ListingLimits) -> None:
    with pytest.raises(ListingRefused):
        read(listing, limits)


@pytest.mark.parametrize("filling", [b"a" * 1024, b"\n" * 1024])
def test_a_bomb_costs_no_memory(filling: bytes) -> None:
    gib = 1 << 30
    compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
    mib = filling * 1024
    bomb = compressor.compress(HEAD) + b"".join(compressor.compress(mib) for _ in range(gib >> 20)) + compressor.flush()
    assert len(bomb) < gib // 100
    tracemalloc.start()
    try:
        with pytest.raises((ListingDamaged, ListingRefused)):
            read(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


def test_the_longest_path_that_is_packed_fits_into_a_line() -> None:
    path = b"/".join([b"%" * 255] * (PATH_BYTES_MAX // 256))
    written: list[bytes] = []
    writer = ListingWriter(written.append, started_ns=1)
    writer.add(Entry(HARD_LINK, 0o7777, 2**32 - 1, 2**32 - 1, -(2**62), 2**62, 2**32 - 1, path, path))
    writer.finish()
    assert read(b"".join(written)) == 1
