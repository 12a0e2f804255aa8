"""A snapshot is restored through a daemon: from its listing, and the contents that differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.comparison import differences, live_read, tree_read
from tests.repository.restoring.trees import Kept
from tests.sidecar_daemon.daemon import Daemon, any_operation
from tests.sidecar_daemon.snapshots import REGION, SPARSE, KeptTree, fill, tree_restore, trusting_daemon
from tests.sidecar_restore.trees import write
from wire.enums import ChangeKind, Mode, OutcomeKind


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with trusting_daemon(tmp_path / "daemon") as daemon:
        yield daemon


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


@pytest.mark.parametrize("in_chunks", [False, True])
@pytest.mark.parametrize("mode", list(Mode))
def test_changed_data_comes_back_and_only_what_differs_crosses(
    daemon: Daemon, kept: KeptTree, mode: Mode, *, in_chunks: bool
) -> None:
    before = live_read(daemon.world)
    change(daemon.world)
    with daemon.client(any_operation()) as client:
        assert client.describe().takes_chunks
        result = tree_restore(client, kept, mode, contents=kept.runs if in_chunks else kept.contents)
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
