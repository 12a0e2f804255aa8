"""Contents that come as runs in chunks: what a lying sender can say of them is refused, and costs no memory."""

from __future__ import annotations

import tracemalloc
from random import Random

import pytest
import zstandard

from sidecar.errors import ArchiveDamaged
from sidecar.restore.reading.listed.chunks import Chunks
from wire.chunks import CHUNK_BYTES_MAX, CHUNKS_KEPT_BYTES

MIB = 1 << 20
TEXT = b"a line of a log, and another\n" * 10_000
SIZE = len(TEXT)
NOISE = Random(3).randbytes(100_000)  # noqa: S311 - content to be told apart


def packed(data: bytes, *, level: int = 1, states_size: bool = True) -> bytes:
    return zstandard.ZstdCompressor(level=level, write_content_size=states_size).compress(data)


def with_size(frame: bytes, size: int) -> bytes:
    """The frame with another size in its header, of 4 bytes."""
    assert frame[4] >> 6 == 2, "the size has 4 bytes"
    begin = 5 if frame[4] & 0x20 else 6
    return frame[:begin] + size.to_bytes(4, "little") + frame[begin + 4 :]


FRAME = packed(TEXT)


def test_runs_have_the_bytes_of_chunks_that_came() -> None:
    chunks = Chunks()
    chunks.take(memoryview(FRAME[:100]), size=0)
    chunks.take(memoryview(FRAME[100:]), size=SIZE)
    chunks.take(memoryview(NOISE), size=len(NOISE))

    found = list(chunks.pieces([(1, 5, 10), (2, 7, 3), (2, 0, 100_000), (1, 0, 1), (1, SIZE - 1, 1)]))

    assert [bytes(piece) for piece in found] == [
        TEXT[5:15] + NOISE[7:10],
        NOISE,
        TEXT[:1] + TEXT[-1:],
    ]


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        (FRAME, SIZE + 1),
        (FRAME, SIZE - 1),
        (FRAME[:-1], SIZE),
        (FRAME[: len(FRAME) // 2], SIZE),
        (FRAME + b"\0", SIZE),
        (FRAME + packed(b""), SIZE),
        (packed(TEXT[:-9]) + packed(TEXT[-9:]), SIZE),
        (packed(TEXT, states_size=False), SIZE),
        (with_size(FRAME, SIZE - 1), SIZE - 1),
        (with_size(FRAME, SIZE + 1), SIZE + 1),
        (b"no frame", SIZE),
        (b"\x50\x2a\x4d\x18\x04\0\0\0skip", SIZE),
        (NOISE, len(NOISE) - 1),
        (b"x", CHUNK_BYTES_MAX + 1),
    ],
)
def test_chunk_that_is_not_as_announced_is_refused(payload: bytes, size: int) -> None:
    with pytest.raises(ArchiveDamaged):
        Chunks().take(memoryview(payload), size=size)


def test_bomb_takes_no_more_memory_than_a_chunk() -> None:
    bomb = packed(bytes(512 * MIB))
    assert len(bomb) < MIB

    def peak(payload: bytes, size: int) -> int:
        tracemalloc.start()
        try:
            with pytest.raises(ArchiveDamaged):
                Chunks().take(memoryview(payload), size=size)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(bomb, 512 * MIB) < MIB
    assert peak(bomb, CHUNK_BYTES_MAX) < MIB
    assert peak(with_size(bomb, CHUNK_BYTES_MAX), CHUNK_BYTES_MAX) < 2 * CHUNK_BYTES_MAX


def test_chunk_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    chunks = Chunks()
    for _ in range(CHUNK_BYTES_MAX // MIB):
        chunks.take(memoryview(bytes(MIB)), size=0)
    with pytest.raises(ArchiveDamaged):
        chunks.take(memoryview(b"x"), size=0)


@pytest.mark.parametrize("run", [(1, 0, SIZE + 1), (1, SIZE, 1), (1, 5, 0), (0, 0, 1), (2, 0, 1), (1, 2**31, 1)])
def test_runs_that_no_chunk_has_are_refused(run: tuple[int, int, int]) -> None:
    chunks = Chunks()
    chunks.take(memoryview(FRAME), size=SIZE)
    with pytest.raises(ArchiveDamaged):
        list(chunks.pieces([run]))


def test_chunks_used_last_are_kept() -> None:
    chunks = Chunks()
    count = CHUNKS_KEPT_BYTES // MIB
    for number in range(count):
        chunks.take(memoryview(bytes([number]) * MIB), size=MIB)
    assert bytes(next(chunks.pieces([(1, 0, 3)]))) == bytes(3)
    chunks.take(memoryview(NOISE), size=len(NOISE))

    assert bytes(next(chunks.pieces([(1, 0, 3)]))) == bytes(3)
    assert bytes(next(chunks.pieces([(3, 0, 3)]))) == b"\2" * 3
    with pytest.raises(ArchiveDamaged):
        next(chunks.pieces([(2, 0, 3)]))


def test_small_runs_are_copied_together_within_bounds() -> None:
    chunks = Chunks()
    chunks.take(memoryview(NOISE), size=len(NOISE))

    pieces = chunks.pieces((1, number % 50_000, 50_000) for number in range(100_000))

    assert {len(next(pieces)) for _ in range(10)} == {MIB // 50_000 * 50_000}
