"""The django-q2 cluster as a child process: started, watched, drained, replaced."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from operations.supervision.busy import ACTIVITY_FD, Activity

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
AUXILIARIES = 2
"""Children of the sentinel that are no workers: the pusher and the monitor."""


@dataclass(frozen=True, slots=True)
class Vanished:
    """A process of the cluster that is gone; one that was busy held no lock of the queue."""

    pid: int
    busy: bool


class Cluster:
    """One `manage.py qcluster` with its sentinel and workers, in a process group of its own.

    A `kill -9` of an idle worker leaves the lock of the task queue taken for ever, and django-q2 then freezes silently:
    the cluster must be replaced when a child of the sentinel vanishes while it is not busy.

    Workers drain when the write end of a pipe closes: on purpose, or because the supervisor that holds it died.
    """

    def __init__(self, *, supervisor: str) -> None:
        drain_read, self._drain_write = os.pipe()
        self.activity = Activity()
        environ = {
            **os.environ,
            "SAVEPOINT_SUPERVISOR": supervisor,
            "SAVEPOINT_DRAIN_FD": str(drain_read),
            ACTIVITY_FD: str(self.activity.write),
        }
        libc = ctypes.CDLL(None)

        def die_with_supervisor() -> None:
            # SIGTERM, not SIGKILL: workers whose supervisor died still stop at a checkpoint.
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

        self._process = subprocess.Popen(
            [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "qcluster", "--skip-checks"],
            env=environ,
            pass_fds=[drain_read, self.activity.write],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_supervisor,  # noqa: PLW1509  # the supervisor has no threads
        )
        os.close(drain_read)
        self._children: set[int] = set()

    @property
    def alive(self) -> bool:
        """Whether django-q2's main process still runs."""
        return self._process.poll() is None

    def children(self) -> set[int]:
        """The sentinel's children now: the workers, the pusher and the monitor."""
        return {child for sentinel in _children_of(self._process.pid) for child in _children_of(sentinel)}

    @property
    def workers_alive(self) -> int:
        """The number of workers at the last call."""
        return max(0, len(self._children) - AUXILIARIES)

    def look(self) -> list[Vanished]:
        """Read the activity, and return the child processes that have gone since the last call."""
        self.activity.look()
        now = self.children()
        # A worker that started and died between two calls is known by its own report.
        known = self._children | self.activity.spawned
        gone = [Vanished(pid, busy=pid in self.activity.busy) for pid in known - now]
        self._children = now
        self.activity.busy &= now
        self.activity.spawned &= now
        return gone

    @property
    def idle(self) -> bool:
        """Whether a worker was idle at the last call."""
        return len(self.activity.busy) < self.workers_alive

    def drain(self) -> None:
        """Ask the workers to stop at their next checkpoint, and django-q2 to end."""
        if self._drain_write >= 0:
            os.close(self._drain_write)
            self._drain_write = -1
        if self.alive:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End every process of the cluster at once."""
        self.drain()
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            log.debug("the cluster is already gone")
        self._process.wait()
        self.activity.close()


def _children_of(pid: int) -> set[int]:
    """The child processes of a process, zombies left out; none when it is gone."""
    try:
        found = {
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        }
    except OSError:
        return set()
    return {child for child in found if not _is_zombie(child)}


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
