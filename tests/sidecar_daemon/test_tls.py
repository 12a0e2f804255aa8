"""TLS between hosts: only the right certificates open a sidecar; every other caller is refused and reaches nothing."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from provisions.certificates import FOR_SIDECARS, FOR_WORKERS
from sidecar_client.client import SidecarClient, Ticket, Timeouts, TlsIdentity
from sidecar_client.errors import Refused, SidecarClientError, SidecarUnavailable
from sidecar_client.methods import Methods
from tests.sidecar_daemon.daemon import Daemon, any_operation, eventually
from tests.sidecar_daemon.test_config import failed_start
from tests.sidecar_daemon.tls_daemon import OTHER_PROVISION, PAST, PROVISION, Authority, TlsDaemon
from wire.contract import WORKER_NAME, sidecar_name
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

pytestmark = pytest.mark.processes

SECONDS = 5.0
"""The time limit for a refusal."""


@pytest.fixture
def idle_daemon(tmp_path: Path) -> Iterator[TlsDaemon]:
    daemon = TlsDaemon(tmp_path)
    daemon.world.mkdir()
    yield daemon
    daemon.close()
    assert not any("Traceback" in line for line in daemon.log), "".join(daemon.log)


@pytest.fixture
def daemon(idle_daemon: TlsDaemon) -> TlsDaemon:
    idle_daemon.install_signed()
    idle_daemon.start()
    return idle_daemon


def refused(daemon: TlsDaemon, client: SidecarClient) -> SidecarClientError:
    """The client's error; asserts that it comes soon, and that the daemon did nothing."""
    began = time.monotonic()
    with client, pytest.raises(SidecarClientError) as refusal:
        client.file_write(path="/tmp/planted", size=1, chunks=[b"x"])
    assert time.monotonic() - began < SECONDS
    assert daemon.left_in_scratch() == []
    assert daemon.called() == []
    return refusal.value


def test_a_worker_packs_reads_and_restores(daemon: TlsDaemon) -> None:
    (daemon.world / "level.dat").write_bytes(b"first")
    with daemon.tls_client() as client:
        assert client.describe().version
        with client.archive_stream(
            source="/data", output="/tmp/out", on_progress=lambda _: None, cancelled=lambda: False
        ) as stream:
            packed = b"".join(stream)
        (daemon.world / "level.dat").write_bytes(b"second")
        client.file_write(path="/tmp/in", size=len(packed), chunks=[packed])
        client.archive_extract(
            source="/tmp/in", destination="/data", mode="replace", on_progress=lambda _: None, cancelled=lambda: False
        )
    assert (daemon.world / "level.dat").read_bytes() == b"first"


def test_the_worker_may_believe_one_certificate_instead_of_an_authority(daemon: TlsDaemon) -> None:
    """Revocation relies on this: another certificate of the same name and authority is then refused."""
    pinned = (daemon.tls_folder / "certificate.pem").read_bytes()
    with daemon.tls_client(daemon.authority.worker(believed=pinned)) as client:
        assert client.describe().version
    another, _ = daemon.authority.pair(sidecar_name(PROVISION), FOR_SIDECARS)
    with daemon.tls_client(daemon.authority.worker(believed=another)) as client, pytest.raises(Refused):
        client.describe()


WORKERS_THAT_DO_NOT_BELIEVE: dict[str, Callable[[Authority], TlsIdentity]] = {
    "another authority": lambda authority: authority.worker(believed=Authority().pem),
    "another provision": lambda authority: authority.worker(provision=OTHER_PROVISION),
}


@pytest.mark.parametrize("made", WORKERS_THAT_DO_NOT_BELIEVE.values(), ids=WORKERS_THAT_DO_NOT_BELIEVE)
def test_a_sidecar_that_is_not_the_one_that_was_meant_is_refused(
    daemon: TlsDaemon, made: Callable[[Authority], TlsIdentity]
) -> None:
    error = refused(daemon, daemon.tls_client(made(daemon.authority)))
    assert error.code == "sidecar_refused"


