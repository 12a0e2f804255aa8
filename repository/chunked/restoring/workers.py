"""Threads that read, decrypt and write, while the caller's thread reports progress and calls the checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from repository.chunked.restoring.outcome import RestoreProgress, Tally

TICK_SECONDS = 0.1
TICK_BYTES = 4 << 20

Task = Callable[[], None]


class Cancelled(Exception):
    """Ends a task after the restore has stopped."""


class Pulse:
    """Reports progress and calls the checkpoint every 0.1 s or 4 MiB, always in the caller's thread."""

    def __init__(
        self,
        tally: Tally,
        *,
        progress: Callable[[RestoreProgress], None] | None,
        checkpoint: Callable[[], None] | None,
    ) -> None:
        self.bytes_total = 0
        self.files_total = 0
        self._tally = tally
        self._progress = progress
        self._checkpoint = checkpoint
        self._at = 0.0
        self._bytes = 0

    def tick(self, *, always: bool = False) -> None:
        """Report and check if it is time, or with `always`. Raises the checkpoint's error."""
        done, now = self._tally.bytes_done, time.monotonic()
        if not always and now - self._at < TICK_SECONDS and done - self._bytes < TICK_BYTES:
            return
        self._at, self._bytes = now, done
        if self._checkpoint is not None:
            self._checkpoint()
        if self._progress is not None:
            self._progress(RestoreProgress(done, self.bytes_total, self._tally.files_done, self.files_total))


class Workers:
    """A pool of threads. A long task calls `go_on` now and then; all other methods are for the caller's thread."""

    def __init__(self, threads: int, pulse: Pulse) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="restore")
        self._pulse = pulse
        self._waiting: set[Future[None]] = set()
        self._stopping = False

    def start(self, tasks: Iterable[Task]) -> None:
        """Submit tasks, which run in any order."""
        self._waiting.update(self._pool.submit(task) for task in tasks)

    def finish(self) -> None:
        """Wait for all tasks. After an error of a task or the checkpoint, stop the others, then raise it."""
        try:
            while self._waiting:
                ended, self._waiting = wait(self._waiting, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
                for future in ended:
                    future.result()
                self._pulse.tick()
        except BaseException:
            self.stop()
            raise

    def run(self, tasks: Iterable[Task]) -> None:
        """Run tasks and wait for them; raises as `finish`."""
        self.start(tasks)
        self.finish()

    def stop(self) -> None:
        """Cancel the tasks that have not begun, and wait for those that run: their next `go_on` raises."""
        running = [future for future in self._waiting if not future.cancel()]
        self._stopping = True
        wait(running)
        self._waiting = set()
        self._stopping = False

    def go_on(self) -> None:
        """Raise `Cancelled` once the tasks are stopped."""
        if self._stopping:
            raise Cancelled

    def close(self) -> None:
        """Stop the threads."""
        self.stop()
        self._pool.shutdown()
