"""Lost volumes, foreign reserved names and damaged lists of places: the rest of a restore is still recovered."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sidecar.places.links import LinkRoots
from sidecar.restore.outcome import outcome_read, outcome_release
from sidecar.restore.recovery import extractions_recover
from tests.sidecar_daemon.daemon import any_operation
from tests.sidecar_restore.archives import compressed, member
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.faults import Stepping, dies_at, in_child
from tests.sidecar_restore.mounting import mount, unmount
from tests.sidecar_restore.placed import Case, dies_in_the_exchange, placed
from tests.sidecar_restore.trees import write
from wire.enums import Mode, OutcomeKind, WarningKind

FILES = range(4)


@contextmanager
def in_memory(maps: Path, disk: Path, *, linked: bool) -> Iterator[None]:
    """A volume in memory that contains a folder of the disk, mounted or linked to."""
    with ExitStack() as stack:
        mount("-t", "tmpfs", "-o", "mode=755", "none", at=maps)
        stack.callback(unmount, maps)
        if linked:
            (maps / "disk").symlink_to(disk)
        else:
            (maps / "disk").mkdir()
            mount("--bind", disk, at=maps / "disk")
            stack.callback(unmount, maps / "disk")
        yield


@pytest.mark.parametrize("linked", [False, True], ids=["bound", "linked"])
@pytest.mark.parametrize("steps", range(1, len(FILES) * 3 + 1))
def test_disk_below_a_volume_in_memory_that_was_lost_is_not_half_new(
    place: Path, root: Path, tmp_path: Path, extract: Extract, steps: int, *, linked: bool
) -> None:
    disk, maps = tmp_path / "worlds" / "disk", root / "maps"
    disk.mkdir(parents=True)
    maps.mkdir()
    links = LinkRoots([disk.parent])
    folders = ("", "maps/", "maps/disk/")
    archive = compressed(place / "a", *(member(b"%b%d" % (f.encode(), n), b"new") for f in folders for n in FILES))
    with in_memory(maps, disk, linked=linked):
        for folder in folders:
            for number in FILES:
                write(root / folder / str(number), b"old")
        volume = Stepping(before=dies_in_the_exchange(steps))
        assert in_child(lambda: extract(archive, filesystem=volume, links=links)) == -signal.SIGKILL
    with in_memory(maps, disk, linked=linked):
        extractions_recover(root=root, links=links)

        outcome = outcome_read(root=root, operation=OPERATION)
        assert outcome.kind is OutcomeKind.COMPLETED
        assert outcome.summary is not None
        assert [(w.kind, w.path) for w in outcome.summary.staying.kept] == [(WarningKind.MOUNTED, b"maps")]
        for folder in (root, disk):
            assert {(folder / str(number)).read_bytes() for number in FILES} == {b"new"}
        assert os.listdir(maps) == ["disk"]  # noqa: PTH208 - names
        outcome_release(root=root, operation=OPERATION, links=links)
        assert not (disk / ".savepoint").exists()
        assert not (root / ".savepoint").exists()


@pytest.fixture
def case(place: Path, root: Path, tmp_path: Path, extract: Extract) -> Iterator[Case]:
    assert root.is_dir()
    with placed(place, extract, Mode.REPLACE, linked=True, outside=tmp_path / "outside" / "shared") as case:
        yield case


def a_file(folder: Path) -> None:
    write(folder / ".savepoint", b"somebody's")


def a_link(folder: Path) -> None:
    (folder / ".savepoint").symlink_to(folder)


def of_another_user(folder: Path) -> None:
    (folder / ".savepoint").mkdir()
    os.chown(folder / ".savepoint", 12345, 12345)


@pytest.mark.parametrize("taken", [a_file, a_link, of_another_user])
def test_folder_with_a_foreign_reserved_name_is_away_and_the_rest_whole(
    case: Case, taken: Callable[[Path], None]
) -> None:
    """The customer has renamed the folder and put another one in its place."""
    assert in_child(lambda: case.run(before=dies_in_the_exchange(7))) == -signal.SIGKILL
    other = case.outside.with_name("other")
    case.outside.rename(case.outside.with_name("away"))
    case.outside.mkdir()
    taken(case.outside)

    told = dict(extractions_recover(root=case.root, links=case.links))[OPERATION]

    assert told.kind is OutcomeKind.RUNNING
    assert told.error_params == {"path": "plugins/shared", "errno": "ENODEV"}
    for folder in ("", "maps"):
        assert (case.root / folder / "changed").read_bytes() == b"new"
    case.outside.rename(other)
    case.outside.with_name("away").rename(case.outside)
    case.recover()
    assert case.ended_as() is OutcomeKind.COMPLETED


def cut(part: float) -> Callable[[bytes], bytes]:
    return lambda whole: whole[: int(len(whole) * part)]


def zeroed(whole: bytes) -> bytes:
    return bytes(len(whole))


@pytest.mark.parametrize(
    "damage", [cut(0), cut(0.02), cut(0.1), cut(0.3), cut(0.5), cut(0.9), zeroed, lambda whole: whole[:30] + bytes(50)]
)
@pytest.mark.parametrize("part", [0.2, 0.4])
def test_list_of_places_damaged_by_a_power_cut_blocks_no_restore(
    case: Case, extract: Extract, damage: Callable[[bytes], bytes], part: float
) -> None:
    """Before the commit record, no sync waits for the list."""
    assert in_child(lambda: case.run(before=dies_at(int(case.steps * part)))) == -signal.SIGKILL
    listed = case.root / ".savepoint" / OPERATION / "places"
    listed.write_bytes(damage(listed.read_bytes()))

    assert [outcome.kind for _, outcome in extractions_recover(root=case.root, links=case.links)] == [OutcomeKind.NONE]

    assert not (case.root / ".savepoint").exists()
    operation = any_operation()
    extract(case.archive, operation=operation, links=case.links)
    outcome_release(root=case.root, operation=operation, links=case.links)
    for folder in ("", "maps", "plugins/shared"):
        assert (case.root / folder / "changed").read_bytes() == b"new"
