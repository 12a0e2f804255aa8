"""A sidecar at the edge of the wire that says what a test tells it about a game and its files."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

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
