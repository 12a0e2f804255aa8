"""A restore brings back every entry of the source, byte for byte, with its metadata."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from random import Random

import pytest

from demo.comparison import tree_read
from repository.chunked.restoring import extras, window
from repository.chunked.restoring.outcome import RestoreLimits, RestoreProgress
from repository.chunked.restoring.restore import snapshot_restore
from repository.chunked.snapshots.create import snapshot_create
from repository.errors import PathNotFound, SnapshotNotFound, TargetBusy, TargetFailed
from tests.repository.restoring.trees import Kept, settle, write
from tests.sidecar_archive.trees import chain_make
from trees.local import scan
from trees.local.tree import LocalTree

RANDOM = Random(5)  # noqa: S311 - content to be told apart
ODD_SECONDS = [15032385535, -11676096000, 2**34 - 1, 2**62, -(2**62), 2**63 - 1, -(2**63), -1]
"""Times in the years 2446 and 1600, the limits of ext4, XFS and tmpfs, and the last second before 1970."""
LARGE = RANDOM.randbytes(3_000_000)


@pytest.fixture
def world(source: Path) -> Path:
    """A tree with one entry of every kind."""
    write(source / "level.dat", LARGE)
    write(source / "region" / "r.0.0.mca", LARGE[:1_200_000])
    write(source / "region" / "copy.mca", LARGE[:1_200_000], mode=0o600)
    write(source / "empty file", b"", mode=0o444)
    write(source / "empty folder")
    write(source / "closed" / "inside", b"inside")
    (source / "closed").chmod(0o500)
    write(source / os.fsdecode(b"not \xff UTF-8\n") / "-dash", b"name")
    write(source / "deep" / "/".join(["d" * 50] * 30) / "end", b"deep")
    for number in range(200):
        write(source / "small" / f"{number}", RANDOM.randbytes(number * 7))
    os.link(source / "level.dat", source / "a name of level.dat")
    os.link(source / "level.dat", source / "region" / "another")
    (source / "link").symlink_to("region/copy.mca")
    (source / "dangling").symlink_to("/nowhere/at/all")
    (source / "to folder").symlink_to("region")
    with (source / "sparse").open("wb") as sparse:
        sparse.write(b"begin")
        sparse.seek(50_000_000)
        sparse.write(b"middle")
        sparse.truncate(300_000_000)
    os.setxattr(source / "level.dat", "user.kind", b"level \x00\xff")
    os.setxattr(source / "region", "user.of", b"a folder")
    (source / "special").write_bytes(b"setuid")
    (source / "special").chmod(0o6755)
    if os.geteuid() == 0:
        os.chown(source / "small" / "7", 21, 22)
        os.chown(source / "link", 23, 24, follow_symlinks=False)
        os.chown(source / "region", 25, 26)
    settle(source)
    return source


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("existing", ["missing", "empty"])
def test_a_snapshot_comes_back_as_it_was(
    kept: Kept, world: Path, target: Path, existing: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "WINDOW_FILES", 50)
    snapshot = kept.keep(world)
    if existing == "empty":
        target.mkdir()
    seen: list[RestoreProgress] = []

    report = kept.restore(snapshot, target, special_bits=True, threads=threads, progress=seen.append)

    assert tree_read(target) == tree_read(world)
    assert (target / "sparse").stat().st_blocks == (world / "sparse").stat().st_blocks
    assert (report.failed, report.files_kept, report.xattrs_left, report.owners_left) == ([], 0, 0, 0)
    assert report.files_written == seen[-1].files_done == seen[-1].files_total
    assert report.bytes_written == seen[-1].bytes_done == seen[-1].bytes_total
    made = target.stat()
    if existing == "missing":
        assert (made.st_mtime_ns, made.st_mode) == (world.stat().st_mtime_ns, world.stat().st_mode)


def test_setuid_comes_back_only_where_it_is_wanted(kept: Kept, world: Path, target: Path) -> None:
    snapshot = kept.keep(world)

    kept.restore(snapshot, target)

    assert stat.S_IMODE((target / "special").stat().st_mode) == 0o755

    kept.restore(snapshot, target, special_bits=True)

    assert stat.S_IMODE((target / "special").stat().st_mode) == 0o6755


def test_chosen_paths_come_with_the_folders_that_lead_there(kept: Kept, world: Path, target: Path) -> None:
    snapshot = kept.keep(world)

    kept.restore(snapshot, target, paths=[b"region/r.0.0.mca", b"closed", b"closed/inside"], special_bits=True)

    expected = {path: told for path, told in tree_read(world).items() if path in (b"region", b"region/r.0.0.mca")}
    expected |= {path: told for path, told in tree_read(world).items() if path.startswith(b"closed")}
    assert tree_read(target) == expected


@pytest.mark.parametrize("seconds", ODD_SECONDS)
def test_a_time_that_a_file_system_holds_comes_back(kept: Kept, source: Path, target: Path, seconds: int) -> None:
    write(source / "folder" / "file", b"content")
    (source / "link").symlink_to("folder")
    write(source / "other", b"other")
    if os.geteuid() == 0:
        os.chown(source / "folder" / "file", 2**32 - 2, 2**32 - 2)
    for name in ("folder/file", "link", "folder"):
        os.utime(source / name, ns=(0, seconds * 10**9 + 7), follow_symlinks=False)

    first = kept.keep(source)
    (source / "other").write_bytes(b"changed")
    second = snapshot_create(kept.opened(), source=LocalTree(source), parent=first).snapshot

    for snapshot in (second, first, second):
        kept.restore(snapshot, target)
        (target / "other").unlink()
    (source / "other").unlink()
    assert tree_read(target) == tree_read(source)


@pytest.mark.parametrize("doubled", ["level.dat", "region", "1", "extra", "extra folder"])
def test_a_name_listed_twice_neither_costs_a_restored_file_nor_fails(
    kept: Kept, world: Path, target: Path, monkeypatch: pytest.MonkeyPatch, doubled: str
) -> None:
    scandir, struck = os.scandir, []

    class Twice:
        def __init__(self, folder: int | Path) -> None:
            self._entries = scandir(folder)

        def __enter__(self) -> list[os.DirEntry[str]]:
            found = list(self._entries)
            struck.extend(entry.name for entry in found if entry.name == doubled)
            return [*found, *(entry for entry in found if entry.name == doubled)]

        def __exit__(self, *_: object) -> None:
            self._entries.close()

    write(target / "extra", b"x")
    write(target / "extra folder" / "in it", b"x")
    snapshot = kept.keep(world)
    monkeypatch.setattr(extras.os, "scandir", Twice)
    report = kept.restore(snapshot, target, delete=True)
    monkeypatch.undo()
    assert struck
    assert (report.failed, report.removed) == ([], 2)
    assert tree_read(target).keys() == tree_read(world).keys()


def test_many_chosen_paths_are_found_in_one_pass(kept: Kept, world: Path, target: Path) -> None:
    chosen = [b"small/%d" % number for number in range(0, 200, 3)]

    kept.restore(kept.keep(world), target, paths=chosen)

    assert tree_read(target).keys() == {b"small", *chosen}


def test_hard_link_without_its_first_name_becomes_a_file(kept: Kept, world: Path, target: Path) -> None:
    """The next name becomes a link to it."""
    write(target / "kept", b"kept")

    report = kept.restore(kept.keep(world), target, paths=[b"region/another", b"level.dat"])

    assert sorted(tree_read(target)) == [b"kept", b"level.dat", b"region", b"region/another"]
    assert (target / "region" / "another").read_bytes() == LARGE
    assert (target / "level.dat").samefile(target / "region" / "another")
    assert report.files_written == 1


@pytest.mark.parametrize(
    "path", [b"nothing", b"region/nothing", b"level.dat/below", b"../out", b"/etc", b"region/", b"small/1 ", b"a\x00b"]
)
@pytest.mark.parametrize("others", [0, 20])
def test_a_path_that_is_not_there_ends_it_before_anything_is_written(
    kept: Kept, world: Path, target: Path, path: bytes, others: int
) -> None:
    snapshot = kept.keep(world)

    with pytest.raises(PathNotFound):
        kept.restore(snapshot, target, paths=[*(b"small/%d" % number for number in range(others)), path])

    assert not target.exists()


def test_a_snapshot_that_is_not_there(kept: Kept, target: Path) -> None:
    with pytest.raises(SnapshotNotFound):
        kept.restore(b"\x01" * 16, target)


def test_a_file_of_nothing_but_hole_and_its_links_come_back(kept: Kept, source: Path, target: Path) -> None:
    for size in (1 << 20, 300 << 20):
        name = source / f"{size}.mca"
        os.truncate(write(name, b""), size)
        os.link(name, source / f"another name of {size}")

    report = kept.restore(kept.keep(source), target)

    assert report.failed == []
    assert tree_read(target) == tree_read(source)
    assert (target / f"{1 << 20}.mca").stat().st_blocks == 0


def test_two_restores_at_once_do_not_meet(kept: Kept, world: Path, target: Path) -> None:
    snapshot = kept.keep(world)
    refused: list[str] = []

    def inside() -> None:
        if target.exists() and not refused:
            with pytest.raises(TargetBusy) as caught:
                kept.restore(snapshot, target)
            refused.append(caught.value.code)

    kept.restore(snapshot, target, checkpoint=inside)

    assert refused == ["restore_target_busy"]
    assert tree_read(target).keys() == tree_read(world).keys()


def test_a_target_that_cannot_be_one(kept: Kept, world: Path, target: Path) -> None:
    target.write_bytes(b"a file")

    with pytest.raises(TargetFailed):
        kept.restore(kept.keep(world), target)

    assert target.read_bytes() == b"a file"


def test_target_is_synced_at_the_end(kept: Kept, world: Path, target: Path) -> None:
    report = snapshot_restore(kept.opened(), snapshot=kept.keep(world), target=target)

    assert report.failed == []
    assert (target / "level.dat").read_bytes() == LARGE


def test_tree_deeper_than_a_restore_takes_is_kept_down_to_there(
    kept: Kept, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RestoreLimits().depth == scan.DEPTH_MAX
    monkeypatch.setattr(scan, "DEPTH_MAX", 8)
    os.close(chain_make(source, "d", 20))
    settle(source)
    report = kept.restore(kept.keep(source), target, limits=RestoreLimits(depth=8))
    assert report.failed == []
    assert max(path.count(b"/") for path in tree_read(target) if path.endswith(b"z")) == 7
