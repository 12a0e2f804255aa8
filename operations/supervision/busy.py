"""Reports of busy workers, over a pipe to their supervisor.

A worker reports when it begins to wait, when it takes a task off the queue and when it has finished the task. Nothing
else distinguishes an idle worker, which may hold the queue's lock, from one that works on something other than an
operation.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from django_q.signals import post_execute_in_worker, post_spawn, pre_execute

ACTIVITY_FD = "SAVEPOINT_ACTIVITY_FD"


def activity_report() -> None:
    """Report every task that this process runs to its supervisor, if it has one."""
    post_spawn.connect(_spawned)
    pre_execute.connect(_begun)
    post_execute_in_worker.connect(_ended)


def _spawned(**_signal: Any) -> None:
    _tell("@")


def _begun(**_signal: Any) -> None:
    _tell("+")


def _ended(**_signal: Any) -> None:
    _tell("-")


def _tell(word: str) -> None:
    pipe = os.environ.get(ACTIVITY_FD)
    if pipe is not None:
        # A line this short is written atomically, even beside other writers. A supervisor that does not read, or is
        # gone, is no reason to fail the work.
        with suppress(OSError):
            os.write(int(pipe), f"{word}{os.getpid()}\n".encode())


class Activity:
    """The supervisor's end: the workers ever seen, those that are busy, and the number of tasks run so far."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self.write, False)
        self._rest = b""
        self.spawned: set[int] = set()
        self.busy: set[int] = set()
        self.answered = 0

    def look(self) -> None:
        """Read the reports since the last call."""
        try:
            told = self._rest + os.read(self._read, 1 << 16)
        except BlockingIOError:
            return
        *lines, self._rest = told.split(b"\n")
        for line in lines:
            pid = int(line[1:])
            if line.startswith(b"@"):
                self.spawned.add(pid)
            elif line.startswith(b"+"):
                self.busy.add(pid)
            else:
                self.busy.discard(pid)
                self.answered += 1

    def close(self) -> None:
        """Close both ends."""
        os.close(self._read)
        os.close(self.write)
