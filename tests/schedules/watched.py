"""A sidecar at the edge of the wire that says what a test tells it about a game and its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
from django.utils import timezone
from rest_framework.test import APIClient

from backups.models import Backup, BackupStatus
from operations.models import Operation, OperationState
from schedules.models import Trigger
from schedules.services.firing import triggers_run
from tests.world.rental import Rental
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2_grpc


class WatchedSidecar(sidecar_pb2_grpc.FileIOServicer):
    """Counts what it is asked. `counters` empty: it does not look at the game."""

    def __init__(self) -> None:
        self.address = ""
        self.addresses: list[str] = []
        self.counters = "first"
        self.starts = self.ends = self.changed_bytes = 0
        self.away = False
        self.asked: list[str] = []
        self.since_ns = 0

    def Describe(self, request: wire.DescribeRequest, context: grpc.ServicerContext) -> wire.DescribeReply:  # noqa: N802
        self._asked("game", request.ticket, context)
        game = wire.GameState(counters=self.counters, running=True, starts=self.starts, ends=self.ends)
        return wire.DescribeReply(version="watched", game=game if self.counters else None)

    def EstimateBackup(  # noqa: N802
        self, request: wire.EstimateBackupRequest, context: grpc.ServicerContext
    ) -> wire.EstimateBackupReply:
        self._asked("files", request.ticket, context)
        self.since_ns = request.changed_since_ns
        return wire.EstimateBackupReply(changed_bytes=self.changed_bytes)

    def _asked(self, what: str, ticket: wire.Ticket, context: grpc.ServicerContext) -> None:
        assert ticket.fence == 0
        self.asked.append(what)
        if self.away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")


@contextmanager
def watched_sidecar(*, addresses: int = 1) -> Iterator[WatchedSidecar]:
    """One that answers at its `address`, and at several `addresses` as if it were many."""
    with ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool)
        sidecar = WatchedSidecar()
        sidecar_pb2_grpc.add_FileIOServicer_to_server(sidecar, server)
        credentials = grpc.local_server_credentials()
        ports = [server.add_secure_port("127.0.0.1:0", credentials) for _ in range(addresses)]
        sidecar.addresses = [f"127.0.0.1:{port}" for port in ports]
        sidecar.address = sidecar.addresses[0]
        server.start()
        try:
            yield sidecar
        finally:
            server.stop(None)


TIMES = ("next_look_at", "looked_at", "due_at", "fired_at")


@dataclass
class Watching:
    """A rental, its sidecar, and the owner's client."""

    rental: Rental
    sidecar: WatchedSidecar
    client: APIClient

    def url(self, kind: str = "") -> str:
        base = f"/api/v1/orders/{self.rental.order.id}/provisions/{self.rental.server.id}/triggers/"
        return f"{base}{kind}/" if kind else base

    def turn_on(self, kind: str = "crash", **fields: Any) -> None:
        """Turn it on, and look once: what was before does not count."""
        response = self.client.put(self.url(kind), {"enabled": True, **fields})
        assert response.status_code == 200, response.json()
        assert triggers_run() == 0

    def shown(self, kind: str = "crash") -> dict[str, Any]:
        return self.client.get(self.url(kind)).json()

    def tick(self, **passed: float) -> int:
        """Let that time pass, a minute without any, and run the chore; return how many backups began."""
        by = timedelta(**passed) if passed else timedelta(minutes=1)
        for trigger in Trigger.objects.all():
            for name in TIMES:
                if (at := getattr(trigger, name)) is not None:
                    setattr(trigger, name, at - by)
            trigger.save()
        return triggers_run()

    def plan(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self.rental.order.plan, name, value)
        self.rental.order.plan.save()

    def ends(self, state: OperationState = OperationState.SUCCEEDED) -> None:
        """End the running backup, as a worker does."""
        now = timezone.now()
        Operation.objects.update(state=state, finished_at=now)
        Backup.objects.update(status=BackupStatus.FAILED, completed_at=now)

    @property
    def backups(self) -> list[str]:
        """The names of the backups without their time, the oldest first."""
        return [re.sub(r" [0-9]{4}-.*", "", backup.name) for backup in Backup.objects.order_by("created_at")]
