"""Packing that is interrupted: by a lost or cancelled caller, a newer attempt, or the daemon's end."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sidecar_client.client import ArchiveStream, SidecarClient
from sidecar_client.errors import Cancelled, Refused, SidecarUnavailable
from tests.sidecar_daemon.daemon import PATIENCE_SECONDS, PROJECT, Daemon, any_operation, eventually
from tests.sidecar_daemon.worlds import MIB, endless_world

pytestmark = pytest.mark.processes

OUTPUT = "/tmp/backup.tar.gz"

A_CLIENT = """
import json, sys
from sidecar_client.client import SidecarClient, Ticket
given = json.load(sys.stdin)
with SidecarClient(address=given["address"], token=given["token"], ticket=Ticket("lost-worker", 1)) as client:
    with client.archive_stream(
        source="/data", output="/tmp/lost", on_progress=lambda _: None, cancelled=lambda: False
    ) as stream:
        next(iter(stream))
        print("streaming", flush=True)
        for _ in stream:
            pass
"""


@pytest.fixture
def busy_daemon(idle_daemon: Daemon) -> Daemon:
    """A daemon with more data than it can pack during a test."""
    endless_world(idle_daemon.world)
    idle_daemon.drain_seconds = 1.0
    idle_daemon.start()
    return idle_daemon


def packing(client: SidecarClient, *, cancelled: bool = False) -> ArchiveStream:
    return client.archive_stream(source="/data", output=OUTPUT, on_progress=lambda _: None, cancelled=lambda: cancelled)


def drained(stream: ArchiveStream) -> None:
    for _ in stream:
        pass


def test_leaving_a_stream_early_removes_the_output(busy_daemon: Daemon) -> None:
    with busy_daemon.client() as client:
        with packing(client) as stream:
            assert next(iter(stream))
            assert busy_daemon.left_in_scratch()
        assert eventually(lambda: busy_daemon.left_in_scratch() == [])
        assert client.describe().version


def test_a_cancel_ends_a_running_stream_within_a_second(busy_daemon: Daemon) -> None:
    with busy_daemon.client() as client, packing(client, cancelled=True) as stream:
        began = time.monotonic()
        with pytest.raises(Cancelled):
            drained(stream)
        assert time.monotonic() - began < 2
    assert eventually(lambda: busy_daemon.left_in_scratch() == [])


def test_a_worker_that_is_killed_leaves_nothing_in_scratch(busy_daemon: Daemon) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", A_CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        json.dump({"address": busy_daemon.address, "token": busy_daemon.token}, worker.stdin)
        worker.stdin.close()
        assert worker.stdout.readline() == "streaming\n"
        assert busy_daemon.left_in_scratch()
        worker.kill()
        assert worker.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    assert eventually(lambda: busy_daemon.left_in_scratch() == [])


def test_killed_daemon_is_noticed_at_once_and_sweeps_at_its_start(busy_daemon: Daemon) -> None:
    with busy_daemon.client() as client, packing(client) as stream:
        content = iter(stream)
        next(content)
        busy_daemon.kill()
        killed = time.monotonic()
        with pytest.raises(SidecarUnavailable):
            drained(stream)
        assert time.monotonic() - killed < 5
    assert busy_daemon.left_in_scratch()
    busy_daemon.start()
    assert busy_daemon.left_in_scratch() == []


def test_a_daemon_that_is_down_is_unavailable_within_seconds(busy_daemon: Daemon) -> None:
    busy_daemon.kill()
    began = time.monotonic()
    with busy_daemon.client() as client, pytest.raises(SidecarUnavailable):
        client.describe()
    assert time.monotonic() - began < 6


def test_a_daemon_that_is_back_is_found_by_a_client_that_waited(idle_daemon: Daemon) -> None:
    idle_daemon.listen = f"unix:{idle_daemon.folder}/socket"
    idle_daemon.start()

    def answers() -> bool:
        try:
            return bool(client.describe().version)
        except SidecarUnavailable:
            return False

    with idle_daemon.client() as client:
        assert answers()
        idle_daemon.kill()
        assert not eventually(answers, seconds=4)
        idle_daemon.start()
        assert eventually(answers, seconds=5)


def test_newer_attempt_ends_older_packing_and_can_use_its_output(busy_daemon: Daemon) -> None:
    operation = any_operation()
    with (
        busy_daemon.client(operation, fence=1) as lost,
        busy_daemon.client(operation, fence=2) as heir,
        packing(lost) as old,
    ):
        next(iter(old))
        with packing(heir) as new:
            assert next(iter(new))
            with pytest.raises(Refused):
                drained(old)
            assert next(iter(new))
    assert eventually(lambda: busy_daemon.left_in_scratch() == [])


def test_another_operation_cannot_write_to_an_output_in_use(busy_daemon: Daemon) -> None:
    with busy_daemon.client() as client, busy_daemon.client() as other, packing(client) as stream:
        next(iter(stream))
        with packing(other) as second, pytest.raises(Refused):
            drained(second)
        assert next(iter(stream))


def test_a_long_call_is_cut_when_the_time_to_finish_is_over(busy_daemon: Daemon) -> None:
    with busy_daemon.client() as client, busy_daemon.client() as late, packing(client) as stream:
        next(iter(stream))
        with busy_daemon.channel() as channel:
            states = health_pb2_grpc.HealthStub(channel).Watch(
                health_pb2.HealthCheckRequest(), metadata=busy_daemon.metadata
            )
            assert next(states).status == health_pb2.HealthCheckResponse.SERVING
            busy_daemon.signal(signal.SIGTERM)
            assert next(states).status == health_pb2.HealthCheckResponse.NOT_SERVING
            busy_daemon.signal(signal.SIGTERM)
            with pytest.raises(SidecarUnavailable):
                late.describe()
            assert next(iter(stream)), "what runs goes on for a while"
            with pytest.raises(SidecarUnavailable):
                drained(stream)
            states.cancel()
    assert busy_daemon.wait() == 0
    assert busy_daemon.left_in_scratch() == []


def test_a_call_that_finishes_in_time_is_not_cut(daemon: Daemon) -> None:
    def chunks() -> Iterator[bytes]:
        yield bytes(MIB)
        assert eventually(lambda: daemon.left_in_scratch() != [])
        daemon.signal(signal.SIGTERM)
        with daemon.channel() as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            assert eventually(
                lambda: (
                    check(health_pb2.HealthCheckRequest(), timeout=5).status
                    == health_pb2.HealthCheckResponse.NOT_SERVING
                )
            )
        yield bytes(MIB)

    with daemon.client() as client:
        client.file_write(path="/tmp/in", size=2 * MIB, chunks=chunks())
    assert daemon.wait() == 0
    assert daemon.left_in_scratch() == ["in"]


def test_failing_upload_raises_its_error_and_leaves_nothing(daemon: Daemon) -> None:
    def chunks() -> Iterator[bytes]:
        yield bytes(MIB)
        raise OSError("the storage went away")

    with daemon.client() as client, pytest.raises(OSError, match="the storage went away"):
        client.file_write(path="/tmp/in", size=2 * MIB, chunks=chunks())
    assert eventually(lambda: daemon.left_in_scratch() == [])


def test_an_upload_that_was_overtaken_does_not_appear(daemon: Daemon) -> None:
    operation = any_operation()

    def chunks() -> Iterator[bytes]:
        yield bytes(MIB)
        with daemon.client(operation, fence=2) as heir:
            heir.file_write(path="/tmp/in", size=4, chunks=[b"heir"])
        yield bytes(MIB)

    with daemon.client(operation, fence=1) as lost, pytest.raises(Refused):
        lost.file_write(path="/tmp/in", size=2 * MIB, chunks=chunks())
    assert (daemon.scratch / "files" / "in").read_bytes() == b"heir"


def test_an_unfinished_answer_does_not_keep_the_daemon(daemon: Daemon) -> None:
    began = time.monotonic()
    with daemon.channel() as channel:
        states = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), metadata=daemon.metadata)
        next(states)
        assert daemon.stop() == 0
        with pytest.raises(grpc.RpcError):
            list(states)
    assert time.monotonic() - began < PATIENCE_SECONDS
