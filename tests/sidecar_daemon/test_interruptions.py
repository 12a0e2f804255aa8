"""What happens to work in progress when somebody goes away, gives up, takes over, or is told to end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from isal import igzip, isal_zlib

from sidecar_client.client import ArchiveStream, ExtractPhase, ExtractProgress, OutcomeKind, SidecarClient
from sidecar_client.errors import Cancelled, Refused, SidecarClientError, SidecarUnavailable
from sidecar_client.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire
from tests.sidecar_daemon.daemon import Daemon, any_operation, eventually
from tests.sidecar_daemon.worlds import MIB, contents, endless_world

pytestmark = pytest.mark.processes

OUTPUT = "/tmp/backup.tar.gz"


@pytest.fixture
def busy_daemon(idle_daemon: Daemon) -> Daemon:
    """One with so much data that packing it takes longer than any test."""
    endless_world(idle_daemon.world)
    idle_daemon.start()
    return idle_daemon


def packing(client: SidecarClient, *, cancelled: bool = False) -> ArchiveStream:
    return client.archive_stream(
        source="/data", output=OUTPUT, on_progress=lambda _: None, cancelled=lambda: cancelled
    )


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
            for _ in stream:
                pass
        assert time.monotonic() - began < 2
    assert eventually(lambda: busy_daemon.left_in_scratch() == [])


def test_a_client_that_vanishes_leaves_nothing_in_scratch(busy_daemon: Daemon) -> None:
    request = wire.CompressFilesRequest(
        ticket=wire.Ticket(operation=any_operation(), fence=1),
        sources=["/data"],
        output=OUTPUT,
        format=wire.ARCHIVE_FORMAT_TARGZ,
    )
    channel = grpc.secure_channel(busy_daemon.address, grpc.local_channel_credentials())
    with channel, busy_daemon.calls():
        from sidecar_client.calls import Calls

        replies = iter(Calls(channel).compress_files(request, metadata=busy_daemon.metadata))
        next(replies)
        assert busy_daemon.left_in_scratch()
    # The connection is gone, and nobody said that the call is no longer wanted.
    assert eventually(lambda: busy_daemon.left_in_scratch() == [])
