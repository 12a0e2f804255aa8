"""Jobs: long work in a thread of its own. Calls follow it, come and go; the work runs once."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

from sidecar.calls.calls import Call
from sidecar.errors import SidecarError

P = TypeVar("P")
R = TypeVar("R")

_log = logging.getLogger("sidecar")

_REPORT_SECONDS: Final = 0.25
# Followers get a message at least this often, even without progress.
_HEARTBEAT_SECONDS: Final = 5.0


class Job(Generic[P, R]):
    """Work that reports progress `P` and ends with `R` or a `SidecarError`."""

    def __init__(self, *, name: str, progress: P) -> None:
        self._name = name
        self.progress = progress
        self._cancelled = threading.Event()
        self._future: Future[R] = Future()
        self._thread: threading.Thread | None = None

    def start(self, work: Callable[[], R]) -> None:
        """Start the work; the process does not exit before it has ended."""
        # `daemon` is explicit: gRPC's threads are daemons, and their children would inherit that.
        self._thread = threading.Thread(target=self._run, args=(work,), name=self._name, daemon=False)
        self._thread.start()

    def report(self, progress: P) -> None:
        """Report progress; followers see only the latest."""
        self.progress = progress

    def cancel(self) -> None:
        """Ask the work to stop; it does so at its next check."""
        self._cancelled.set()

    def cancelled(self) -> bool:
        """Whether the work was asked to stop."""
        return self._cancelled.is_set()

    def done(self) -> bool:
        """Whether the work has ended, its cleanup included."""
        return self._future.done()

    def join(self) -> None:
        """Wait for the end without a timeout."""
        if self._thread is not None:
            self._thread.join()

    def follow(self, call: Call, *, woken: threading.Event | None = None) -> Iterator[P]:
        """Yield the current progress, then every change until the end. Raises when the call is stopped before.

        `woken`: whenever it is set, the progress is yielded at once.
        """
        waked = woken or threading.Event()
        call.on_stop(waked.set)
        self._future.add_done_callback(lambda _: waked.set())
        shown, shown_at = self.progress, time.monotonic()
        yield shown
        while not self.done() and not call.stopped():
            is_woken = waked.wait(_REPORT_SECONDS)
            waked.clear()
            if self.done() or call.stopped():
                break
            newest, now = self.progress, time.monotonic()
            if is_woken or newest is not shown or now - shown_at >= _HEARTBEAT_SECONDS:
                shown, shown_at = newest, now
                yield shown
        if not self.done():
            call.check()

    def result(self) -> R:
        """Wait for the work and return its result, or raise its error."""
        return self._future.result()

    def error(self) -> SidecarError | None:
        """The error with which the work ended; None if it has none."""
        error = self._future.exception() if self.done() else None
        return error if isinstance(error, SidecarError) else None

    def _run(self, work: Callable[[], R]) -> None:
        try:
            self._future.set_result(work())
        except SidecarError as error:
            self._future.set_exception(error)
        except BaseException:  # noqa: BLE001 - logged in full; followers must not wait forever
            _log.exception("%s failed unexpectedly", self._name)
            self._future.set_exception(SidecarError("The sidecar failed unexpectedly."))
