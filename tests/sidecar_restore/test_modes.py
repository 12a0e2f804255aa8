"""The modes replace and overlay, and names that change their kind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sidecar.restore.workspace.progress import ExtractProgress
from tests.faults import fault_script
from tests.sidecar_restore.archives import compressed, gnu_pack, member
from tests.sidecar_restore.conftest import Extract
from tests.sidecar_restore.faults import Stepping, in_child
from tests.sidecar_restore.trees import live, settle, snapshot, write
from wire.enums import Mode, Phase

NOBODY = 65534


@pytest.fixture(params=[True, False], ids=["names are exchanged", "names are moved twice"])
def volume(request: pytest.FixtureRequest) -> Stepping:
    """A volume that supports RENAME_EXCHANGE, and one that does not."""
    return Stepping(can_exchange=request.param)


def test_replace_leaves_the_tree_as_in_the_archive(place: Path, root: Path, extract: Extract, volume: Stepping) -> None:
    write(root / "both", b"old")
    write(root / "gone" / "deep" / "er", b"old")
    write(root / "kept" / "gone", b"old")
    world = place / "world"
    write(world / "both", b"new")
    write(world / "kept" / "new", b"new")
    settle(world)

    summary = extract(gnu_pack(world, place / "a.tar.gz", "pax"), Mode.REPLACE, filesystem=volume)

    assert live(root) == live(world)
    assert summary.removed == 4  # gone, gone/deep, gone/deep/er, kept/gone
    assert (summary.files, summary.bytes) == (2, 6)


def test_overlay_keeps_files_that_the_archive_lacks(
    place: Path, root: Path, extract: Extract, volume: Stepping
) -> None:
    write(root / "both", b"old")
    write(root / "kept" / "extra", b"extra")
    write(root / "alone" / "extra", b"extra")
    settle(root)
    before = live(root)

    summary = extract(
        compressed(place / "a.tar.gz", member(b"both", b"new"), member(b"kept/new", b"new")),
        Mode.OVERLAY,
        filesystem=volume,
    )

    after = live(root)
    assert summary.removed == 0
    assert after.keys() == before.keys() | {b"kept/new"}
    for path in (b"kept/extra", b"alone", b"alone/extra"):
        assert after[path] == before[path]
    assert (root / "both").read_bytes() == b"new"


@pytest.mark.parametrize("mode", Mode)
def test_a_name_of_one_kind_gives_way_to_another(
    place: Path, root: Path, extract: Extract, volume: Stepping, mode: Mode
) -> None:
    write(root / "folder to file" / "a" / "b", b"old")
    write(root / "file to folder", b"old")
    write(root / "file to link", b"old")
    (root / "link to file").symlink_to("file to link")
    (root / "folder to link" / "empty").mkdir(parents=True)
    world = place / "world"
    write(world / "folder to file", b"new")
    write(world / "file to folder" / "x" / "y", b"new")
    (world / "file to link").symlink_to("nowhere")
    write(world / "link to file", b"new")
    (world / "folder to link").symlink_to("/")
    settle(world)

    summary = extract(gnu_pack(world, place / "a.tar.gz", "pax"), mode, filesystem=volume)

    assert live(root) == live(world)
    assert summary.removed == 3  # the entries below the two folders


@pytest.mark.parametrize("mode", Mode)
def test_a_live_symlink_where_the_archive_has_a_folder_is_not_followed(
    place: Path, root: Path, extract: Extract, volume: Stepping, mode: Mode
) -> None:
    shared = place / "shared"
    write(shared / "plugin.jar", b"shared")
    (root / "plugins").symlink_to(shared)
    before = snapshot(shared)

    extract(
        compressed(place / "a.tar.gz", member(b"plugins", kind=b"5"), member(b"plugins/plugin.jar", b"own")),
        mode,
        filesystem=volume,
    )

    assert snapshot(shared) == before
    assert not (root / "plugins").is_symlink()
    assert (root / "plugins" / "plugin.jar").read_bytes() == b"own"


def test_live_folders_keep_inodes_and_open_files_their_content(place: Path, root: Path, extract: Extract) -> None:
    write(root / "world" / "region" / "r.mca", b"old")
    inodes = [(root / folder).stat().st_ino for folder in (".", "world", "world/region")]

    with (root / "world" / "region" / "r.mca").open("rb") as file:
        extract(compressed(place / "a.tar.gz", member(b"world/region/r.mca", b"new")))
        assert file.read() == b"old"

    assert [(root / folder).stat().st_ino for folder in (".", "world", "world/region")] == inodes
    assert (root / "world" / "region" / "r.mca").read_bytes() == b"new"


def test_special_entry_stays_and_is_named(place: Path, root: Path, extract: Extract) -> None:
    os.mkfifo(root / "pipe")
    os.mkfifo(root / "b")
    write(root / "c")
    server = socket.socket(socket.AF_UNIX)
    with server:
        server.bind(str(root / "socket"))
        summary = extract(compressed(place / "a.tar.gz", member(b"a"), member(b"b", b"new")))

    assert sorted(live(root)) == [b"a", b"b", b"pipe", b"socket"]
    assert (root / "b").is_fifo()
    assert sorted(warning.path for warning in summary.staying.kept) == [b"b", b"pipe", b"socket"]
    assert summary.removed == 1


def test_a_tree_of_any_depth_is_taken_away(place: Path, root: Path, extract: Extract) -> None:
    fd = os.open(root, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 10, dir_fd=fd)
        deeper = os.open("d" * 10, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)

    summary = extract(compressed(place / "a.tar.gz", member(b"a")))

    assert summary.removed == 1500
    assert list(live(root)) == [b"a"]


def test_progress_passes_through_the_phases_and_counts_staged_files(place: Path, root: Path, extract: Extract) -> None:
    world = place / "world"
    for number in range(600):
        write(world / f"{number}", b"x" * 100)
    write(world / "large", os.urandom(9 << 20))
    seen: list[ExtractProgress] = []

    summary = extract(gnu_pack(world, place / "a.tar.gz", "gnu"), on_progress=seen.append)

    staging = [report for report in seen if report.phase is Phase.STAGING]
    assert len(staging) > 4
    assert [report.bytes_done for report in staging] == sorted(report.bytes_done for report in staging)
    assert list(dict.fromkeys(report.phase for report in seen)) == [
        Phase.STAGING,
        Phase.STOPPING,
        Phase.EXCHANGING,
        Phase.DONE,
    ]
    assert seen[-1] == ExtractProgress(Phase.DONE, summary.bytes, summary.files)
    assert (summary.files, summary.bytes) == (601, 60_000 + (9 << 20))


def test_cancel_after_the_exchange_began_has_no_effect(place: Path, root: Path, extract: Extract) -> None:
    fault = fault_script("a caller that leaves while names are exchanged")

    def leave(progress: ExtractProgress) -> None:
        if progress.phase in (Phase.EXCHANGING, Phase.DONE):
            fault.strike()
            raise ConnectionResetError

    extract(compressed(place / "a.tar.gz", member(b"a", b"new")), on_progress=leave)

    assert (root / "a").read_bytes() == b"new"


def test_folders_closed_to_their_owner_are_restored_without_root(place: Path, root: Path, extract: Extract) -> None:
    world = place / "world"
    for top, content in ((root, b"old"), (world, b"new")):
        write(top / "barred" / "file", content)
        write(top / "barred" / content.decode(), content)
        write(top / f"only {content.decode()}" / "file", content)
        write(top / "barred" / "stays", b"same")
        write(top / "barred" / "set", b"same", mode=0o440 if top is world else 0o600)
        write(top / "barred" / "unreadable", b"same", mode=0o200 if top is world else 0o600)
        settle(top)
        for folder in top.iterdir():
            folder.chmod(0o555)
    archive = gnu_pack(world, place / "a.tar.gz", "pax")
    if os.geteuid() == 0:
        for path in [place, *place.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)

    def work() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        extract(archive)

    inodes = [(root / "barred" / name).stat().st_ino for name in ("stays", "set")]
    assert in_child(work) == 0
    assert live(root) == live(world)
    assert [(root / "barred" / name).stat().st_ino for name in ("stays", "set")] == inodes
