"""Leases: the heartbeat, progress and checkpoints of the worker that claimed an operation."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import F

from common.locks import row_lock
from operations.errors import OperationCancelled, OperationTimedOut
from operations.models import Operation, OperationState
from operations.services.endings import operation_ended
from operations.services.operations import operation_finish

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
"""The interval at which progress is written and a cancel is noticed."""
HEARTBEAT_SECONDS = 5.0
"""The interval of the heartbeat without progress."""
LEASE_SECONDS = 20.0
"""The time without a heartbeat after which another worker may take the operation over."""
LONGEST_SECONDS = 24 * 3600.0 - 300
"""An operation that runs longer is ended, before the queue's own limit of a day kills its worker silently."""

COUNT_MAX = 2**63 - 1


class FenceLost(Exception):
    """Another worker owns the operation: change nothing more."""


class Drained(Exception):
    """The worker is asked to stop: the operation goes back to the queue."""


class Lease:
    """Keeps a claimed operation alive while its block runs.

    A separate thread writes heartbeat and progress, so that a long read or write does not lose the lease. When that
    thread cannot reach the database for a whole lease, the worker gives the operation up before others take it.
    """

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._rows = Operation.objects.filter(id=operation.id, fence=operation.fence, state=OperationState.RUNNING)
        self._stop = threading.Event()
        self._lost = False
        self._cancelled = operation.cancel_requested_at is not None
        self._bytes_done = 0
        self._bytes_total: int | None = None
        self._phase = ""
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._beat, name=f"lease-{operation.id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def progress(self, *, bytes_done: int, bytes_total: int | None, phase: str) -> None:
        """Report the progress of the work; written at most once a second."""
        # A sidecar's number may exceed the range of the column: progress must not cost the heartbeat.
        total = None if bytes_total is None else min(bytes_total, COUNT_MAX)
        self._bytes_done, self._bytes_total, self._phase = min(bytes_done, COUNT_MAX), total, phase

    def phase(self, phase: str) -> None:
        """Report the phase of the work, and keep the reported bytes: those of another phase would run backwards."""
        self._phase = phase

    def interrupted(self) -> bool:
        """Whether the next checkpoint would raise."""
        return self._lost or self._cancelled or draining() or self._overdue()

    def checkpoint(self) -> None:
        """Raise FenceLost, Drained, OperationCancelled or OperationTimedOut when the work must stop here."""
        if self._lost:
            raise FenceLost
        if self._cancelled:
            raise OperationCancelled
        if draining():
            raise Drained
        if self._overdue():
            raise OperationTimedOut

    def fence_check(self) -> None:
        """Check in the database that this worker still owns the operation, and write its progress. Raises FenceLost."""
        if not self._rows.update(
            heartbeat=F("heartbeat") + 1, bytes_done=self._bytes_done, bytes_total=self._bytes_total
        ):
            self._lost = True
            raise FenceLost

    def fence_hold(self) -> None:
        """As `fence_check`, and prevent a takeover until the transaction ends.

        Raises FenceLost.
        """
        if row_lock(self._rows) is None:
            self._lost = True
            raise FenceLost

    def _overdue(self) -> bool:
        return time.monotonic() - self._began > LONGEST_SECONDS

    def _beat(self) -> None:
        try:
            self._beats()
        finally:
            # If this thread ends by an error, the heartbeat stops: the lease is lost.
            self._lost = self._lost or not self._stop.is_set()
            connection.close()

    def _beats(self) -> None:
        written: tuple[int, int | None, str] = (0, None, "")
        last = time.monotonic()
        rate = 0.0
        while not self._stop.wait(BEAT_SECONDS):
            now = time.monotonic()
            current = (self._bytes_done, self._bytes_total, self._phase)
            if current == written and now - last < HEARTBEAT_SECONDS:
                self._cancel_look()
                continue
            # Recent seconds weigh more, so that the time left follows a change within seconds.
            rate = 0.7 * rate + 0.3 * max(0, current[0] - written[0]) / max(now - last, 0.001)
            if self._beat_write(current, min(round(rate), COUNT_MAX)):
                written, last = current, now
            elif self._lost or now - last > LEASE_SECONDS:
                self._lost = True
                break

    def _beat_write(self, current: tuple[int, int | None, str], rate: int) -> bool:
        done, total, phase = current
        try:
            owned = self._rows.update(
                heartbeat=F("heartbeat") + 1, bytes_done=done, bytes_total=total, phase=phase, rate=rate
            )
        except (DatabaseError, InterfaceError) as error:
            log.warning("heartbeat of %s not written: %s", self._operation.id, type(error).__name__)
            connection.close()
            return False
        self._lost = not owned
        self._cancel_look()
        return bool(owned)

    def _cancel_look(self) -> None:
        try:
            row = Operation.objects.filter(id=self._operation.id)
            self._cancelled = self._cancelled or row.filter(cancel_requested_at__isnull=False).exists()
        except (DatabaseError, InterfaceError):
            connection.close()


def draining() -> bool:
    """Whether the supervisor has closed its end of the drain pipe, or died with it."""
    pipe = os.environ.get("SAVEPOINT_DRAIN_FD")
    if pipe is None:
        return False
    return bool(select.select([int(pipe)], [], [], 0)[0])


@contextmanager
def operation_succeeds(operation: Operation) -> Iterator[None]:
    """The transaction that ends an operation well; the block is what its kind writes in it.

    Raises FenceLost, and nothing is written, when another worker owns the operation.
    """
    with transaction.atomic():
        if not operation_finish(operation=operation, state=OperationState.SUCCEEDED):
            raise FenceLost
        yield
        operation_ended(operation)
