"""Restores onto existing files: only differences are written, and the result is the snapshot's tree."""

from __future__ import annotations

import os
import socket
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.comparison import tree_read
from repository.chunked.restoring import target as target_module
from repository.chunked.restoring import window
from repository.chunked.restoring.folders import parent_of
from repository.chunked.restoring.outcome import Failure, FailureReason
from tests.repository.restoring.trees import BASE, FLIPPED, Kept, copied, inodes, settle, write


def test_matching_files_are_not_touched(kept: Kept, world: Path, target: Path) -> None:
    snapshot = kept.keep(world)
    copied(world, target)
    before = {path: os.lstat(target / os.fsdecode(path)).st_ctime_ns for path in tree_read(target)}

    report = kept.restore(snapshot, target)

    assert {path: os.lstat(target / os.fsdecode(path)).st_ctime_ns for path in tree_read(target)} == before
    assert (report.files_kept, report.files_written, report.bytes_written) == (4, 0, 0)
    assert tree_read(target) == tree_read(world)


@pytest.mark.parametrize("at", [0, 8191, 8192, 700_000, len(BASE) - 1])
def test_one_changed_byte_costs_one_block(kept: Kept, world: Path, target: Path, at: int) -> None:
    """Size and times say that nothing changed."""
    snapshot = kept.keep(world)
    copied(world, target)
    live = bytearray(BASE)
    live[at] ^= 1
    (target / "region" / "r.0.0.mca").write_bytes(live)
    settle(target)
    before = inodes(target)

    report = kept.restore(snapshot, target)

    assert tree_read(target) == tree_read(world)
    assert (report.files_written, report.files_kept) == (1, 3)
    assert report.bytes_written <= 65_536
    assert {path for path, inode in inodes(target).items() if before[path] != inode} == {b"region/r.0.0.mca"}


@pytest.mark.parametrize(
    "live",
    [BASE + b"x", BASE[:-1], BASE[:1_000_000], b"", b"\x00" * len(BASE)],
    ids=["+1", "-1", "cut", "none", "zero"],
)
def test_another_size_is_mended(kept: Kept, world: Path, target: Path, live: bytes) -> None:
    snapshot = kept.keep(world)
    copied(world, target)
    (target / "region" / "r.0.0.mca").write_bytes(live)

    kept.restore(snapshot, target)

    assert tree_read(target) == tree_read(world)


def test_open_file_keeps_its_old_content(kept: Kept, world: Path, target: Path) -> None:
    snapshot = kept.keep(world)
    copied(world, target)
    path = write(target / "region" / "r.0.0.mca", FLIPPED)
    with path.open("rb") as game:
        kept.restore(snapshot, target)

        assert game.read() == FLIPPED
    assert path.read_bytes() == BASE


def test_metadata_is_set_where_the_file_is(kept: Kept, world: Path, target: Path) -> None:
    snapshot = kept.keep(world)
    copied(world, target)
    before = inodes(target)
    (target / "level.dat").chmod(0o777)
    os.utime(target / "region" / "small", ns=(1, 1))
    os.setxattr(target / "level.dat", "user.more", b"more")
    (target / "region").chmod(0o700)
    if os.geteuid() == 0:
        os.chown(target / "region" / "r.0.1.mca", 31, 32)

    report = kept.restore(snapshot, target)

    assert tree_read(target) == tree_read(world)
    assert inodes(target) == before
    assert report.bytes_written == 0


def test_extra_files_stay_without_delete(kept: Kept, world: Path, target: Path) -> None:
    snapshot = kept.keep(world)
    copied(world, target)
    write(target / "new", b"new")
    write(target / "region" / "new" / "deep" / "er", b"new")
    (target / "region" / "zz").symlink_to(world)
    before = tree_read(target)

    kept.restore(snapshot, target)

    assert tree_read(target).keys() == before.keys()

    report = kept.restore(snapshot, target, delete=True)

    assert tree_read(target) == tree_read(world)
    assert report.removed == 3


def test_only_chosen_folders_lose_extra_files(kept: Kept, world: Path, target: Path) -> None:
    snapshot = kept.keep(world)
    copied(world, target)
    write(target / "new", b"new")
    write(target / "empty" / "new", b"new")
    write(target / "region" / "new", b"new")

    kept.restore(snapshot, target, paths=[b"region", b"level.dat"], delete=True)

    assert tree_read(target).keys() == tree_read(world).keys() | {b"new", b"empty/new"}


def test_a_full_folder_in_the_way_of_a_file_is_reported(kept: Kept, world: Path, target: Path) -> None:
    snapshot = kept.keep(world)
    write(target / "level.dat" / "inside", b"inside")
    write(target / "link" / "inside", b"inside")
    write(target / "region" / "small")

    report = kept.restore(snapshot, target)

    reason = FailureReason.FOLDER_IN_THE_WAY
    assert sorted(report.failed) == [Failure(b"level.dat", reason), Failure(b"link", reason)]
    assert (target / "level.dat" / "inside").read_bytes() == b"inside"
    assert (target / "region" / "small").read_bytes() == b"small"
    assert not (target / ".savepoint").exists()

    assert kept.restore(snapshot, target, delete=True).failed == []
    assert tree_read(target) == tree_read(world)