def test_sidecar_with_an_expired_certificate_is_refused() -> None:
    """A daemon does not start with an expired certificate, but it may expire later: the worker must notice."""
    authority = Authority()
    certificate, key = authority.pair(sidecar_name(PROVISION), FOR_SIDECARS, life=PAST)
    server = grpc.server(ThreadPoolExecutor(1))
    credentials = grpc.ssl_server_credentials([(key, certificate)], authority.pem, require_client_auth=True)
    address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    server.start()
    try:
        for believed in (authority.pem, certificate):
            tls = authority.worker(believed=believed)
            ticket = Ticket(operation=any_operation(), fence=1)
            with (
                SidecarClient(address=address, token="", ticket=ticket, tls=tls) as client,
                pytest.raises(Refused, match="could not prove"),
            ):
                client.describe()
    finally:
        server.stop(None).wait()


def test_a_worker_certificate_used_as_a_sidecar_is_refused(idle_daemon: TlsDaemon) -> None:
    idle_daemon.install(*idle_daemon.authority.pair(sidecar_name(PROVISION), FOR_WORKERS))
    idle_daemon.start()
    assert refused(idle_daemon, idle_daemon.tls_client()).code == "sidecar_refused"


CALLERS_NOT_BELIEVED: dict[str, Callable[[Authority], tuple[bytes, bytes]]] = {
    "of another authority": lambda _: Authority().pair(WORKER_NAME),
    "expired": lambda authority: authority.pair(WORKER_NAME, life=PAST),
    "another sidecar's": lambda authority: authority.pair(sidecar_name(OTHER_PROVISION), FOR_SIDECARS),
    "this sidecar's own": lambda authority: authority.pair(sidecar_name(PROVISION), FOR_SIDECARS),
}


@pytest.mark.parametrize("made", CALLERS_NOT_BELIEVED.values(), ids=CALLERS_NOT_BELIEVED)
def test_caller_without_a_worker_certificate_gets_no_connection(
    daemon: TlsDaemon, made: Callable[[Authority], tuple[bytes, bytes]]
) -> None:
    tls = daemon.authority.worker(pair=made(daemon.authority))
    # The daemon closes the connection silently; to the worker, no one answers.
    assert refused(daemon, daemon.tls_client(tls)).code == "sidecar_unavailable"
    with daemon.tls_client() as client:
        assert client.describe().version


@pytest.mark.parametrize("name", [sidecar_name(OTHER_PROVISION), "savepoint", "x.worker.savepoint", "*.savepoint"])
def test_a_caller_of_the_authority_under_another_name_is_refused(daemon: TlsDaemon, name: str) -> None:
    """Even if a sidecar had a certificate for both uses, its name opens nothing."""
    tls = daemon.authority.worker(pair=daemon.authority.pair(name))
    assert refused(daemon, daemon.tls_client(tls)).code == "sidecar_refused"


def test_caller_under_another_name_is_refused_before_its_request(
    daemon: TlsDaemon,
) -> None:
    """If the daemon waited for the request, an unknown caller could occupy all threads."""
    tls = daemon.authority.worker(pair=daemon.authority.pair("savepoint"))
    methods = [method.name for method in wire.DESCRIPTOR.services_by_name["FileIO"].methods]
    with daemon.tls_channel(tls) as channel:
        for method in {"Describe", "CompressFiles", "WriteFile", "RequestCertificate"} & set(methods):
            call = channel.stream_stream(f"/savepoint.sidecar.v1.FileIO/{method}")(_never(), timeout=SECONDS)
            with pytest.raises(grpc.RpcError) as refusal:
                next(call)
            assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED, method


def _never() -> Iterator[bytes]:
    threading.Event().wait(2 * SECONDS)
    yield b""


