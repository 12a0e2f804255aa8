"""Threads that read, open and write, while the caller's own thread reports and asks whether to go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from repository.chunked.restoring.outcome import RestoreProgress, Tally

TICK_SECONDS = 0.1
TICK_BYTES = 4 << 20

Task = Callable[[], None]


class Cancelled(Exception):
    """Ends a task whose result nobody wants any more."""


class Pulse:
    """Reports progress, and asks the checkpoint, every 0.1 s or 4 MiB; only ever from the caller's thread."""

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
        """Raises what the checkpoint raises, to cancel."""
        done, now = self._tally.bytes_done, time.monotonic()
        if not always and now - self._at < TICK_SECONDS and done - self._bytes < TICK_BYTES:
            return
        self._at, self._bytes = now, done
        if self._checkpoint is not None:
            self._checkpoint()
        if self._progress is not None:
            self._progress(RestoreProgress(done, self.bytes_total, self._tally.files_done, self.files_total))


class Workers:
    """So many threads. A task that runs long asks `go_on` now and then; all but that is for the caller's own thread."""

    def __init__(self, threads: int, pulse: Pulse) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="restore")
        self._pulse = pulse
        self._waiting: set[Future[None]] = set()
        self._stopping = False

    def start(self, tasks: Iterable[Task]) -> None:
        """Have tasks run, in any order, until `finish`."""
        self._waiting.update(self._pool.submit(task) for task in tasks)

    def finish(self) -> None:
        """Wait for what was started; raises what the first of them raised, or the checkpoint, once all have ended."""
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
        """Run tasks to their end; raises as `finish`."""
        self.start(tasks)
        self.finish()

    def stop(self) -> None:
        """End what was started, whatever it is at; what has not begun never does."""
        running = [future for future in self._waiting if not future.cancel()]
        self._stopping = True
        wait(running)
        self._waiting = set()
        self._stopping = False

    def go_on(self) -> None:
        """Raise `Cancelled` when nobody wants the result any more."""
        if self._stopping:
            raise Cancelled

    def close(self) -> None:
        """End the threads."""
        self.stop()
        self._pool.shutdown()
