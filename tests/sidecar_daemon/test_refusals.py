"""Refusals of calls: by caller, by attempt, and by path."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sidecar.calls.fences import OPERATIONS_KEPT, Fences
from sidecar.config import Config
from sidecar_client.client import SidecarClient
from sidecar_client.errors import Refused, SidecarFailed, SourceFailed
from sidecar_client.status import error_from_status
from tests.sidecar_daemon.daemon import Daemon, any_operation
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

pytestmark = pytest.mark.processes

SECRET = b"not of this server"


def archive(client: SidecarClient, *, source: str, output: str) -> None:
    with client.archive_stream(
        source=source, output=output, on_progress=lambda _: None, cancelled=lambda: False
    ) as stream:
        for _ in stream:
            pass


def read(daemon: Daemon, path: str, *, offset: int = 0, follow: bool = False) -> bytes:
    """Read a file; raises the client's errors."""
    request = wire.ReadFileRequest(
        ticket=wire.Ticket(operation=any_operation(), fence=1), path=path, offset=offset, follow=follow
    )
    with daemon.calls() as calls:
        try:
            return b"".join(calls.read_file(request, metadata=daemon.metadata))
        except grpc.RpcError as error:
            raise error_from_status(error) from error


def test_a_wrong_token_is_refused_and_told_nowhere(daemon: Daemon) -> None:
    with daemon.client(token="w" * 32) as client, pytest.raises(Refused) as refusal:
        client.describe()
    assert "w" * 32 not in str(refusal.value)
    assert daemon.stop() == 0
    assert not any(secret in line for line in daemon.log for secret in ("w" * 32, daemon.token))


@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer "),), (("authorization", "Basic eDp5"),)])
def test_a_missing_token_is_refused_before_anything_is_read(
    daemon: Daemon, metadata: tuple[tuple[str, str], ...]
) -> None:
    with daemon.calls() as calls, pytest.raises(grpc.RpcError) as refusal:
        calls.write_file(iter([]), metadata=metadata)
    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_health_answers_without_a_token(daemon: Daemon) -> None:
    with daemon.channel() as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "savepoint.sidecar.v1.FileIO"):
            reply = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_an_older_attempt_is_refused_also_after_a_restart(daemon: Daemon) -> None:
    operation = any_operation()
    with daemon.client(operation, fence=3) as client:
        client.describe()
    with daemon.client(operation, fence=2) as client, pytest.raises(Refused):
        client.describe()
    daemon.kill()
    daemon.start()
    with daemon.client(operation, fence=2) as client, pytest.raises(Refused):
        client.describe()
    with daemon.client(operation, fence=3) as client:
        assert client.describe().version
    with daemon.client(any_operation(), fence=1) as client:
        assert client.describe().version


def test_fences_of_the_oldest_operations_are_forgotten(tmp_path: Path) -> None:
    fences = Fences(tmp_path / "fences.json")
    for number in range(OPERATIONS_KEPT + 1):
        fences.admit(operation=f"operation-{number}", fence=2)
    again = Fences(tmp_path / "fences.json")
    again.admit(operation="operation-0", fence=1)
    with pytest.raises(Exception, match="newer attempt"):
        again.admit(operation="operation-2", fence=1)


@pytest.mark.parametrize("operation", ["", "../x", ".hidden", "a" * 101, "line\nbreak"])
def test_a_call_must_name_its_operation(daemon: Daemon, operation: str) -> None:
    request = wire.DescribeRequest(ticket=wire.Ticket(operation=operation, fence=1))
    with daemon.calls() as calls, pytest.raises(grpc.RpcError) as refusal:
        calls.describe(request, metadata=daemon.metadata, timeout=5)
    assert refusal.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert ("savepoint-code", "sidecar_refused") in refusal.value.trailing_metadata()


