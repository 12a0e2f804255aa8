"""The daemon's use of memory, time and descriptors, whatever the size of the data."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import hashlib
import os
import resource
import time
from collections.abc import Callable

import pytest

from tests.sidecar_daemon.daemon import Daemon, any_operation
from tests.sidecar_daemon.worlds import MIB, large_world
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

pytestmark = pytest.mark.processes

SIZE = 300 * MIB
MEMORY_MIB = 150
# Far below any machine's speed, far above one message for each round trip.
BYTES_A_SECOND = 100_000_000

Record = Callable[[str, object], None]


def test_memory_is_bounded_in_backup_and_restore_of_a_large_file(
    daemon: Daemon, record_testsuite_property: Record
) -> None:
    daemon.world.rmdir()
    large_world(daemon.world, size=SIZE)
    digest = hashlib.sha256()
    kept = daemon.folder / "kept"
    with daemon.client() as client, kept.open("wb") as file:
        began = time.monotonic()
        with client.archive_stream(
            source="/data", output="/tmp/out", on_progress=lambda _: None, cancelled=lambda: False
        ) as stream:
            for part in stream:
                digest.update(part)
                file.write(part)
        record_testsuite_property("archive_bytes_a_second", int(SIZE / (time.monotonic() - began)))
        client.file_delete(path="/tmp/out")
        with kept.open("rb") as source:
            client.file_write(path="/tmp/in", size=kept.stat().st_size, chunks=iter(lambda: source.read(1 << 20), b""))
        client.archive_extract(
            source="/tmp/in",
            destination="/data",
            mode="replace",
            on_progress=lambda _: None,
            cancelled=lambda: False,
        )
    peak = daemon.peak_memory_mib()
    record_testsuite_property("sidecar_peak_mib", round(peak, 1))
    assert peak < MEMORY_MIB


def test_files_are_read_at_a_sane_speed(daemon: Daemon, record_testsuite_property: Record) -> None:
    path = daemon.world / "large"
    path.write_bytes(os.urandom(16 * MIB) * (SIZE // (16 * MIB)))
    request = wire.ReadFileRequest(ticket=wire.Ticket(operation=any_operation(), fence=1), path="/data/large")
    with daemon.calls() as calls:
        began = time.monotonic()
        size = sum(len(data) for data in calls.read_file(request, metadata=daemon.metadata))
        speed = size / (time.monotonic() - began)
    record_testsuite_property("read_file_bytes_a_second", int(speed))
    assert size == path.stat().st_size
    assert speed > BYTES_A_SECOND
    assert daemon.peak_memory_mib() < MEMORY_MIB


def test_daemon_lets_itself_open_more_files_than_a_service_is_given(idle_daemon: Daemon) -> None:
    had = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, had[1]))
    try:
        idle_daemon.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, had)
    assert idle_daemon.process is not None
    assert resource.prlimit(idle_daemon.process.pid, resource.RLIMIT_NOFILE) == (min(32_768, had[1]), had[1])
