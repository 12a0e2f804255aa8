"""Postpones work that cannot be done now."""

from __future__ import annotations

from datetime import timedelta

LAST_RESORT = timedelta(days=1)
"""An operation whose sidecar never reports the state of the live data is ended this long after its request."""


class Postponed(Exception):
    """Put the operation back on the queue for `seconds`; `counts` tells whether this was an attempt."""

    def __init__(self, *, seconds: float, counts: bool) -> None:
        super().__init__(f"postponed by {seconds} s")
        self.seconds = seconds
        self.counts = counts


def backoff_seconds(attempt: int) -> float:
    """The pause in seconds after the n-th attempt (from 1): 5, doubling, at most an hour."""
    return float(min(5 * 2 ** min(attempt - 1, 10), 3600))
