import os
import queue
from pathlib import Path
from threading import Thread

import pytest

from sidecar.archive.ring import BUFFER_BYTES, BUFFERS, Ring, Stopped
from tests.sidecar_archive.trees import noise


def drain(ring: Ring) -> list[bytes]:
    pieces = []
    while (filled := ring.take(timeout=60)) is not None:
        pieces.append(bytes(filled.buffer[: filled.size]))
        ring.give_back(filled)
    return pieces


def test_written_read_and_zeroed_bytes_leave_in_order_in_full_buffers(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(noise(3 * BUFFER_BYTES + 5))
    ring = Ring()

    def fill() -> None:
        for seed in range(1000):
            ring.write(noise(seed * 7, seed))
        ring.write(noise(2 * BUFFER_BYTES + 1))
        ring.write_zeros(5 * BUFFER_BYTES + 3)
        descriptor = os.open(tmp_path / "file", os.O_RDONLY)
        while ring.read_from(descriptor, 3 * BUFFER_BYTES):
            pass
        os.close(descriptor)
        ring.close()

    thread = Thread(target=fill)
    thread.start()
    pieces = drain(ring)
    thread.join()
    expected = b"".join(noise(seed * 7, seed) for seed in range(1000))
    expected += noise(2 * BUFFER_BYTES + 1) + bytes(5 * BUFFER_BYTES + 3) + noise(3 * BUFFER_BYTES + 5)
    assert b"".join(pieces) == expected
    assert {len(piece) for piece in pieces[:-1]} == {BUFFER_BYTES}


def test_nothing_at_all_ends_at_once() -> None:
    ring = Ring()
    ring.close()
    assert drain(ring) == []


def test_error_of_the_filling_side_is_raised_at_the_taking_side() -> None:
    ring = Ring()
    ring.write(b"before")
    ring.close(KeyError("reason"))
    with pytest.raises(KeyError, match="reason"):
        drain(ring)


def test_waiting_for_bytes_that_do_not_come_ends() -> None:
    with pytest.raises(queue.Empty):
        Ring().take(timeout=0.01)


def test_stopping_ends_a_side_that_waits_for_a_buffer() -> None:
    ring = Ring()
    ended = []

    def fill() -> None:
        try:
            ring.write(bytes((BUFFERS + 1) * BUFFER_BYTES))
        except Stopped:
            ended.append(True)

    thread = Thread(target=fill)
    thread.start()
    ring.stop()
    thread.join(timeout=60)
    assert ended == [True]
    with pytest.raises(Stopped):
        ring.check()
