"""Snapshots of the data behind a daemon: what a worker reads over the wire is what is on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from demo.comparison import differences, tree_read
from demo.world import world_evolve, world_generate
from tests.sidecar_daemon.daemon import Daemon
from tests.sidecar_daemon.remote_snapshots import Snapshots

pytestmark = pytest.mark.processes


@pytest.fixture
def snapshots(daemon: Daemon, tmp_path: Path) -> Snapshots:
    return Snapshots(daemon, tmp_path)


def test_two_snapshots_and_both_come_back(daemon: Daemon, snapshots: Snapshots) -> None:
    daemon.world.rmdir()
    world_generate(daemon.world, seed=1, megabytes=12)
    os.setxattr(daemon.world / "server.properties", "user.savepoint", b"kept")
    first, before = snapshots.create(), tree_read(daemon.world, top=True)
    world_evolve(daemon.world, seed=1, day=1)
    second, after = snapshots.create(parent=first), tree_read(daemon.world, top=True)
    assert differences(before, after) != []
    assert differences(before, snapshots.restored(first)) == []
    assert differences(after, snapshots.restored(second)) == []
    assert second.added_bytes < first.added_bytes / 4
    assert second.labels["consistency"] == "live"
