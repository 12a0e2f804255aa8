"""The daemon's life: lock its folders, recover from an earlier life, serve, and on SIGTERM finish."""

import logging
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from pipelines.pacing import Bandwidth
from sidecar.calls.calls import Calls
from sidecar.calls.fences import Fences
from sidecar.config import Config
from sidecar.daemon.auth import CallersKnown, token_known, worker_known
from sidecar.daemon.service import FileIO
from sidecar.errors import SidecarError, StartError
from sidecar.exclusion.service import Estimates
from sidecar.game.game import Game
from sidecar.places.links import LinkRoots
from sidecar.restore.extracting import Extractions
from sidecar.restore.recovery import extractions_recover
from sidecar.scratch.scratch import Scratch
from sidecar.snapshot.service import Snapshots
from sidecar.snapshot.sessions import Sessions
from sidecar.tls.certificates import CertificateError
from sidecar.tls.credentials import tls_credentials
from sidecar.tls.folder import TlsFolder
from sidecar.tls.service import Certificates
from sidecar.volumes import Volumes
from wire.contract import MESSAGE_BYTES, SERVICE

_log = logging.getLogger("sidecar")

# Generic in the stubs only.
Handlers: TypeAlias = "dict[str, grpc.RpcMethodHandler[Any, Any]]"

END_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
# Each call has a thread; a backup has two calls. No honest caller needs more on one server.
_CALLS_AT_ONCE: Final = 32
# Spare threads answer refused calls and health checks under any load.
_THREADS_SPARE: Final = 4
_HEALTH_CHECK: Final = f"/{health.SERVICE_NAME}/Check"
# The time in which the last replies must leave.
_GOODBYE_SECONDS: Final = 2.0
_OPTIONS: Final = (
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # With SO_REUSEPORT, two daemons on one port would each get some of the calls.
    ("grpc.so_reuseport", 0),
    # A vanished caller is noticed after at most 20 s; callers may ping as often.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    # A connection without a handshake in this time is closed; calls of one connection beyond this number queue.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_concurrent_streams", 64),
)


def signals_hold() -> None:
    """Block the signals that end the daemon, for `serve` to wait for; call this before any thread starts."""
    signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)


def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT. Raises `StartError` when it cannot start."""
    scratch = Scratch(config.scratch)
    links = LinkRoots(config.follow_links_into)
    _recover(config, links)
    scratch.sweep()
    volumes = Volumes(config.volumes, like=config.data_root)
    volumes.claim()
    calls = Calls(Fences(scratch.fences))
    game = Game(config.game, folder=scratch.folder)
    extractions = Extractions(root=config.data_root, server=game.server, links=links, volumes=volumes)
    bandwidth = Bandwidth(config.read_bytes_a_second)
    service = FileIO(
        root=config.data_root,
        scratch=scratch,
        calls=calls,
        extractions=extractions,
        game=game,
        links=links,
        bandwidth=bandwidth,
    )
    sessions = Sessions(root=config.data_root, scratch=scratch.folder, game=game, links=links, bandwidth=bandwidth)
    snapshots = Snapshots(calls=calls, sessions=sessions)
    estimates = Estimates(root=config.data_root, calls=calls, links=links)
    healths = health.HealthServicer()
    healths.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    tls = None if config.tls_folder is None else TlsFolder(config.tls_folder)
    certificates = Certificates(folder=tls, calls=calls)
    handlers = service.handlers() | snapshots.handlers() | estimates.handlers() | certificates.handlers()
    server = _server(config, handlers, healths)
    address = _listen(server, config, tls)
    game.recover(settled=extractions.settled)
    server.start()
    sys.stdout.write(f"listening on {address}\n")
    sys.stdout.flush()
    signal.sigwait(END_SIGNALS)
    _log.info("finishing: no new calls are taken")
    calls.close()
    healths.enter_graceful_shutdown()
    calls.wait(timeout=config.drain_seconds)
    extractions.finish()
    calls.end()
    server.stop(_GOODBYE_SECONDS).wait()
    game.finish()


def _recover(config: Config, links: LinkRoots) -> None:
    """Bring interrupted extractions to their end."""
    try:
        outcomes = extractions_recover(root=config.data_root, links=links)
    except SidecarError as error:
        raise StartError(f"{config.data_root}: {error.detail}") from error
    for operation, outcome in outcomes:
        ending = outcome.kind.name.lower() + (f" ({outcome.error_detail!r})" if outcome.error_detail else "")
        _log.warning("extraction of operation=%r was interrupted: now %s", operation, ending)


def _server(config: Config, handlers: Handlers, healths: health.HealthServicer) -> grpc.Server:
    by_token = config.tls_folder is None
    guard = CallersKnown(
        known=token_known(config.token) if by_token else worker_known,
        refusal="The token is missing or wrong." if by_token else "The certificate is not a worker's.",
        calls=_CALLS_AT_ONCE,
        open_to_all={_HEALTH_CHECK: lambda context: healths.Check(health_pb2.HealthCheckRequest(), context)},
    )
    # gRPC's own limit on calls would also count those of unknown callers.
    threads = ThreadPoolExecutor(_CALLS_AT_ONCE + _THREADS_SPARE, thread_name_prefix="call")
    server = grpc.server(threads, interceptors=[guard], options=_OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    health_pb2_grpc.add_HealthServicer_to_server(healths, server)
    return server


def _listen(server: grpc.Server, config: Config, tls: TlsFolder | None) -> str:
    """Listen on the address and return it, with the port that the system chose if it was 0."""
    _require_free(config)
    # The mode of a Unix socket decides who may connect.
    before = os.umask(0o177)
    try:
        port = server.add_secure_port(config.listen, _credentials(config, tls))
    except RuntimeError as error:
        raise StartError(f"cannot listen on {config.listen}") from error
    finally:
        os.umask(before)
    return config.listen if config.socket_path else f"{config.listen.rpartition(':')[0]}:{port}"


def _require_free(config: Config) -> None:
    """Raise `StartError` when the address is in use: gRPC would not say why, and would replace the socket."""
    if config.socket_path:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(config.socket_path) == 0:
                raise StartError(f"cannot listen on {config.listen}: another process does")
        return
    host, _, port = config.listen.rpartition(":")
    with socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            raise StartError(f"cannot listen on {config.listen}: {error.strerror}") from error


def _credentials(config: Config, tls: TlsFolder | None) -> grpc.ServerCredentials:
    """The security of connections: TLS, or local connections only. Any other connection fails its handshake."""
    if tls is not None:
        try:
            return tls_credentials(tls)
        except CertificateError as error:
            raise StartError(f"{tls.path}: {error}") from error
    if config.socket_path:
        return grpc.local_server_credentials(grpc.LocalConnectionType.UDS)
    return grpc.local_server_credentials(grpc.LocalConnectionType.LOCAL_TCP)
