"""Sealed objects: the sealed bytes come back, and no others do."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repository.sealing.frames import FRAME_SIZE, HEADER_SIZE, SEALED_FRAME_SIZE, TAG_SIZE
from repository.sealing.sealed import (
    Damaged,
    SealContext,
    SealError,
    SealReader,
    SealWriter,
    WrongKey,
    open_bytes,
    plain_size,
    seal_bytes,
    sealed_size,
)
from tests.storage.memory import MemoryStorage

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
CONTEXT = SealContext(tenant=UUID(int=1), target=UUID(int=2), kind="archive", object_id="backups/a/b.tar.gz")
OTHERS = {
    "tenant": replace(CONTEXT, tenant=UUID(int=9)),
    "target": replace(CONTEXT, target=UUID(int=9)),
    "kind": replace(CONTEXT, kind="manifest"),
    "object id": replace(CONTEXT, object_id="backups/a/c.tar.gz"),
    "border between kind and id": replace(CONTEXT, kind="archiv", object_id="ebackups/a/b.tar.gz"),
}
PLAIN = Random(1).randbytes(3 * FRAME_SIZE + 4567)  # noqa: S311  # nothing is secret here
BORDERS = sorted({at + off for at in range(0, 4 * FRAME_SIZE, FRAME_SIZE) for off in (-1, 0, 1)} - {-1} | {len(PLAIN)})


def seal(pieces: list[bytes], *, key: bytes = KEY, context: SealContext = CONTEXT) -> bytes:
    writer = SealWriter(data_key=key, context=context)
    updates = chain.from_iterable(writer.update(piece) for piece in pieces)
    return b"".join(bytes(piece) for piece in chain(updates, writer.finish()))


def reader(sealed: bytes, *, key: bytes = KEY, context: SealContext = CONTEXT, size: int | None = None) -> SealReader:
    storage = MemoryStorage()
    storage.objects["object"] = sealed
    stated = len(sealed) if size is None else size
    return SealReader(data_key=key, context=context, storage=storage, key="object", sealed_size=stated)


def unseal(sealed: bytes) -> bytes:
    return b"".join(reader(sealed).read())


SEALED = seal([PLAIN])
SMALL = seal([b"a customer's bytes"])


def frames(sealed: bytes) -> list[bytes]:
    return [sealed[at : at + SEALED_FRAME_SIZE] for at in range(HEADER_SIZE, len(sealed), SEALED_FRAME_SIZE)]


@given(sizes=st.lists(st.integers(0, 5) | st.integers(0, 2 * FRAME_SIZE) | st.sampled_from(BORDERS), max_size=5))
@settings(deadline=None, max_examples=60)
def test_sealed_bytes_come_back_for_any_cuts(sizes: list[int]) -> None:
    plain = (PLAIN * 6)[: sum(sizes)]
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    sealed = seal([plain[end - size : end] for end, size in zip(ends, sizes, strict=True)])
    assert len(sealed) == sealed_size(len(plain))
    assert plain_size(len(sealed)) == len(plain)
    assert unseal(sealed) == plain
    assert open_bytes(sealed, data_key=KEY, context=CONTEXT) == plain


@given(
    start=st.sampled_from(BORDERS) | st.integers(0, len(PLAIN) + 9),
    stop=st.none() | st.sampled_from(BORDERS) | st.integers(0, len(PLAIN) + 9),
)
@settings(deadline=None, max_examples=200)
def test_any_range_gives_exactly_its_bytes(start: int, stop: int | None) -> None:
    opened = reader(SEALED)
    assert opened.size == len(PLAIN)
    pieces = list(opened.read(start, stop))
    assert b"".join(pieces) == PLAIN[start:stop]
    assert all(0 < len(piece) <= FRAME_SIZE for piece in pieces)


def test_reader_serves_many_ranges() -> None:
    opened = reader(SEALED)
    for start, stop in ((2 * FRAME_SIZE, None), (0, 5), (FRAME_SIZE - 1, FRAME_SIZE + 1), (0, None)):
        assert b"".join(opened.read(start, stop)) == PLAIN[start:stop]


def test_a_range_reads_only_the_frames_it_needs() -> None:
    sealed = bytearray(SEALED)
    for number in (0, 2, 3):
        sealed[HEADER_SIZE + number * SEALED_FRAME_SIZE] ^= 1
    opened = reader(bytes(sealed))
    assert b"".join(opened.read(FRAME_SIZE, 2 * FRAME_SIZE)) == PLAIN[FRAME_SIZE : 2 * FRAME_SIZE]
    assert b"".join(opened.read(5, 5)) == b""


def test_good_frames_come_before_the_damaged_one_and_nothing_after() -> None:
    sealed = bytearray(SEALED)
    sealed[HEADER_SIZE + 2 * SEALED_FRAME_SIZE + 77] ^= 1
    pieces = reader(bytes(sealed)).read()
    assert next(pieces) + next(pieces) == PLAIN[: 2 * FRAME_SIZE]
    with pytest.raises(Damaged, match="frame 2"):
        next(pieces)


@pytest.mark.parametrize("plain", [b"", b"a customer's bytes"])
def test_every_single_flipped_bit_is_damage(plain: bytes) -> None:
    sealed = seal([plain])
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Damaged):
            unseal(bytes(flipped))
        with pytest.raises(Damaged):
            open_bytes(bytes(flipped), data_key=KEY, context=CONTEXT)


def test_every_truncation_is_damage() -> None:
    for length in range(len(SMALL)):
        with pytest.raises(Damaged):
            unseal(SMALL[:length])
        with pytest.raises(Damaged):
            open_bytes(SMALL[:length], data_key=KEY, context=CONTEXT)
        with pytest.raises(Damaged):
            list(reader(SMALL[:length], size=len(SMALL)).read())


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_missing_last_frames_are_damage_even_where_nothing_is_left_to_read(kept: int) -> None:
    cut = SEALED[: HEADER_SIZE + kept * SEALED_FRAME_SIZE]
    with pytest.raises(Damaged):
        unseal(cut)
    for start in (kept * FRAME_SIZE - 1, kept * FRAME_SIZE, 10 * FRAME_SIZE):
        with pytest.raises(Damaged):
            list(reader(cut).read(start))


def test_bytes_added_to_the_end_are_damage() -> None:
    for more in (b"x", bytes(TAG_SIZE), frames(SEALED)[0], frames(SEALED)[-1]):
        with pytest.raises(Damaged):
            unseal(SEALED + more)


def test_frames_that_change_places_are_damage() -> None:
    first, second, third, last = frames(SEALED)
    for order in (
        [second, first, third, last],
        [first, first, third, last],
        [first, third, last],
        [first, second, third, last, last],
    ):
        with pytest.raises(Damaged):
            unseal(SEALED[:HEADER_SIZE] + b"".join(order))


def test_a_frame_of_another_object_is_damage() -> None:
    other = seal([PLAIN])
    first, second, third, last = frames(SEALED)
    with pytest.raises(Damaged):
        unseal(SEALED[:HEADER_SIZE] + b"".join([first, frames(other)[1], third, last]))
    with pytest.raises(Damaged):
        unseal(other[:HEADER_SIZE] + b"".join([first, second, third, last]))


@pytest.mark.parametrize("differs", OTHERS)
def test_an_object_opens_as_nothing_but_itself(differs: str) -> None:
    for sealed in (SMALL, SEALED):
        with pytest.raises(Damaged):
            list(reader(sealed, context=OTHERS[differs]).read())


def test_a_wrong_key_is_never_called_damage() -> None:
    for sealed in (SMALL, SEALED, seal([b""])):
        for start in (0, FRAME_SIZE):
            with pytest.raises(WrongKey):
                list(reader(sealed, key=OTHER_KEY).read(start))
        with pytest.raises(WrongKey):
            open_bytes(sealed, data_key=OTHER_KEY, context=CONTEXT)


def test_objects_of_one_key_look_unrelated() -> None:
    first, second = seal([b"same"]), seal([b"same"])
    salt_to_end = slice(16, None)
    alike = [one == two for one, two in zip(first[salt_to_end], second[salt_to_end], strict=True)]
    assert sum(alike) < 8  # of 84 bytes: chance alone makes 0.3 of them equal
    assert b"same" not in first


def test_a_later_format_is_neither_damage_nor_a_wrong_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repository.sealing.frames.VERSION", 2)
    later = seal([b"data"])
    monkeypatch.undo()
    with pytest.raises(SealError, match="version 2") as caught:
        unseal(later)
    assert not isinstance(caught.value, Damaged | WrongKey)


def test_sizes_that_no_object_has_are_damage() -> None:
    borders = (0, FRAME_SIZE, 2 * FRAME_SIZE)
    possible = {sealed_size(border + more) for border in borders for more in range(-100, 100) if border + more >= 0}
    around = chain.from_iterable(range(sealed_size(border) - 60, sealed_size(border) + 60) for border in borders)
    for size in around:
        if size in possible:
            assert sealed_size(plain_size(size)) == size
        else:
            with pytest.raises(Damaged):
                plain_size(size)


def test_an_update_that_was_not_run_to_its_end_is_a_mistake() -> None:
    writer = SealWriter(data_key=KEY, context=CONTEXT)
    next(writer.update(PLAIN))
    with pytest.raises(RuntimeError):
        writer.update(b"more")
    with pytest.raises(RuntimeError):
        list(writer.finish())


def test_a_finished_writer_takes_nothing_more() -> None:
    writer = SealWriter(data_key=KEY, context=CONTEXT)
    list(writer.finish())
    with pytest.raises(RuntimeError):
        writer.update(b"more")


@pytest.mark.parametrize(
    ("kind", "object_id"), [("", "a"), ("Archive", "a"), ("a" * 33, "a"), ("a", ""), ("a", "a" * 1025)]
)
def test_a_context_has_a_kind_and_an_id(kind: str, object_id: str) -> None:
    with pytest.raises(ValueError, match=r"kind|id"):
        SealContext(tenant=UUID(int=1), target=UUID(int=2), kind=kind, object_id=object_id)


def test_a_data_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32"):
        seal_bytes(b"data", data_key=KEY[:16], context=CONTEXT)
