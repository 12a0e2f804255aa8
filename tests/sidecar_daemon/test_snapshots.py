"""Snapshots of the data behind a daemon: what a worker reads over the wire is what is on the disk."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from demo.comparison import differences, tree_read
from demo.world import world_evolve, world_generate
from sidecar_client.client import TreeSource
from sidecar_client.errors import Refused
from tests.sidecar_daemon.daemon import Daemon
from tests.sidecar_daemon.remote_snapshots import At, Snapshots
from trees.source import SourceEntry

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


@pytest.mark.parametrize("size", [0, 40, 128 << 10, (128 << 10) + 1, 3 << 20])
def test_a_file_that_a_game_saves_anew_is_in_the_snapshot(daemon: Daemon, snapshots: Snapshots, size: int) -> None:
    (daemon.world / "level.dat").write_bytes(b"old level")
    (daemon.world / "z.dat").write_bytes(b"beside it")
    new = Random(size).randbytes(size)  # noqa: S311  # the same in every run

    def save() -> None:
        (daemon.world / "level.dat_new").write_bytes(new)
        (daemon.world / "level.dat_new").rename(daemon.world / "level.dat")

    made = snapshots.create(wrap=At.of("expect", save))
    assert (made.skipped, made.warnings) == (0, 0)
    found = snapshots.restored(made)
    del found[b""]  # the folder has the time of the scan
    assert differences(tree_read(daemon.world), found) == []


@pytest.mark.parametrize("path", [b"", b"..", b"a/../../b", b"/etc/passwd", b".savepoint/x", b"a\0b"])
def test_no_file_outside_of_the_data_is_told(daemon: Daemon, snapshots: Snapshots, path: bytes) -> None:
    asked: list[SourceEntry | None] = []

    def look(source: TreeSource) -> TreeSource:
        return At.of("finish", lambda: asked.append(source.look(path)))(source)

    with pytest.raises(Refused):
        snapshots.create(wrap=look)
    assert asked == []
