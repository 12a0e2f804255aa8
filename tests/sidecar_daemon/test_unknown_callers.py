"""Unknown callers occupy nothing: whatever they begin, the portal's calls go on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.sidecar_daemon.daemon import Daemon, any_operation, eventually
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

pytestmark = pytest.mark.processes

FILE_IO = [
    f"/savepoint.sidecar.v1.FileIO/{method.name}" for method in wire.DESCRIPTOR.services_by_name["FileIO"].methods
]
HEALTH = ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"]
OTHERS = ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/savepoint.sidecar.v1.FileIO/NoSuchMethod"]
MANY = 100
SECONDS = 20
HANDSHAKE_SECONDS = 10


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    made = Daemon(tmp_path_factory.mktemp("unknown"))
    made.start()
    yield made
    made.close()


@contextmanager
def silent_calls(daemon: Daemon, method: str, metadata: Any, count: int = MANY) -> Iterator[list[Any]]:
    """Calls without a request, over two connections."""
    over = threading.Event()

    def never() -> Iterator[bytes]:
        over.wait()
        yield from ()

    with ExitStack() as stack:
        channels = [stack.enter_context(daemon.channel()) for _ in range(2)]
        stack.callback(over.set)
        yield [
            channels[number % 2].stream_stream(method)(never(), metadata=metadata, timeout=10 * SECONDS)
            for number in range(count)
        ]


def describe_works(daemon: Daemon) -> None:
    with daemon.client(any_operation()) as client:
        assert client.describe().version


@pytest.mark.parametrize("token", [None, "w" * 32])
@pytest.mark.parametrize("method", [*HEALTH, *FILE_IO, *OTHERS])
def test_silent_calls_of_unknown_callers_occupy_nothing(method: str, token: str | None, daemon: Daemon) -> None:
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    with silent_calls(daemon, method, metadata) as calls:
        ends = {_end(call) for call in calls}
        describe_works(daemon)
        with daemon.channel() as channel:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
    if method == HEALTH[0]:
        assert ends == {grpc.StatusCode.OK}
    else:
        assert ends == {grpc.StatusCode.UNIMPLEMENTED if method in OTHERS else grpc.StatusCode.UNAUTHENTICATED}


def _end(call: Any) -> grpc.StatusCode:
    try:
        list(call)
    except grpc.RpcError as error:
        return error.code()  # type: ignore[attr-defined]  # a call as well
    return grpc.StatusCode.OK


def test_calls_of_the_portal_have_a_bound_and_give_it_back(daemon: Daemon) -> None:
    with silent_calls(daemon, "/savepoint.sidecar.v1.FileIO/WriteFile", daemon.metadata, 33) as calls:
        assert eventually(lambda: any(call.done() for call in calls))
        assert [call.code() for call in calls if call.done()] == [grpc.StatusCode.RESOURCE_EXHAUSTED]
        with daemon.channel() as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            assert check(health_pb2.HealthCheckRequest(), timeout=SECONDS).status
    assert eventually(lambda: _described(daemon))


def _described(daemon: Daemon) -> bool:
    request = wire.DescribeRequest(ticket=wire.Ticket(operation=any_operation(), fence=1))
    try:
        with daemon.calls() as calls:
            return bool(calls.describe(request, metadata=daemon.metadata, timeout=SECONDS).version)
    except grpc.RpcError:
        return False


@pytest.mark.parametrize("said", [b"", b"PRI * HTTP/2.0\r\n", b"\x16\x03\x01"])
def test_connections_that_say_nothing_are_ended(said: bytes, daemon: Daemon) -> None:
    host, _, port = daemon.address.rpartition(":")
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(MANY)]
        for connection in silent:
            connection.sendall(said)
        describe_works(daemon)
        for connection in silent:
            connection.settimeout(2 * HANDSHAKE_SECONDS)
            try:
                while connection.recv(4096):
                    pass
            except ConnectionResetError:
                pass


def test_a_daemon_that_is_asked_to_stop_ends_beside_silent_callers(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.start()
    with silent_calls(daemon, HEALTH[1], ()), silent_calls(daemon, HEALTH[0], ()):
        assert daemon.stop() == 0
    daemon.close()
