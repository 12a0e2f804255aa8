"""Pieces that a thread produces ahead of their reader."""

from __future__ import annotations

import threading

import pytest

from sidecar.errors import ArchiveDamaged
from sidecar.restore.reading.read_ahead import ReadAhead


def test_pieces_come_in_order_and_the_end_repeats() -> None:
    pieces = [b"%d" % number for number in range(1, 100)]
    left = iter([*pieces, b""])
    ahead = ReadAhead(lambda: next(left))

    assert [ahead.take() for _ in pieces] == pieces
    assert [ahead.take(), ahead.take()] == [b"", b""]
    ahead.close()


def test_an_error_comes_behind_the_pieces_before_it_and_again() -> None:
    left = iter([b"1", b"2"])

    def source() -> bytes:
        for piece in left:
            return piece
        raise ArchiveDamaged("here")

    ahead = ReadAhead(source)

    assert [ahead.take(), ahead.take()] == [b"1", b"2"]
    for _ in range(2):
        with pytest.raises(ArchiveDamaged, match="here"):
            ahead.take()
    ahead.close()


def test_only_a_few_pieces_are_made_ahead_and_none_after_it_was_closed() -> None:
    made = threading.Semaphore(0)
    count = 0

    def source() -> bytes:
        nonlocal count
        count += 1
        made.release()
        return b"piece"

    before = threading.active_count()
    ahead = ReadAhead(source)
    ahead.take()
    for _ in range(4):
        made.acquire()
    ahead.close()

    assert count == 4, "the one that was taken and three ahead"
    assert threading.active_count() == before


def test_unused_read_ahead_has_no_thread_to_join() -> None:
    ReadAhead(lambda: b"").close()
