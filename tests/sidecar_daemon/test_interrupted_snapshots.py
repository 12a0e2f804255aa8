"""Snapshots that are interrupted: whatever ends, at whatever step, nothing is listed, noted or held."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from demo.comparison import differences, tree_read
from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.snapshots.listing import snapshots_list
from sidecar_client.errors import Cancelled, Refused, SidecarClientError, SidecarUnavailable
from tests.sidecar_daemon import games
from tests.sidecar_daemon.daemon import PATIENCE_SECONDS, PROJECT, Daemon, any_operation, eventually
from tests.sidecar_daemon.remote_snapshots import At, Snapshots
from tests.sidecar_game.rcon_server import RconServer

pytestmark = pytest.mark.processes

MIB = 1 << 20
DATABASE = "m.db"
STEPS = ["begin", "scan", "expect", "open", "finish", "commit"]

A_WORKER = """
import json, sys, threading
from sidecar_client.client import SidecarClient, Ticket
given = json.load(sys.stdin)
with SidecarClient(address=given["address"], token=given["token"], ticket=Ticket("lost-worker", 1)) as client:
    with client.tree_source(source="/data", quiesce=True, cancelled=lambda: False) as source:
        source.begin(None)
        print("reading", flush=True)
        threading.Event().wait()
"""


@pytest.fixture
def world(idle_daemon: Daemon) -> Daemon:
    """A daemon with small and larger files, and one that is written in place."""
    for number in range(40):
        (idle_daemon.world / f"{number}.txt").write_text(f"file {number}")
    (idle_daemon.world / "b.bin").write_bytes(os.urandom(MIB))
    (idle_daemon.world / DATABASE).write_bytes(os.urandom(2 * MIB))
    idle_daemon.drain_seconds = 1.0
    idle_daemon.start()
    return idle_daemon


@pytest.fixture
def snapshots(world: Daemon, tmp_path: Path) -> Snapshots:
    return Snapshots(world, tmp_path)


def listed(snapshots: Snapshots) -> list[bytes]:
    return [root.snapshot for root in snapshots_list(snapshots.repository).roots]


def stopped(daemon: Daemon) -> bool:
    assert daemon.process is not None
    return Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def edit(daemon: Daemon) -> None:
    with (daemon.world / DATABASE).open("r+b") as file:
        file.seek(MIB)
        file.write(os.urandom(4096))


def delta(snapshots: Snapshots, parent: SnapshotRoot) -> SnapshotRoot:
    """A snapshot after an edit of a sector, which comes back byte for byte."""
    edit(snapshots.daemon)
    live = tree_read(snapshots.daemon.world, top=True)
    made = snapshots.create(parent=parent)
    assert differences(live, snapshots.restored(made)) == []
    return made


@pytest.mark.parametrize("step", STEPS)
def test_a_daemon_that_dies_at_a_step(world: Daemon, snapshots: Snapshots, step: str) -> None:
    first = snapshots.create()
    edit(world)
    if step == "commit":
        second = snapshots.create(parent=first, wrap=At.of(step, world.kill))
        assert listed(snapshots) == [first.snapshot, second.snapshot]
    else:
        with pytest.raises(SidecarUnavailable):
            snapshots.create(parent=first, wrap=At.of(step, world.kill))
        assert listed(snapshots) == [first.snapshot]
    world.start()
    third = delta(snapshots, first)
    # The map of the first snapshot is as it was: a commit that did not arrive changes nothing.
    assert third.added_bytes < 65536


@pytest.mark.parametrize("step", ["scan", "open", "finish"])
def test_a_daemon_that_is_stopped_at_a_step(world: Daemon, snapshots: Snapshots, step: str) -> None:
    codes: list[int] = []
    with pytest.raises(SidecarUnavailable):
        snapshots.create(wrap=At.of(step, lambda: codes.append(world.stop())))
    assert codes == [0]
    assert listed(snapshots) == []


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_fails_at_a_step(world: Daemon, snapshots: Snapshots, step: str) -> None:
    class Lost(Exception):
        pass

    def lose() -> None:
        raise Lost

    first = snapshots.create()
    edit(world)
    with pytest.raises(Lost):
        snapshots.create(parent=first, wrap=At.of(step, lose))
    assert listed(snapshots)[0] == first.snapshot
    assert delta(snapshots, first).added_bytes < 65536


def test_a_worker_that_is_killed_lets_the_game_go_on(idle_daemon: Daemon, rcon: RconServer, tmp_path: Path) -> None:
    games.world(idle_daemon)
    games.minecraft(idle_daemon, rcon)
    idle_daemon.start()
    with subprocess.Popen(
        [sys.executable, "-c", A_WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps({"address": idle_daemon.address, "token": idle_daemon.token}))
        worker.stdin.close()
        assert worker.stdout.readline() == "reading\n"
        assert rcon.told == games.HELD_ONCE[:2]
        worker.kill()
        assert worker.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    assert eventually(lambda: rcon.told == games.HELD_ONCE)


def test_the_game_is_held_until_all_is_read(idle_daemon: Daemon, rcon: RconServer, tmp_path: Path) -> None:
    games.world(idle_daemon)
    games.minecraft(idle_daemon, rcon)
    idle_daemon.start()
    snapshots, seen = Snapshots(idle_daemon, tmp_path), []
    root = snapshots.create(quiesce=True, wrap=At.of("finish", lambda: seen.extend(rcon.told)))
    assert seen == games.HELD_ONCE[:2]
    assert rcon.told == games.HELD_ONCE
    assert root.labels["consistency"] == "quiesced"


@pytest.mark.parametrize("step", ["begin", "scan", "open", "finish"])
def test_a_cancel_at_a_step(world: Daemon, snapshots: Snapshots, step: str) -> None:
    cancelled: list[bool] = []

    def cancel() -> None:
        cancelled.append(True)
        world.signal(signal.SIGSTOP)
        assert eventually(lambda: stopped(world))

    began = time.monotonic()
    try:
        with pytest.raises(Cancelled):
            snapshots.create(cancelled=lambda: bool(cancelled), wrap=At.of(step, cancel))
    finally:
        world.signal(signal.SIGCONT)
    assert time.monotonic() - began < 15
    assert listed(snapshots) == []
    assert snapshots.create().entries


def test_a_newer_attempt_takes_over_with_the_map(world: Daemon, snapshots: Snapshots) -> None:
    first, operation, made = snapshots.create(), any_operation(), []
    edit(world)

    def overtake() -> None:
        made.append(snapshots.create(parent=first, client=world.client(operation, fence=2)))

    with pytest.raises(Refused):
        snapshots.create(parent=first, client=world.client(operation, fence=1), wrap=At.of("finish", overtake))
    assert listed(snapshots) == [first.snapshot, made[0].snapshot]
    assert made[0].added_bytes < 65536
    assert delta(snapshots, made[0]).added_bytes < 65536


def test_another_operation_reads_beside_without_the_map(world: Daemon, snapshots: Snapshots) -> None:
    first, made = snapshots.create(), []
    edit(world)

    def beside() -> None:
        made.append(snapshots.create(parent=first))

    live = tree_read(world.world, top=True)
    second = snapshots.create(parent=first, wrap=At.of("open", beside))
    assert [differences(live, snapshots.restored(root)) for root in (second, *made)] == [[], []]
    # The one that has no map sends the changed block whole.
    assert second.added_bytes < 65536 <= made[0].added_bytes + second.added_bytes


def test_the_same_attempt_reads_once(world: Daemon, snapshots: Snapshots) -> None:
    operation = any_operation()

    def again() -> None:
        with pytest.raises(Refused):
            snapshots.create(client=world.client(operation))

    assert snapshots.create(client=world.client(operation), wrap=At.of("open", again)).entries


def test_a_commit_before_all_is_read_is_refused(world: Daemon) -> None:
    with (
        world.client() as client,
        client.tree_source(source="/data", cancelled=lambda: False) as source,
    ):
        source.begin(None)
        with pytest.raises(SidecarClientError):
            source.commit(b"x" * 16)


@pytest.mark.parametrize("damage", ["removed", "cut", "garbage", "of another snapshot"])
def test_without_its_map_it_compares_by_hashes(world: Daemon, snapshots: Snapshots, damage: str) -> None:
    parent = first = snapshots.create()
    if damage == "of another snapshot":
        parent = snapshots.create()
        assert delta(snapshots, first).added_bytes < 3 * 65536
    else:
        assert world.stop() == 0
        (map_file,) = world.scratch.glob("sectors")
        for path in world.scratch.glob("sectors-*"):
            path.unlink()
        if damage == "removed":
            map_file.unlink()
        else:
            content = map_file.read_bytes()
            map_file.write_bytes(content[: len(content) // 2] if damage == "cut" else os.urandom(len(content)))
        world.start()
    second = delta(snapshots, parent)
    assert second.added_bytes < 3 * 65536
    assert delta(snapshots, second).added_bytes < 65536, "the map is whole again"


def test_the_map_outlives_the_daemon(world: Daemon, snapshots: Snapshots) -> None:
    first = snapshots.create()
    assert world.stop() == 0
    world.start()
    assert delta(snapshots, first).added_bytes < 65536


def test_no_descriptor_stays_open(world: Daemon, snapshots: Snapshots) -> None:
    def descriptors() -> int:
        assert world.process is not None
        return len(os.listdir(f"/proc/{world.process.pid}/fd"))  # noqa: PTH208

    snapshots.create()
    before = descriptors()
    for step in STEPS:
        with suppress(ZeroDivisionError):
            snapshots.create(wrap=At.of(step, lambda: 1 // 0))
    assert eventually(lambda: descriptors() <= before)