def test_caller_without_a_certificate_is_refused_despite_a_token(daemon: TlsDaemon) -> None:
    credentials = grpc.ssl_channel_credentials(daemon.authority.pem)
    options = [("grpc.ssl_target_name_override", sidecar_name(PROVISION))]
    request = wire.DescribeRequest(ticket=wire.Ticket(operation=any_operation(), fence=1))
    with grpc.secure_channel(daemon.address, credentials, options=options) as channel:
        for metadata in ((), daemon.metadata):
            with pytest.raises(grpc.RpcError):
                Methods(channel).describe(request, metadata=metadata, timeout=SECONDS)
    assert daemon.called() == []


def test_a_caller_without_tls_gets_no_connection_and_its_token_is_not_sent(daemon: TlsDaemon) -> None:
    assert isinstance(refused(daemon, daemon.client()), SidecarUnavailable)
    with grpc.insecure_channel(daemon.address) as channel, pytest.raises(grpc.RpcError) as refusal:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
    assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_worker_never_falls_back_to_plain_text(tmp_path: Path) -> None:
    """The sidecar has no TLS where the worker expects it."""
    plain = Daemon(tmp_path)
    plain.start()
    try:
        tls = Authority().worker()
        ticket = Ticket(operation=any_operation(), fence=1)
        client = SidecarClient(
            address=plain.address, token=plain.token, ticket=ticket, timeouts=Timeouts(describe=5), tls=tls
        )
        with client, pytest.raises(Refused):
            client.describe()
        assert not any(" operation=" in line for line in plain.log)
    finally:
        plain.close()


def test_nothing_older_than_tls_1_2_is_spoken(daemon: TlsDaemon) -> None:
    host, _, port = daemon.address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection((host, int(port)), timeout=SECONDS) as raw,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(raw)


def test_a_renewal_takes_effect_without_a_restart(daemon: TlsDaemon) -> None:
    before = (daemon.tls_folder / "certificate.pem").read_bytes()
    old_key = (daemon.tls_folder / "key.pem").read_bytes()
    worker = daemon.authority.worker()
    with daemon.tls_client(worker, fence=0) as client:
        signed = daemon.authority.sign(client.certificate_request())
        client.certificate_install(chain=signed, authorities=daemon.authority.pem)
        # The connection that carried the call stays open.
        assert client.describe().version
    with daemon.tls_client(daemon.authority.worker(believed=signed)) as client:
        assert client.describe().version
    with daemon.tls_client(daemon.authority.worker(believed=before)) as client, pytest.raises(Refused):
        client.describe()
    assert (daemon.tls_folder / "key.pem").read_bytes() != old_key
    assert {path.stat().st_mode & 0o777 for path in daemon.tls_folder.iterdir()} == {0o600}
    daemon.stop()
    daemon.start()
    with daemon.tls_client(daemon.authority.worker(believed=signed)) as client:
        assert client.describe().version


def test_authorities_rotate_while_the_daemon_runs(daemon: TlsDaemon) -> None:
    old, new = daemon.authority, Authority()
    with daemon.tls_client(old.worker()) as client:
        chain = new.sign(client.certificate_request())
        client.certificate_install(chain=chain, authorities=new.pem + old.pem)
    both = new.pem + old.pem
    for worker in (old.worker(believed=both), new.worker(believed=both)):
        with daemon.tls_client(worker) as client:
            assert client.describe().version
    with daemon.tls_client(new.worker()) as client:
        client.certificate_install(chain=new.sign(client.certificate_request()), authorities=new.pem)
    with daemon.tls_client(new.worker()) as client:
        assert client.describe().version
    with daemon.tls_client(old.worker(believed=both)) as client, pytest.raises(SidecarUnavailable):
        client.describe()


