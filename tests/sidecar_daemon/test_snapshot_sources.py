"""A snapshot says of a tree what an archive says of it; mounted and linked parts, limits, odd trees."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from demo.comparison import differences, tree_read
from tests.sidecar_daemon.daemon import Daemon, any_operation
from tests.sidecar_daemon.remote_snapshots import At, Snapshots, never
from tests.sidecar_restore.mounting import mounted

pytestmark = pytest.mark.processes

MIB = 1 << 20


@pytest.fixture
def snapshots(daemon: Daemon, tmp_path: Path) -> Snapshots:
    return Snapshots(daemon, tmp_path)


def archive_says(daemon: Daemon) -> set[tuple[str, bytes]]:
    with (
        daemon.client() as client,
        client.archive_stream(source="/data", output="/tmp/out", on_progress=lambda _: None, cancelled=never) as stream,
    ):
        for _ in stream:
            pass
        assert stream.result.warnings_total == len(stream.result.warnings)
        return {(warning.kind.value, warning.path) for warning in stream.result.warnings}


def snapshot_says(snapshots: Snapshots) -> set[tuple[str, bytes]]:
    source = snapshots.source
    assert source is not None
    assert source.warnings_total == len(source.warnings)
    return {*snapshots.warned, *((warning.kind.value, warning.path) for warning in source.warnings)}


def test_both_formats_say_the_same_of_a_tree(idle_daemon: Daemon, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "maps" / "deep").mkdir(parents=True)
    (outside / "maps" / "deep" / "map.dat").write_bytes(b"a map" * 50_000)
    os.setxattr(outside / "maps" / "deep", "user.kept", b"1")
    (tmp_path / "elsewhere").mkdir()
    world = idle_daemon.world
    (world / "mounted").mkdir()
    (world / "maps").symlink_to(outside / "maps")
    (world / "away").symlink_to(tmp_path / "elsewhere")
    (world / "dangling").symlink_to("nowhere")
    (world / "unmounted").symlink_to("/mnt/volume/world")
    (world / "inside").symlink_to("level.dat")
    (world / "level.dat").write_bytes(b"level")
    os.mkfifo(world / "fifo")
    idle_daemon.follow_links_into = [str(outside)]
    with mounted("-t", "tmpfs", "-o", "ro,mode=755", "none", at=world / "mounted"):
        idle_daemon.start()
        snapshots = Snapshots(idle_daemon, tmp_path)
        root = snapshots.create()
        said = snapshot_says(snapshots)
        assert said == archive_says(idle_daemon)
    links = {("linked_out", b"away"), ("linked_out", b"unmounted")}
    assert said == links | {("skipped", b"fifo"), ("mounted", b"mounted")}
    restored = snapshots.restored(root)
    assert restored[b"maps/deep/map.dat"].size == 250_000
    assert restored[b"maps"].kind == "folder"
    assert restored[b"maps/deep"].xattrs == ((b"user.kept", b"1"),)
    assert restored[b"away"].kind == "link"


def test_what_changes_between_scan_and_reading_is_told(daemon: Daemon, snapshots: Snapshots) -> None:
    for name in ("a", "b", "c"):
        (daemon.world / name).write_bytes(b"x" * 1000)
    (daemon.world / "large").write_bytes(bytes(MIB))
    (daemon.world / "large and gone").write_bytes(bytes(MIB))
    (daemon.world / "shorter").write_bytes(b"s" * MIB)

    def change() -> None:
        (daemon.world / "a").unlink()
        (daemon.world / "b").write_bytes(b"y")
        (daemon.world / "large").write_bytes(bytes(MIB + 1))
        (daemon.world / "large and gone").unlink()
        os.truncate(daemon.world / "shorter", MIB // 2 + 1)

    root = snapshots.create(wrap=At.of("expect", change))
    assert snapshots.warned == [
        ("vanished", b"a"),
        ("changed", b"b"),
        ("changed", b"large"),
        ("vanished", b"large and gone"),
        ("changed", b"shorter"),
    ]
    assert (root.skipped, root.warnings) == (2, 3)
    restored = snapshots.restored(root)
    assert restored[b"shorter"].size == MIB
    assert restored[b"b"].size == 1000


def test_a_tree_of_every_kind_comes_back(daemon: Daemon, snapshots: Snapshots) -> None:
    world = daemon.world
    name = os.fsdecode(b"not \xff UTF-8\nand a newline")
    (world / name).mkdir()
    (world / name / "hole.db").touch()
    os.truncate(world / name / "hole.db", 3 * MIB)
    with (world / "sparse.db").open("wb") as file:
        for at in (MIB, 5 * MIB):
            file.seek(at)
            file.write(os.urandom(70_000))
        file.truncate(9 * MIB)
    with (world / "sparse.bin").open("wb") as file:
        file.seek(2 * MIB)
        file.write(os.urandom(300_000))
    (world / "hidden database.dat").write_bytes(b"SQLite format 3\0" + os.urandom(MIB))
    (world / "no region.mca").write_bytes(os.urandom(MIB))
    (world / "empty").touch()
    (world / "just small").write_bytes(os.urandom(128 << 10))
    (world / "just large").write_bytes(os.urandom((128 << 10) + 1))
    os.link(world / "empty", world / "empty again")
    os.setxattr(world / "just large", "user.a", b"a" * 1000)
    os.setxattr(world / "just small", "user.b", b"")
    os.utime(world / "empty", ns=(0, (1 << 33) * 10**9 + 7))
    os.utime(world / "just small", ns=(0, -(1 << 31) * 10**9 + 5))
    (world / "just small").chmod(0o4711)
    first, live = snapshots.create(), tree_read(world, top=True)
    assert differences(live, snapshots.restored(first, special_bits=True)) == []
    for path in (world / "sparse.db", world / name / "hole.db", world / "hidden database.dat", world / "just large"):
        with path.open("r+b") as file:
            file.seek(100_000)
            file.write(b"changed")
    second, live = snapshots.create(parent=first), tree_read(world, top=True)
    assert differences(live, snapshots.restored(second, special_bits=True)) == []


@pytest.mark.parametrize("kind", ["snapshot", "archive"])
def test_the_limit_of_bytes_a_second_holds(idle_daemon: Daemon, tmp_path: Path, kind: str) -> None:
    (idle_daemon.world / "large").write_bytes(os.urandom(4 * MIB))
    idle_daemon.read_bytes_a_second = 2 * MIB
    idle_daemon.start()
    began = time.monotonic()
    if kind == "archive":
        archive_says(idle_daemon)
    else:
        Snapshots(idle_daemon, tmp_path).create()
    assert time.monotonic() - began > 1.5


def test_a_cancel_ends_a_reading_that_waits_for_its_turn(idle_daemon: Daemon, tmp_path: Path) -> None:
    with (idle_daemon.world / "large.db").open("wb") as file:
        file.write(os.urandom(20 * MIB))
    idle_daemon.read_bytes_a_second = MIB
    idle_daemon.start()
    snapshots, operation = Snapshots(idle_daemon, tmp_path), any_operation()
    began = time.monotonic()
    with pytest.raises(Exception, match="cancelled"):
        snapshots.create(client=idle_daemon.client(operation), cancelled=lambda: time.monotonic() - began > 1)
    assert time.monotonic() - began < 10


def test_the_total_is_counted_first(daemon: Daemon, snapshots: Snapshots) -> None:
    (daemon.world / "a").write_bytes(b"1234")
    os.link(daemon.world / "a", daemon.world / "b")
    seen: list[int] = []

    def look() -> None:
        assert snapshots.source is not None
        seen.append(snapshots.source.bytes_total)

    snapshots.create(wrap=At.of("scan", look))
    assert seen == [4]
