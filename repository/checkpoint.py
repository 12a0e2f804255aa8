"""Checkpoints: the points at which long work can be cancelled."""

from __future__ import annotations

from collections.abc import Callable

Checkpoint = Callable[[], None]
"""Called often during long work; any error that it raises ends the work."""


def go_on() -> None:
    """A checkpoint that never cancels."""