BAD_INSTALLS: dict[str, Callable[[Authority, bytes], tuple[bytes, bytes]]] = {
    "another provision": lambda ours, asked: (ours.sign(asked, provision=OTHER_PROVISION), ours.pem),
    "expired": lambda ours, asked: (ours.sign(asked, life=PAST), ours.pem),
    "of no authority named": lambda ours, asked: (ours.sign(asked), Authority().pem),
    "another key": lambda ours, _: (ours.pair(sidecar_name(PROVISION), FOR_SIDECARS)[0], ours.pem),
    "no certificate": lambda ours, _: (b"-----BEGIN nothing-----", ours.pem),
    "no authorities": lambda ours, asked: (ours.sign(asked), b""),
}


@pytest.mark.parametrize("made", BAD_INSTALLS.values(), ids=BAD_INSTALLS)
def test_unusable_certificate_is_refused_and_the_old_one_stays(
    daemon: TlsDaemon, made: Callable[[Authority, bytes], tuple[bytes, bytes]]
) -> None:
    with daemon.tls_client() as client:
        chain, authorities = made(daemon.authority, client.certificate_request())
        with pytest.raises(Refused):
            client.certificate_install(chain=chain, authorities=authorities)
    with daemon.tls_client() as client:
        assert client.describe().version
    daemon.stop()
    daemon.start()


def test_files_that_cannot_be_used_leave_the_running_daemon_as_it_was(daemon: TlsDaemon) -> None:
    (daemon.tls_folder / "certificate.pem").write_bytes(b"damaged")
    with daemon.tls_client() as client:
        assert client.describe().version
    assert eventually(lambda: any("the previous one stays in use" in line for line in daemon.log))
    daemon.install_signed()
    believed = (daemon.tls_folder / "certificate.pem").read_bytes()
    with daemon.tls_client(daemon.authority.worker(believed=believed)) as client:
        assert client.describe().version


def test_a_sidecar_without_tls_makes_no_request(tmp_path: Path) -> None:
    plain = Daemon(tmp_path)
    plain.start()
    try:
        with plain.client() as client, pytest.raises(Refused):
            client.certificate_request()
    finally:
        plain.close()


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        (lambda daemon: (daemon.tls_folder / "key.pem").unlink(), "the certificate does not belong to the key"),
        (lambda daemon: (daemon.tls_folder / "certificate.pem").unlink(), "certificate.pem cannot be read"),
        (lambda daemon: (daemon.tls_folder / "authorities.pem").unlink(), "authorities.pem cannot be read"),
        (lambda daemon: (daemon.tls_folder / "authorities.pem").write_bytes(b""), "the authorities are damaged"),
        (lambda daemon: (daemon.tls_folder / "key.pem").write_bytes(b"secret-key"), "the key is damaged"),
        (lambda daemon: (daemon.tls_folder / "key.pem").chmod(0o640), "key.pem must be accessible to its owner only"),
        (lambda daemon: daemon.tls_folder.chmod(0o750), "tls must be accessible to its owner only"),
        (lambda daemon: daemon.install_signed(life=PAST), "the certificate expired on"),
        (
            lambda daemon: (daemon.tls_folder / "key.pem").write_bytes(Authority().pair(WORKER_NAME)[1]),
            "the certificate does not belong to the key",
        ),
    ],
)
def test_unusable_files_stop_the_start_with_one_line(
    idle_daemon: TlsDaemon, break_it: Callable[[TlsDaemon], object], named: str
) -> None:
    idle_daemon.install_signed()
    idle_daemon.write_config()
    break_it(idle_daemon)
    line = failed_start(idle_daemon)
    assert named in line
    assert "secret-key" not in line


def test_no_key_is_told_in_a_log(daemon: TlsDaemon) -> None:
    worker = daemon.authority.worker()
    with daemon.tls_client(worker) as client:
        client.certificate_install(
            chain=daemon.authority.sign(client.certificate_request()), authorities=daemon.authority.pem
        )
    daemon.stop()
    assert daemon.called()
    told = "".join(daemon.log) + repr(worker)
    assert "PRIVATE" not in told
    body = (daemon.tls_folder / "key.pem").read_text().splitlines()[1]
    assert body not in told
