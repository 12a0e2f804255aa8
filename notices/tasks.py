"""The task that django-q2 calls: one service call."""

from __future__ import annotations

from notices.sending.dispatch import notices_dispatch


def notices_answer() -> None:
    """Route and send what is due, unless another worker does so already."""
    notices_dispatch()
