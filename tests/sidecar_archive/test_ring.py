import os
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from pipelines.pipe import Closed
from sidecar.archive import ring as ring_module
from sidecar.archive.ring import BUFFER_BYTES, BUFFERS, Ring
from tests.sidecar_archive.trees import noise


def drain(ring: Ring) -> list[bytes]:
    pieces = []
    while (filled := ring.take(timeout=60)) is not None:
        pieces.append(bytes(filled.buffer[: filled.size]))
        ring.give_back(filled)
    return pieces


def test_bytes_written_and_read_come_out_in_order_and_in_full_buffers(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(noise(3 * BUFFER_BYTES + 5))
    ring = Ring()

    def fill() -> None:
        for seed in range(1000):
            ring.write(noise(seed * 7, seed))
        ring.write(noise(2 * BUFFER_BYTES + 1))
        ring.write(bytes(5 * BUFFER_BYTES + 3))
        descriptor = os.open(tmp_path / "file", os.O_RDONLY)
        while ring.read_from(descriptor, 3 * BUFFER_BYTES):
            pass
        os.close(descriptor)
        ring.flush()

    with closing(ring):
        ring.run(fill, name="filling")
        pieces = drain(ring)
    expected = b"".join(noise(seed * 7, seed) for seed in range(1000))
    expected += noise(2 * BUFFER_BYTES + 1) + bytes(5 * BUFFER_BYTES + 3) + noise(3 * BUFFER_BYTES + 5)
    assert b"".join(pieces) == expected
    assert {len(piece) for piece in pieces[:-1]} == {BUFFER_BYTES}


def test_nothing_at_all_ends_at_once() -> None:
    with closing(Ring()) as ring:
        ring.run(ring.flush, name="filling")
        assert drain(ring) == []


def test_buffers_are_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    class Counted(bytearray):
        def __init__(self, size: int) -> None:
            nonlocal made
            made += 1
            super().__init__(size)

    monkeypatch.setattr(ring_module, "bytearray", Counted, raising=False)
    with closing(Ring()) as ring:
        ring.run(partial(ring.write, bytes(9 * BUFFERS * BUFFER_BYTES)), name="filling")
        drain(ring)
    assert made <= BUFFERS


def test_closing_ends_the_thread_that_waits_for_a_buffer() -> None:
    before = threading.active_count()
    with closing(Ring()) as ring:
        ring.run(partial(ring.write, bytes((BUFFERS + 1) * BUFFER_BYTES)), name="filling")
        ring.take()
    assert threading.active_count() == before
    with pytest.raises(Closed):
        ring.check()