@pytest.fixture(scope="module")
def walled_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with secret files beside its data root, and links from inside that lead to them."""
    daemon = Daemon(tmp_path_factory.mktemp("walled"))
    daemon.start()
    outside = daemon.folder / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(SECRET)
    (daemon.world / "inside").mkdir()
    (daemon.world / "inside" / "file").write_bytes(b"content")
    (daemon.world / "link to folder").symlink_to(outside)
    (daemon.world / "link to file").symlink_to(outside / "secret")
    (daemon.world / ".savepoint").mkdir()
    (daemon.world / ".savepoint" / "journal").write_bytes(b"journal")
    os.mkfifo(daemon.world / "pipe")
    yield daemon
    daemon.close()


@pytest.mark.parametrize(
    "path",
    [
        "/data/../outside/secret",
        "/data/inside/../../outside/secret",
        "/data/link to folder/secret",
        "/data/link to file",
        "/data/./inside/file",
        "/data//inside/file",
        "/data/inside/file/",
        "/data/inside/file/below",
        "/data/inside",
        "/data/pipe",
        "/data/.savepoint/journal",
        "/data",
        "/tmp",
        "/tmp/../fences.json",
        "/tmp/folder/file",
        "/etc/passwd",
        "data/inside/file",
        "//data/inside/file",
        "/database",
        "/",
        "",
        "/data/\0",
        "/data/" + "n" * 256,
    ],
)
@pytest.mark.parametrize("follow", [False, True])
def test_nothing_outside_the_two_roots_can_be_read(walled_daemon: Daemon, path: str, *, follow: bool) -> None:
    with pytest.raises(Refused):
        read(walled_daemon, path, follow=follow)


def test_files_of_the_data_can_be_read_from_any_offset(walled_daemon: Daemon) -> None:
    assert read(walled_daemon, "/data/inside/file") == b"content"
    assert read(walled_daemon, "/data/inside/file", offset=3) == b"tent"
    assert read(walled_daemon, "/data/inside/file", offset=7) == b""
    with pytest.raises(Refused):
        read(walled_daemon, "/data/inside/file", offset=8)
    with pytest.raises(SourceFailed):
        read(walled_daemon, "/data/inside/missing")


@pytest.mark.parametrize("path", ["/data/new", "/tmp/folder/new", "/tmp/../new", "/tmp/", "/tmp", "/new", "new", ""])
def test_only_scratch_can_be_written(walled_daemon: Daemon, path: str) -> None:
    with walled_daemon.client() as client:
        with pytest.raises(Refused):
            client.file_write(path=path, size=1, chunks=[b"x"])
        with pytest.raises(Refused):
            client.file_delete(path=path)
        with pytest.raises(Refused):
            archive(client, source="/data", output=path)
    assert not (walled_daemon.world / "new").exists()
    assert walled_daemon.left_in_scratch() == []


@pytest.mark.parametrize(
    "source", ["/tmp", "/", "/etc", "/data/..", "/data/link to folder", "/data/inside/file", "/data/.savepoint", ""]
)
def test_only_folders_of_the_data_can_be_packed(walled_daemon: Daemon, source: str) -> None:
    with walled_daemon.client() as client, pytest.raises(Refused):
        archive(client, source=source, output="/tmp/out")
    assert walled_daemon.left_in_scratch() == []


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("/tmp/in", "/data/inside"),
        ("/tmp/in", "/tmp"),
        ("/tmp/in", "/"),
        ("/data/inside/file", "/data"),
        ("/tmp/../in", "/data"),
    ],
)
def test_only_a_scratch_file_can_be_extracted_and_only_into_the_data_root(
    walled_daemon: Daemon, source: str, destination: str
) -> None:
    with walled_daemon.client() as client:
        client.file_write(path="/tmp/in", size=1, chunks=[b"x"])
        with pytest.raises(Refused):
            client.archive_extract(
                source=source,
                destination=destination,
                mode="replace",
                on_progress=lambda _: None,
                cancelled=lambda: False,
            )
        client.file_delete(path="/tmp/in")


def test_formats_and_modes_that_do_not_exist_are_refused(daemon: Daemon) -> None:
    ticket = wire.Ticket(operation=any_operation(), fence=1)
    with daemon.calls() as calls:
        for call in (
            calls.compress_files(
                wire.CompressFilesRequest(ticket=ticket, sources=["/data"], output="/tmp/out"),
                metadata=daemon.metadata,
            ),
            calls.compress_files(
                wire.CompressFilesRequest(ticket=ticket, output="/tmp/out", format=wire.ARCHIVE_FORMAT_TARGZ),
                metadata=daemon.metadata,
            ),
            calls.extract_to(
                wire.ExtractToRequest(ticket=ticket, source="/tmp/in", destination="/data"), metadata=daemon.metadata
            ),
        ):
            with pytest.raises(grpc.RpcError) as refusal:
                list(call)
            assert refusal.value.code() is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize(("size", "chunks"), [(3, [b"1234"]), (5, [b"1234"]), (0, [b"1"]), (1, [])])
def test_a_file_of_another_size_than_announced_does_not_appear(daemon: Daemon, size: int, chunks: list[bytes]) -> None:
    with daemon.client() as client, pytest.raises(SidecarFailed) as failure:
        client.file_write(path="/tmp/in", size=size, chunks=chunks)
    assert failure.value.code == "archive_damaged"
    assert daemon.left_in_scratch() == []


def test_a_file_that_cannot_fit_is_refused_before_it_is_sent(daemon: Daemon) -> None:
    with daemon.client() as client, pytest.raises(SidecarFailed) as failure:
        client.file_write(path="/tmp/in", size=1 << 60, chunks=[b"x"])
    assert failure.value.code == "scratch_full"


def test_an_empty_file_can_be_written(daemon: Daemon) -> None:
    with daemon.client() as client:
        client.file_write(path="/tmp/in", size=0, chunks=[])
    assert daemon.left_in_scratch() == ["in"]


def test_a_damaged_archive_leaves_the_data_alone(daemon: Daemon) -> None:
    (daemon.world / "file").write_bytes(b"live")
    with daemon.client() as client:
        client.file_write(path="/tmp/in", size=9, chunks=[b"no archiv"])
        with pytest.raises(SidecarFailed) as failure:
            client.archive_extract(
                source="/tmp/in",
                destination="/data",
                mode="replace",
                on_progress=lambda _: None,
                cancelled=lambda: False,
            )
    assert failure.value.code == "archive_damaged"
    assert (daemon.world / "file").read_bytes() == b"live"


def test_secrets_do_not_show_in_representations() -> None:
    config = Config(
        data_root=Path("/d"), scratch=Path("/s"), listen="127.0.0.1:1", token="hidden-token", drain_seconds=1.0
    )
    assert "hidden-token" not in repr(config)
