"""Backups give way to the game: their threads' I/O priority, and the limit of bytes a second."""

from __future__ import annotations

import ctypes
import platform
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.pacing import Bandwidth
from sidecar.pacing import low_priority

IOPRIO_GET = {"x86_64": 252, "aarch64": 31}
LOWEST = 2 << 13 | 7


class Stopped(Exception):
    pass


def stop() -> None:
    raise Stopped


def nothing() -> None:
    pass


def priority() -> int:
    return int(ctypes.CDLL(None).syscall(IOPRIO_GET[platform.machine()], 1, 0))


@pytest.mark.skipif(platform.machine() not in IOPRIO_GET, reason="another number of the system call")
def test_the_threads_priority_is_low_inside_the_block_alone() -> None:
    before, inside = priority(), []
    with low_priority():
        inside.append(priority())
        with ThreadPoolExecutor(1) as other:
            assert other.submit(threading.get_native_id).result() != threading.get_native_id()
    assert inside == [LOWEST]
    assert priority() == before != LOWEST


def test_all_who_read_share_the_limit() -> None:
    bandwidth, began = Bandwidth(10_000_000), time.monotonic()
    with ThreadPoolExecutor(4) as readers:
        for _ in range(40):
            readers.submit(bandwidth.take, 100_000, check=nothing)
    assert time.monotonic() - began > 0.25


def test_who_waits_can_be_stopped() -> None:
    bandwidth = Bandwidth(1_000_000)
    bandwidth.take(100_000, check=stop)
    began = time.monotonic()
    with pytest.raises(Stopped):
        bandwidth.take(100_000_000, check=stop)
    assert time.monotonic() - began < 5


def test_without_a_limit_nobody_waits_or_is_asked() -> None:
    Bandwidth().take(1 << 50, check=stop)
