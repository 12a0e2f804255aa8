"""The cutting of files: by size, name and content, stable under edits, and unpredictable to outsiders."""

from __future__ import annotations

import struct
from random import Random
from uuid import UUID

import pytest
from pyfastcdc import FastCDC

from demo.comparison import digest
from repository.chunked.chunks.cipher import Suite
from repository.chunked.chunks.repository_keys import ChunkerSizes, RepositoryKeys
from repository.chunked.snapshots.cutting import chunker_of
from repository.chunked.snapshots.cutting_rules import Rule, rule_by_content, rule_by_name
from tests.repository.snapshots.kept import Kept
from tests.repository.snapshots.trees import edit, kept_picture, picture, region

KIB, MIB = 1 << 10, 1 << 20
BIG = 4 * MIB
SQLITE = b"SQLite format 3\x00"


def table(*places: tuple[int, int]) -> bytes:
    """A location table with these offsets and lengths in sectors."""
    found = [offset << 8 | length for offset, length in places]
    return struct.pack(">1024I", *found, *(0,) * (1024 - len(found)))


@pytest.mark.parametrize(
    ("path", "size", "rule"),
    [
        (b"r.0.0.mca", BIG, Rule.REGION),
        (b"world/R.0.0.MCR", BIG, Rule.REGION),
        (b"plugins/store.DB", BIG, Rule.GRID),
        (b"ibdata/x.ibd", BIG, Rule.GRID),
        (b"server.jar", BIG, Rule.CONTENT),
        (b"mca", BIG, Rule.CONTENT),
        (b"r.mca/notes.txt", BIG, Rule.CONTENT),
        (b"r.mca", 128 * KIB, Rule.BUNDLED),
        (b"r.mca", 128 * KIB + 1, Rule.REGION),
        (b"r.mca", 0, Rule.BUNDLED),
        (b"\xff.mca", BIG, Rule.REGION),
    ],
)
def test_name_and_size_suggest_a_rule(path: bytes, size: int, rule: Rule) -> None:
    assert rule_by_name(path, size) is rule


@pytest.mark.parametrize(
    ("head", "rule"),
    [
        (table((2, 1)), Rule.REGION),
        (table((2, 255), (700, 1), (1023, 1)), Rule.REGION),
        (table((1023, 2)), Rule.CONTENT),  # ends a sector behind the file's end
        (table((2, 1), (1024, 1)), Rule.CONTENT),
        (table((1, 1)), Rule.CONTENT),  # in the header
        (table((2, 1), (0, 3)), Rule.CONTENT),
        (table(), Rule.CONTENT),  # no chunk at all: most likely a hole, which costs nothing either way
        (table((2, 1))[:-1], Rule.CONTENT),
        (b"", Rule.CONTENT),
        (b"\x1f\x8b" * 2048, Rule.CONTENT),
        (SQLITE, Rule.GRID),
        (SQLITE + table((2, 1))[16:], Rule.GRID),
    ],
)
def test_a_region_file_by_name_is_one_by_its_table(head: bytes, rule: Rule) -> None:
    assert rule_by_content(Rule.REGION, BIG, head) is rule


def test_a_last_sector_may_be_short() -> None:
    assert rule_by_content(Rule.REGION, BIG - 4095, table((1023, 1))) is Rule.REGION
    assert rule_by_content(Rule.REGION, BIG - 4096, table((1023, 1))) is Rule.CONTENT


@pytest.mark.parametrize("suggested", [Rule.CONTENT, Rule.GRID, Rule.REGION])
def test_a_database_is_one_under_any_name(suggested: Rule) -> None:
    assert rule_by_content(suggested, BIG, SQLITE + b"\x10") is Rule.GRID
    assert rule_by_content(suggested, BIG, SQLITE[:-1]) is not Rule.GRID or suggested is Rule.GRID


def test_bundled_file_stays_bundled_for_any_content() -> None:
    assert rule_by_content(Rule.BUNDLED, 4096, SQLITE) is Rule.BUNDLED


def test_a_renamed_region_file_is_cut_like_any_file() -> None:
    assert rule_by_content(rule_by_name(b"r.mca.bak", BIG), BIG, table((2, 1))) is Rule.CONTENT


def chunker(number: int) -> FastCDC:
    keys = RepositoryKeys(UUID(int=1), UUID(int=2), bytes([number]) * 32, Suite.AES_256_GCM, ChunkerSizes(), "")
    return chunker_of(keys.chunker, keys.derive("chunker"))


def pieces(cdc: FastCDC, data: bytes) -> list[bytes]:
    return [data[cut.offset : cut.offset + cut.length] for cut in cdc.cut_buf(data)]


def test_an_insertion_moves_the_cuts_around_it_only() -> None:
    data = Random(5).randbytes(24 * MIB)  # noqa: S311
    before = pieces(chunker(1), data)
    after = pieces(chunker(1), data[: 9 * MIB] + b"inserted" + data[9 * MIB :])
    assert len(set(after) - set(before)) <= 3
    assert len(before) > 10


def test_each_repository_cuts_elsewhere() -> None:
    data = Random(5).randbytes(24 * MIB)  # noqa: S311
    shared = set(pieces(chunker(1), data)) & set(pieces(chunker(2), data))
    assert len(shared) <= 1
    assert pieces(chunker(1), data) == pieces(chunker(1), data)


def test_an_insertion_into_a_file_stores_little(kept: Kept) -> None:
    data = Random(5).randbytes(24 * MIB)  # noqa: S311
    (kept.root / "x.zip").write_bytes(data)
    first = kept.snapshot()
    (kept.root / "x.zip").write_bytes(data[: 9 * MIB] + b"inserted" + data[9 * MIB :])
    second = kept.snapshot(parent=first.snapshot)
    # Up to three chunks of up to 4 MiB.
    assert 0 < second.added_bytes - 1000 < 8 * MIB
    assert kept_picture(kept.opened(), second.snapshot) == picture(kept.root)


@pytest.mark.parametrize("size", [8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 8 * MIB + 8 * KIB])
@pytest.mark.parametrize("name", ["a.zip", "a.db", "a.mca"])
def test_files_at_the_edges_of_the_read_buffer_are_cut_right(kept: Kept, name: str, size: int) -> None:
    content = region(size, Random(size)) if name == "a.mca" else Random(size).randbytes(size)  # noqa: S311
    (kept.root / name).write_bytes(content)
    root = kept.snapshot()
    edit(kept.root / name, size - 5, b"12345")
    second = kept.snapshot(parent=root.snapshot)
    (kept.root / name).write_bytes(content)
    again = kept.snapshot(parent=second.snapshot)
    for made in (root, again):
        assert kept_picture(kept.opened(), made.snapshot)[name.encode()].content == digest(content)
