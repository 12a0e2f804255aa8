"""Where long work may be called off."""

from __future__ import annotations

from collections.abc import Callable

Checkpoint = Callable[[], None]
"""Called often; what it raises ends the work."""


def go_on() -> None:
    """The checkpoint of who cannot be called off."""
