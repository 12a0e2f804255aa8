"""The real service of snapshots, in this process, whose replies are changed on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from pipelines.pacing import NO_LIMIT
from sidecar.calls.calls import Calls
from sidecar.calls.fences import Fences
from sidecar.game.game import Game
from sidecar.game.settings import GameSettings
from sidecar.places.finding import NO_LINKS
from sidecar.snapshot.service import Snapshots
from sidecar.snapshot.sessions import Sessions
from sidecar_client.client import SidecarClient, Ticket, Timeouts
from tests.sidecar_daemon.daemon import any_operation
from wire.contract import SERVICE
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

Scan = Callable[[wire.ScanTreeReply], Iterator[wire.ScanTreeReply]]
Read = Callable[[wire.ReadTreeReply], Iterator[wire.ReadTreeReply | bytes]]
STALL_SECONDS = 3.0


def honest(reply: Any) -> Iterator[Any]:
    yield reply


@dataclass
class LyingTree:
    """A sidecar of the folder `root`; `scan` and `read` may change, drop or add replies."""

    root: Path
    scratch: Path
    scan: Scan = honest
    read: Read = honest
    address: str = ""

    @contextmanager
    def serving(self) -> Iterator[None]:
        self.scratch.mkdir(mode=0o700)
        game = Game(GameSettings(), folder=self.scratch)
        sessions = Sessions(root=self.root, scratch=self.scratch, game=game, links=NO_LINKS, bandwidth=NO_LIMIT)
        service = Snapshots(calls=Calls(Fences(self.scratch / "fences.json")), sessions=sessions)
        handlers = service.handlers() | {
            "ScanTree": grpc.unary_stream_rpc_method_handler(
                self._scanned(service), wire.ScanTreeRequest.FromString, wire.ScanTreeReply.SerializeToString
            ),
            "ReadTree": grpc.stream_stream_rpc_method_handler(
                self._read(service), wire.ReadTreeRequest.FromString, None
            ),
        }
        with ThreadPoolExecutor(8) as pool:
            server = grpc.server(pool)
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
            port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
            server.start()
            self.address = f"127.0.0.1:{port}"
            try:
                yield
            finally:
                server.stop(None).wait()

    def client(self) -> SidecarClient:
        ticket = Ticket(operation=any_operation(), fence=1)
        timeouts = Timeouts(describe=STALL_SECONDS, reply=STALL_SECONDS, stall=STALL_SECONDS)
        return SidecarClient(address=self.address, token="any", ticket=ticket, timeouts=timeouts)

    def _scanned(self, service: Snapshots) -> Callable[..., Iterator[wire.ScanTreeReply]]:
        def scanned(request: wire.ScanTreeRequest, context: grpc.ServicerContext) -> Iterator[wire.ScanTreeReply]:
            for reply in service.scan_tree(request, context):
                yield from self.scan(reply)

        return scanned

    def _read(self, service: Snapshots) -> Callable[..., Iterator[bytes]]:
        def read(requests: Iterator[wire.ReadTreeRequest], context: grpc.ServicerContext) -> Iterator[bytes]:
            for message in service.read_tree(requests, context):
                for reply in self.read(wire.ReadTreeReply.FromString(message)):
                    yield reply if isinstance(reply, bytes) else reply.SerializeToString()

        return read
