"""Tags of sectors: equal for equal bytes at any place, different for the least change."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from trees.sectors.tags import SECTOR_SIZE, TAG_SIZE, TAGGER_KEY_SIZE, UNKNOWN, SectorTagger

KEY = bytes(range(TAGGER_KEY_SIZE))
MIB = 1 << 20


def tags(data: bytes, key: bytes = KEY) -> list[bytes]:
    found = SectorTagger(key).tags(memoryview(data))
    return [found[at : at + TAG_SIZE] for at in range(0, len(found), TAG_SIZE)]


def test_a_tag_depends_on_key_and_content_and_not_on_the_place() -> None:
    sector, other = os.urandom(SECTOR_SIZE), os.urandom(SECTOR_SIZE)
    (alone,) = tags(sector)
    found = tags(other * 300 + sector + other * 300)
    assert found[300] == alone
    assert set(found) == {alone, *tags(other)}
    assert tags(sector, bytes(TAGGER_KEY_SIZE)) != [alone]


def test_any_change_in_a_sector_changes_its_tag() -> None:
    sector = os.urandom(SECTOR_SIZE)
    first, second, *others = [sector[at : at + 16] for at in range(0, SECTOR_SIZE, 16)]
    *_, last = others
    variants = [
        sector,
        *(sector[:at] + bytes((sector[at] ^ 1,)) + sector[at + 1 :] for at in range(0, SECTOR_SIZE, 97)),
        b"".join([second, first, *others]),
        b"".join([last, second, *others[:-1], first]),
        sector[1024:] + sector[:1024],
        bytes(SECTOR_SIZE),
        b"\1" * SECTOR_SIZE,
    ]
    assert len({tag for variant in variants for tag in tags(variant)}) == len(variants)


def test_the_last_sector_may_have_any_length_and_zeros_at_its_end_count() -> None:
    found = {size: tags(bytes(SECTOR_SIZE) + bytes(size)) for size in [*range(1, 70), 4090, 4095]}
    assert all(len(pair) == 2 for pair in found.values())
    assert len({pair[1] for pair in found.values()}) == len(found)
    assert {pair[0] for pair in found.values()} == {tags(bytes(SECTOR_SIZE))[0]}
    assert tags(b"") == []


@pytest.mark.parametrize("size", [MIB - 5, MIB, MIB + 1, 3 * MIB + SECTOR_SIZE + 7])
def test_data_of_any_size_has_a_tag_for_each_sector(size: int) -> None:
    data = os.urandom(size)
    found = tags(data)
    assert found == [tag for at in range(0, size, SECTOR_SIZE) for tag in tags(data[at : at + SECTOR_SIZE])]
    assert UNKNOWN not in found


def test_threads_do_not_share_their_room() -> None:
    tagger = SectorTagger(KEY)
    pieces = [os.urandom(MIB) for _ in range(4)]
    expected = [b"".join(tags(piece)) for piece in pieces]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            assert list(pool.map(lambda piece: tagger.tags(memoryview(piece)), pieces)) == expected