def test_special_entry_is_replaced_and_never_written_to(kept: Kept, world: Path, target: Path) -> None:
    snapshot = kept.keep(world)
    outside = write(target.parent / "outside", b"out")
    write(target / "region")
    (target / "level.dat").symlink_to(outside)
    os.mkfifo(target / "region" / "r.0.0.mca")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(target / "region" / "small"))
    (target / "empty").symlink_to(outside.parent)
    write(target / "link", b"a file where a link should be")

    assert kept.restore(snapshot, target).failed == []

    assert tree_read(target) == tree_read(world)
    assert outside.read_bytes() == b"out"


def test_names_of_one_file_become_those_of_the_snapshot(kept: Kept, source: Path, target: Path) -> None:
    """Names may be linked here and separate there, although the content is right everywhere."""
    for top in (source, target):
        for name in ("apart 1", "apart 2", "both 1", "joined 1", "joined 2"):
            write(top / name, BASE[:200_000])
        os.link(top / "both 1", top / "both 2")
    os.link(source / "joined 1", source / "joined 3")
    for top, name in ((source, "joined 2"), (target, "apart 2")):
        (top / name).unlink()
        os.link(top / f"{name[:-1]}1", top / name)
    settle(source)
    before = inodes(target)

    report = kept.restore(kept.keep(source), target)

    assert tree_read(target) == tree_read(source)
    assert report.bytes_written == 0
    assert {path for path, inode in inodes(target).items() if before.get(path) == inode} >= {b"both 1", b"both 2"}


def test_holes_stay_holes(kept: Kept, source: Path, target: Path) -> None:
    for top, middle in ((source, b"middle"), (target, b"muddle")):
        path = write(top / "sparse.mca", BASE)
        with path.open("r+b") as opened:
            opened.seek(60_000_000)
            opened.write(middle)
            opened.truncate(100_000_000)
    with (target / "sparse.mca").open("r+b") as opened:
        opened.seek(80_000_000)
        opened.write(b"in a hole")
    settle(source)

    report = kept.restore(kept.keep(source), target)

    assert tree_read(target) == tree_read(source)
    assert (target / "sparse.mca").stat().st_blocks <= (source / "sparse.mca").stat().st_blocks
    assert report.bytes_written <= 65_536


NAMES = st.sampled_from(["a", "b", "a.b", "r.mca"])
SIZES = st.sampled_from([len(BASE), 1_000_000, 70_000, 8_192, 100, 0])


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    content = bytearray(BASE[: draw(SIZES)])
    for at in draw(st.lists(st.integers(0, 1_500_000), max_size=2)):
        content[at : at + 1] = b"!"
    return bytes(content)


KINDS = st.one_of(
    st.tuples(st.just("file"), contents(), st.sampled_from([0o600, 0o644])),
    st.tuples(st.just("folder"), st.just(None), st.sampled_from([0o700, 0o755])),
    st.tuples(st.just("symlink"), st.sampled_from(["a", "../x", "/etc"]), st.none()),
    st.tuples(st.just("link"), st.integers(0, 5), st.none()),
    st.tuples(st.just("sparse"), st.integers(0, 300_000), st.none()),
)
TREES = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3), KINDS), max_size=8)


def plant(top: Path, tree: list) -> None:
    """Create a tree as far as possible; entries below a file or a link are left out."""
    top.mkdir()
    files: list[Path] = []
    for names, (kind, what, mode) in tree:
        path = top.joinpath(*names)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(path):
                plant_one(path, kind, what, mode, files)


def plant_one(path: Path, kind: str, what: Any, mode: int | None, files: list[Path]) -> None:
    match kind:
        case "folder":
            path.mkdir(mode or 0o755)
        case "symlink":
            path.symlink_to(what)
        case "link" if files:
            os.link(files[what % len(files)], path)
        case "file":
            path.write_bytes(what)
            path.chmod(mode or 0o644)
            files.append(path)
        case "sparse":
            with path.open("wb") as opened:
                opened.seek(what)
                opened.write(b"x" * 10)
                opened.truncate(what + 200_000)
            files.append(path)


@settings(max_examples=60)
@given(wanted=TREES, live=TREES, settled=st.booleans(), delete=st.booleans())
def test_any_tree_becomes_the_snapshots(wanted: list, live: list, *, settled: bool, delete: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(window, "WINDOW_FILES", 3)
        patched.setattr(target_module, "COMMIT_FILES", 2)
        kept, source, target = Kept(), Path(folder, "source"), Path(folder, "target")
        plant(source, wanted)
        plant(target, live)
        settle(source)
        if settled:
            settle(target)
        before = tree_read(target)
        snapshot = kept.keep(source)

        report = kept.restore(snapshot, target, delete=delete)

        expected, after = tree_read(source), tree_read(target)
        if delete:
            assert report.failed == []
            assert after == expected
            assert kept.restore(snapshot, target).bytes_written == 0
            return
        failed = {path for path, _ in report.failed}
        # A hard link may keep a name that the snapshot does not have.
        for path in expected.keys() - failed:
            wanted_here = replace(expected[path], first=after[path].first, names=after[path].names)
            if path in {parent_of(found) for found in failed}:
                wanted_here = replace(wanted_here, mtime_ns=after[path].mtime_ns)
            assert after[path] == wanted_here
        assert before.keys() <= after.keys()
