"""Waiting for another process by polling until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_SECONDS = 0.05


def wait_until(condition: Callable[[], T], *, seconds: float, what: str) -> T:
    """Return the first true value of `condition`; fail, naming `what`, when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(LOOK_SECONDS)
    return value
