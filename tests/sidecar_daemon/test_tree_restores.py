"""A snapshot is restored through a daemon: from its listing, and the contents that differ."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from demo.comparison import differences, live_read, tree_read
from tests.repository.restoring.trees import Kept
from tests.sidecar_daemon.daemon import Daemon, any_operation
from tests.sidecar_daemon.snapshots import KeptTree, TrustingDaemon, tree_restore
from tests.sidecar_restore.trees import settle, write
from wire.enums import ChangeKind, Mode, OutcomeKind

REGION = Random(7).randbytes(3_000_000)  # noqa: S311 - content to be told apart
SPARSE = 64 << 20
LONG_AGO_NS = 1_500_000_000_123_456_789


def fill(world: Path) -> None:
    write(world / "level.dat", b"level")
    write(world / "region" / "r.0.0.mca", REGION)
    write(world / "region" / "r.0.1.mca", REGION[::-1])
    write(world / "logs" / "latest.log", b"a line\n" * 1000, mode=0o600)
    write(world / "empty")
    sparse = write(world / "sparse", b"begin")
    with sparse.open("r+b") as file:
        file.seek(SPARSE)
        file.write(b"end")
    os.utime(sparse, ns=(LONG_AGO_NS, LONG_AGO_NS))
    (world / "link").symlink_to("/nowhere")
    odd = os.fsdecode(b"odd \xff\n%20 name")
    write(world / odd / odd, b"odd")
    for number in range(300):
        write(world / "many" / f"{number}.json", b"%d" % number * number)
    os.link(world / "many" / "7.json", world / "second name")
    (world / "without files").mkdir()
    settle(world)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = TrustingDaemon(tmp_path / "daemon")
    daemon.start()
    yield daemon
    daemon.close()
    assert not any("Traceback" in line for line in daemon.log), "".join(daemon.log)


@pytest.fixture
def kept(daemon: Daemon) -> KeptTree:
    """A snapshot of the daemon's data."""
    fill(daemon.world)
    return KeptTree(Kept(), daemon.world)


def change(world: Path) -> None:
    """Change some of the data; the sparse file and one region stay."""
    write(world / "region" / "r.0.0.mca", REGION[:1_000_000] + b"?" + REGION[1_000_001:])
    write(world / "logs" / "new.log", b"new")
    write(world / "many" / "3.json", b"!!!")
    (world / "many" / "5.json").unlink()
    (world / "many" / "8.json").chmod(0o600)
    (world / "link").unlink()
    write(world / "link", b"a file")


@pytest.mark.parametrize("mode", list(Mode))
def test_changed_data_comes_back_and_only_what_differs_crosses(daemon: Daemon, kept: KeptTree, mode: Mode) -> None:
    before = live_read(daemon.world)
    change(daemon.world)
    with daemon.client(any_operation()) as client:
        result = tree_restore(client, kept, mode)
        assert client.extract_outcome().kind is OutcomeKind.COMPLETED
        client.extract_release()

    after = live_read(daemon.world)
    extra = after.pop(b"logs/new.log", None)
    assert (extra is None) is (mode is Mode.REPLACE)
    assert result.removed == (mode is Mode.REPLACE)
    assert differences(before, after) == []
    # A file with several names always comes: it is restored with all of them.
    assert kept.sent == [b"many/3.json", b"many/5.json", b"many/7.json", b"region/r.0.0.mca"]
    assert kept.sent_bytes == len(REGION) + 3 + 5 + 7
    assert daemon.left_in_scratch() == []


def test_empty_root_is_filled_and_holes_stay(daemon: Daemon, kept: KeptTree) -> None:
    before = live_read(daemon.world)
    for path in sorted(daemon.world.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    with daemon.client() as client:
        tree_restore(client, kept)
        client.extract_release()

    assert differences(before, tree_read(daemon.world)) == []
    assert (daemon.world / "sparse").stat().st_blocks * 512 < SPARSE // 8
    assert kept.sent_bytes < 2 * len(REGION) + 200_000


def test_preview_tells_what_the_restore_does(daemon: Daemon, kept: KeptTree) -> None:
    change(daemon.world)
    with daemon.client() as client:
        preview = client.restore_preview(
            listing=kept.listing(), mode=Mode.REPLACE, paths_limit=1000, paths_after=b"", cancelled=lambda: False
        )

    assert [(change.kind, change.path) for change in preview.changes] == [
        (ChangeKind.CHANGED, b"link"),
        (ChangeKind.REMOVED, b"logs/new.log"),
        (ChangeKind.CHANGED, b"many/3.json"),
        (ChangeKind.ADDED, b"many/5.json"),
        (ChangeKind.CHANGED, b"many/8.json"),
        (ChangeKind.CHANGED, b"region/r.0.0.mca"),
    ]
    assert preview.bytes == len(REGION) + 3 + 5 * 1 + 8
