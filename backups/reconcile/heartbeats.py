"""Two readings of the heartbeats of running operations, a lease apart on a monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

from operations.models import Operation, OperationState
from operations.work.lease import LEASE_SECONDS

Beat = tuple[int, int]


class Heartbeats:
    """The constructor takes the first reading; other checks meanwhile shorten the wait for the second."""

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._monotonic = monotonic
        self._pause = pause
        self._first = heartbeats_now()
        self._since = monotonic()

    def standing(self) -> dict[UUID, Beat]:
        """Fence and heartbeat of every operation that runs and whose heartbeat did not move for a lease."""
        if not self._first:
            return {}
        self._pause(max(0.0, self._since + LEASE_SECONDS - self._monotonic()))
        now = heartbeats_now()
        return {key: beat for key, beat in self._first.items() if now.get(key) == beat}


def heartbeats_now() -> dict[UUID, Beat]:
    """Fence and heartbeat of every operation that a worker runs; a hold of an order has none."""
    running = Operation.objects.filter(state=OperationState.RUNNING).filter(expires_at__isnull=True)
    return {key: (fence, beat) for key, fence, beat in running.values_list("id", "fence", "heartbeat")}
