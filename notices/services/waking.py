"""Waking the worker that routes and sends."""

from __future__ import annotations

from common.queue import task_enqueue

TASK = "notices.tasks.notices_answer"


def dispatch_wake() -> None:
    """Let a worker send what is due once the transaction commits. The tick would do so within a minute."""
    task_enqueue(TASK)
