"""The storage protocol; every implementation must pass these tests."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from random import Random

import pytest

from repository.storage import ObjectExists, ObjectInfo, ObjectNotFound, Storage
from tests.storage.conftest import Target

MIB = 1 << 20
LARGE = 20 * MIB  # more than one part of an S3 upload
DIGITS = bytes(range(256)) * 8


def noise(size: int) -> bytes:
    """Bytes without repetitions, the same in every run."""
    return Random(size).randbytes(size)  # noqa: S311  # nothing is secret here


def put(storage: Storage, key: str, data: bytes, *, expected_size: int | None = None) -> None:
    size = len(data) if expected_size is None else expected_size
    with storage.writer(key, expected_size=size) as writer:
        for offset in range(0, len(data), MIB):
            writer.write(data[offset : offset + MIB])
        writer.commit()


def get(storage: Storage, key: str, *, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join(storage.read(key, start=start, stop=stop))


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, LARGE])
def test_an_object_reads_back_as_it_was_written(storage: Storage, size: int) -> None:
    data = noise(size)
    put(storage, "a/object", data)
    assert get(storage, "a/object") == data
    assert storage.size("a/object") == size
    assert list(storage.list("")) == [ObjectInfo("a/object", size)]


def test_forty_megabytes_come_back_byte_for_byte_in_pieces_of_a_mebibyte(storage: Storage) -> None:
    data = noise(40_000_000)
    with storage.writer("large", expected_size=len(data)) as writer:
        view = memoryview(data)
        for length in cycle((1, 4096, MIB, 3 * MIB + 5, 11 * MIB)):
            writer.write(view[:length])
            view = view[length:]
            if not view:
                break
        writer.commit()
    pieces = list(storage.read("large"))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= MIB


@pytest.mark.parametrize("expected_size", [0, 1, 9 * MIB, LARGE - 1, 10**13])
def test_a_wrong_expectation_of_the_size_changes_nothing(storage: Storage, expected_size: int) -> None:
    data = noise(LARGE)
    put(storage, "object", data, expected_size=expected_size)
    assert get(storage, "object") == data


def test_a_buffer_may_be_used_again_after_each_write(storage: Storage) -> None:
    buffer = bytearray(MIB)
    with storage.writer("object", expected_size=18 * MIB) as writer:
        for number in range(18):
            buffer[:] = bytes([number]) * MIB
            writer.write(buffer)
        buffer[:] = bytes(MIB)
        writer.commit()
    assert get(storage, "object") == b"".join(bytes([number]) * MIB for number in range(18))


@pytest.mark.parametrize("size", [5, LARGE])
def test_nothing_is_there_before_the_commit(storage: Storage, size: int) -> None:
    put(storage, "earlier", b"")  # an empty storage may deny a listing
    storage.delete("earlier")
    with storage.writer("a/object", expected_size=size) as writer:
        writer.write(bytes(size))
        assert list(storage.list("")) == []
        with pytest.raises(ObjectNotFound):
            storage.size("a/object")
        with pytest.raises(ObjectNotFound):
            get(storage, "a/object")
        writer.commit()
        assert storage.size("a/object") == size


@pytest.mark.parametrize("size", [5, LARGE])
def test_leaving_without_a_commit_leaves_nothing(target: Target, size: int) -> None:
    with target.storage.writer("a/object", expected_size=size) as writer:
        writer.write(bytes(size))
    assert list(target.storage.list("")) == []
    assert target.leftovers() == []


@pytest.mark.parametrize("size", [5, LARGE])
@pytest.mark.parametrize("reason", [RuntimeError, KeyboardInterrupt])
def test_being_thrown_out_leaves_nothing(target: Target, size: int, reason: type[BaseException]) -> None:
    def fail() -> None:
        with target.storage.writer("a/object", expected_size=size) as writer:
            writer.write(bytes(size))
            raise reason

    with pytest.raises(reason):
        fail()
    assert list(target.storage.list("")) == []
    assert target.leftovers() == []


def test_being_thrown_out_after_the_commit_keeps_the_object(target: Target) -> None:
    def fail() -> None:
        with target.storage.writer("object", expected_size=LARGE) as writer:
            writer.write(bytes(LARGE))
            writer.commit()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.storage.size("object") == LARGE
    assert target.leftovers() == []


def test_a_sweep_finds_nothing_where_every_writer_left_in_order(storage: Storage) -> None:
    put(storage, "object", b"data")
    with storage.writer("given-up", expected_size=LARGE) as writer:
        writer.write(bytes(LARGE))
    assert storage.partials_sweep(older_than_seconds=0) == 0
    assert get(storage, "object") == b"data"


@pytest.mark.parametrize("size", [5, LARGE])
def test_a_taken_key_is_refused_and_keeps_its_bytes(target: Target, size: int) -> None:
    put(target.storage, "a/object", b"first")
    with pytest.raises(ObjectExists):
        put(target.storage, "a/object", bytes(size))
    assert get(target.storage, "a/object") == b"first"
    assert target.leftovers() == []


def test_exactly_one_of_several_writers_of_a_key_wins(target: Target) -> None:
    storage, barrier = target.storage, threading.Barrier(6)

    def write(number: int) -> int | None:
        with storage.writer("race/object", expected_size=1000) as writer:
            writer.write(bytes([number]) * 1000)
            barrier.wait()
            try:
                writer.commit()
            except ObjectExists:
                return None
            return number

    with ThreadPoolExecutor(6) as pool:
        winners = [number for number in pool.map(write, range(6)) if number is not None]
    assert winners
    assert get(storage, "race/object") in [bytes([winner]) * 1000 for winner in winners]
    assert len(winners) == 1 or not target.exclusive


def test_a_committed_object_takes_no_more_bytes(storage: Storage) -> None:
    with storage.writer("object", expected_size=1) as writer:
        writer.write(b"1")
        writer.commit()
        with pytest.raises(ValueError, match="committed"):
            writer.write(b"2")
        with pytest.raises(ValueError, match="committed"):
            writer.commit()
    assert get(storage, "object") == b"1"


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        *((0, None), (0, 1), (5, 9), (2047, None), (2047, 2048), (0, 2048), (1000, 5000), (2000, 10**9)),
        *((0, 0), (9, 9), (9, 3), (2048, None), (2048, 2049), (5000, None), (5000, 6000), (5000, 5000)),
    ],
)
def test_ranges_give_exactly_their_bytes(storage: Storage, start: int, stop: int | None) -> None:
    put(storage, "object", DIGITS)
    assert get(storage, "object", start=start, stop=stop) == DIGITS[start:stop]


def test_an_empty_object_has_only_empty_ranges(storage: Storage) -> None:
    put(storage, "empty", b"")
    assert [get(storage, "empty", start=start, stop=stop) for start, stop in ((0, None), (0, 5), (3, None))] == [
        b""
    ] * 3


def test_a_negative_start_is_a_mistake(storage: Storage) -> None:
    put(storage, "object", DIGITS)
    with pytest.raises(ValueError, match="negative"):
        get(storage, "object", start=-1)


def test_missing_object_is_not_found(storage: Storage) -> None:
    put(storage, "a/object", b"1")
    for key in ("missing", "a/missing", "a", "a/object/below", "b/c/d"):
        with pytest.raises(ObjectNotFound):
            storage.size(key)
        for start, stop in ((0, None), (3, 9), (4, 4)):
            with pytest.raises(ObjectNotFound):
                get(storage, key, start=start, stop=stop)


def test_deleting_twice_is_no_error(storage: Storage) -> None:
    put(storage, "a/b/one", b"1")
    put(storage, "a/two", b"2")
    for _ in range(2):
        storage.delete("a/b/one")
        assert list(storage.list("")) == [ObjectInfo("a/two", 1)]
    storage.delete("never/there")
    put(storage, "a/b/one", b"again")
    assert get(storage, "a/b/one") == b"again"


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", ["a", "ab/c.tar.gz", "ab/c/d", "ab/cd", "b/1"]),
        ("a", ["a", "ab/c.tar.gz", "ab/c/d", "ab/cd"]),
        ("ab/", ["ab/c.tar.gz", "ab/c/d", "ab/cd"]),
        ("ab/c", ["ab/c.tar.gz", "ab/c/d", "ab/cd"]),
        ("ab/c/", ["ab/c/d"]),
        ("ab/c/d", ["ab/c/d"]),
        ("a/", []),
        ("nothing/here", []),
    ],
)
def test_a_list_has_every_key_with_its_prefix(storage: Storage, prefix: str, expected: list[str]) -> None:
    for key in ("ab/cd", "a", "ab/c/d", "b/1", "ab/c.tar.gz"):
        put(storage, key, key.encode())
    found = sorted(storage.list(prefix), key=lambda info: info.key)
    assert found == [ObjectInfo(key, len(key)) for key in expected]


def test_a_list_of_more_than_a_page_is_whole(target: Target) -> None:
    keys = [f"page/{number % 7}/{number}" for number in range(1005)]
    if target.fill:
        target.fill(keys)
    else:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: put(target.storage, key, b""), keys))
    assert sorted(info.key for info in target.storage.list("page/")) == sorted(keys)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        ".partial/a",
        "a/.b",
        "ä",
        "a b",
        "a\n",
        "a\0",
        "a" * 201,
        "a/" * 300 + "a",
    ],
)
def test_invalid_key_never_reaches_the_target(storage: Storage, key: str) -> None:
    with pytest.raises(ValueError, match="key"), storage.writer(key, expected_size=1):
        pass
    with pytest.raises(ValueError, match="key"):
        get(storage, key)
    with pytest.raises(ValueError, match="key"):
        storage.size(key)
    with pytest.raises(ValueError, match="key"):
        storage.delete(key)


@pytest.mark.parametrize("prefix", ["/", "..", "../", "a/../", ".partial/", "a//", "ä"])
def test_invalid_prefix_is_not_listed(storage: Storage, prefix: str) -> None:
    with pytest.raises(ValueError, match="key"):
        list(storage.list(prefix))
