"""The lines of a listing, unparsed, are those that the parsing reader reads; a listing that is cut is told."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.listing import (
    FILE,
    FOLDER,
    OF_SNAPSHOT,
    Entry,
    Listing,
    ListingDamaged,
    ListingLimits,
    ListingRefused,
    ListingWriter,
    entry_of_archive,
)
from wire.listing_lines import line_path, lines_read

NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda name: not {0, ord("/")} & {*name} and name not in (b".", b"..")
)


def listing_of(names: list[bytes], *, version: int = 1) -> bytes:
    written: list[bytes] = []
    writer = ListingWriter(written.append, started_ns=5, version=version)
    writer.add(Entry(FOLDER, 0o755, 0, 0, 1, 0, 0, b"\x01", b""))
    for name in sorted(names):
        writer.add(Entry(FILE, 0o644, 0, 0, 1, 7, 9, b"\x01/" + name, b""))
    writer.finish()
    return b"".join(written)


def cut_into(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def lines_of(content: bytes, size: int = 1 << 20) -> list[bytes]:
    blocks = list(lines_read(cut_into(content, size)))
    assert all(block.endswith(b"\n") for block in blocks)
    return b"".join(blocks).split(b"\n")[:-1]


@given(names=st.lists(NAMES, unique=True), size=st.integers(1, 50))
def test_every_line_is_an_entry_of_the_listing(names: list[bytes], size: int) -> None:
    content = listing_of(names)
    entries = list(Listing([content]).entries())
    lines = lines_of(content, size)
    assert [entry_of_archive(line) for line in lines] == entries
    assert [line_path(line) for line in lines] == [entry.path for entry in entries]


def test_a_long_listing_comes_in_blocks_of_bounded_size() -> None:
    names = [b"%06d" % number for number in range(20_000)]
    content = listing_of(names)
    blocks = list(lines_read(cut_into(content, 1 << 12)))
    assert len(blocks) > 2
    assert max(map(len, blocks)) < 600 << 10
    assert sum(block.count(b"\n") for block in blocks) == 20_001


@pytest.mark.parametrize(
    "plain",
    [
        b"", b"savepoint-listing 1 5\n", b"nonsense\nend 0\n", b"savepoint-listing 1 5\nend 1\n",
        b"savepoint-listing 1 5\nx\nend 2\n", b"savepoint-listing 1 5\nx\nend 1", b"savepoint-listing 1 5\nx\n",
        b"savepoint-listing 1 5\nend 0\nend 0\n",
    ],
)  # fmt: skip
def test_a_listing_without_its_head_or_its_end_is_damaged(plain: bytes) -> None:
    with pytest.raises(ListingDamaged):
        list(lines_read([gzip.compress(plain)]))


def test_a_stream_that_is_cut_is_damaged() -> None:
    content = listing_of([b"a", b"b"])
    for stop in (len(content) // 2, len(content) - 1):
        with pytest.raises(ListingDamaged):
            list(lines_read([content[:stop]]))


def test_an_empty_listing_has_no_lines() -> None:
    assert list(lines_read([gzip.compress(b"savepoint-listing 1 5\nend 0\n")])) == []


def test_what_no_archive_has_is_refused() -> None:
    with pytest.raises(ListingRefused):
        list(lines_read([gzip.compress(b"savepoint-listing 3 5\nend 0\n")]))
    with pytest.raises(ListingRefused):
        list(lines_read([gzip.compress(b"savepoint-listing %d 5\nend 0\n" % OF_SNAPSHOT)]))
    long = gzip.compress(b"savepoint-listing 1 5\n" + b"x" * (600 << 10) + b"\nend 1\n")
    with pytest.raises(ListingRefused):
        list(lines_read([long], limits=ListingLimits(line_bytes=1000)))


def test_a_line_without_a_path_is_damaged() -> None:
    with pytest.raises(ListingDamaged):
        line_path(b"f 1 2")
