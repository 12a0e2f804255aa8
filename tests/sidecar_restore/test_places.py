"""Mounted folders and folders behind links come back with the rest, in one exchange, whatever happens on the way."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest

from sidecar.places.links import LinkRoots
from sidecar.restore.extraction import Mode, OutcomeKind, extractions_recover, outcome_read, outcome_release
from tests.sidecar_restore.archives import gnu_pack
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.faults import Stepping, dies_at, fails_at, in_child
from tests.sidecar_restore.mounting import mounted
from tests.sidecar_restore.test_interruptions import failure_of, fails_then_dies
from tests.sidecar_restore.trees import live, settle, snapshot, write

FOLDERS = ("", "maps/", "plugins/shared/")
"""Each with the same files: the root, a mounted volume, and a folder that is bound or linked to."""
Tree = dict[bytes, tuple[object, ...]]


def fill(top: Path, content: bytes, *, extra: str) -> None:
    """A state of the data: files that change, one that stays, and what only this state has."""
    for folder in FOLDERS:
        write(top / folder / "changed", content)
        write(top / folder / "same", b"same")
        write(top / folder / "folder" / "changed", content)
        write(top / folder / f"{extra} folder" / "file", content)
        write(top / folder / extra, content)
        (top / folder / "link").symlink_to(extra)
        os.utime(top / folder / "link", ns=(1_500_000_000_000_000_000,) * 2, follow_symlinks=False)


def tree(root: Path) -> Tree:
    """The data, through the links that are followed; the folder of a place has the time of its last reserved name."""
    found = live(root)
    for folder in FOLDERS[1:]:
        path = os.fsencode(folder.rstrip("/"))
        if stat_is_link(root / folder.rstrip("/")):
            found.update({path + b"/" + name: told for name, told in snapshot(root / folder).items()})
        mode, uid, gid, _, content = found[path]
        found[path] = mode, uid, gid, 0, content
    return found


def stat_is_link(path: Path) -> bool:
    return path.is_symlink()


@dataclass
class Case:
    """A data root over three places to restore onto, again and again."""

    root: Path
    outside: Path
    archive: Path
    mode: Mode
    extract: Extract
    linked: bool
    links: LinkRoots
    steps: int = 0
    old: Tree = field(default_factory=dict)
    new: Tree = field(default_factory=dict)

    def reset(self) -> None:
        for folder in reversed(FOLDERS):
            for path in (self.root / folder).iterdir():
                if path.is_dir() and not path.is_symlink():
                    if not os.path.ismount(path) and path.name != "plugins":
                        shutil.rmtree(path)
                elif not (path.is_symlink() and path.name == "shared"):
                    path.unlink()
        fill(self.root, b"old", extra="old")
        settle(self.root)
        if self.linked:
            settle(self.outside)

    def run(self, **hooks: Callable[[int, str], None]) -> list[str]:
        volume = Stepping(**hooks)
        self.extract(self.archive, self.mode, filesystem=volume, links=self.links)
        return volume.steps

    def recover(self, **hooks: Callable[[int, str], None]) -> list[str]:
        volume = Stepping(**hooks)
        extractions_recover(root=self.root, filesystem=volume, links=self.links)
        return volume.steps

    def ended_as(self) -> OutcomeKind:
        """Check that all places are what the journal says and that nothing is left in any; make it old again."""
        kind = outcome_read(root=self.root, operation=OPERATION).kind
        assert kind is not OutcomeKind.RUNNING
        assert tree(self.root) == (self.new if kind is OutcomeKind.COMPLETED else self.old)
        if kind is not OutcomeKind.NONE:
            assert [path.name for path in (self.root / ".savepoint" / OPERATION).iterdir()] == ["journal"]
            outcome_release(root=self.root, operation=OPERATION, links=self.links)
        for folder in FOLDERS:
            assert not (self.root / folder / ".savepoint").exists()
        if kind is OutcomeKind.COMPLETED:
            self.reset()
        return kind


    def ended_without(self, *places: bytes) -> None:
        """Check that all but these places are new and these are old; make all old again."""
        expected = {path: told for path, told in self.new.items() if not within(path, places)}
        expected |= {path: told for path, told in self.old.items() if within(path, places)}
        found = tree(self.root)
        assert found == expected
        outcome_release(root=self.root, operation=OPERATION, links=self.links)
        assert not list(self.root.rglob(".savepoint"))
        self.reset()


def within(path: bytes, places: tuple[bytes, ...]) -> bool:
    return any(path == place or path.startswith(place + b"/") for place in places)


@pytest.fixture(params=["bound", "linked"])
def linked(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "linked")


@pytest.fixture(params=Mode, ids=lambda mode: mode.value)
def case(
    request: pytest.FixtureRequest, place: Path, root: Path, extract: Extract, *, linked: bool
) -> Iterator[Case]:
    outside = place / "outside" / "shared"
    outside.mkdir(parents=True)
    (root / "maps").mkdir()
    (root / "plugins").mkdir()
    with ExitStack() as stack:
        stack.enter_context(mounted("-t", "tmpfs", "-o", "mode=755", "none", at=root / "maps"))
        if linked:
            (root / "plugins" / "shared").symlink_to(outside)
        else:
            (root / "plugins" / "shared").mkdir()
            stack.enter_context(mounted("--bind", outside, at=root / "plugins" / "shared"))
        world = place / "world"
        fill(world, b"new", extra="new")
        settle(world)
        archive = gnu_pack(world, place / "a.tar.gz", "pax")
        roots = LinkRoots([outside.parent] if linked else [])
        case = Case(root, outside, archive, request.param, extract, linked, roots)
        case.reset()
        case.old = tree(root)
        case.steps = len(case.run())
        case.new = tree(root)
        outcome_release(root=root, operation=OPERATION, links=roots)
        case.reset()
        assert tree(root) == case.old
        yield case


def test_every_place_comes_back(case: Case, place: Path) -> None:
    world = snapshot(place / "world")
    for path, told in case.new.items():
        if path in world and path not in (b"maps", b"plugins/shared"):
            assert told == world[path]
        else:
            assert case.mode is Mode.OVERLAY or path in (b"maps", b"plugins/shared")
    assert world.keys() <= case.new.keys()
    assert os.path.ismount(case.root / "maps")
    assert (case.root / "plugins" / "shared").is_symlink() is case.linked


def test_killed_at_any_step_all_places_are_old_or_new(case: Case) -> None:
    ends = []
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        status = in_child(lambda: case.run(before=dies_at(step)))  # noqa: B023 - it is over before the loop goes on
        case.recover()
        ends.append(case.ended_as())

    assert status == 0
    assert step > 120
    assert [kind for kind, _ in groupby(ends)] == [OutcomeKind.NONE, OutcomeKind.COMPLETED]


def test_killed_at_any_step_of_recovering_all_places_are_new(case: Case) -> None:
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        assert in_child(lambda: case.run(before=dies_in_the_exchange(7))) == -signal.SIGKILL
        status = in_child(lambda: case.recover(before=dies_at(step)))  # noqa: B023 - it is over before the loop goes on
        case.recover()
        assert case.ended_as() is OutcomeKind.COMPLETED

    assert status == 0
    assert step > 40


def test_killed_at_any_step_of_taking_back_all_places_are_old(case: Case) -> None:
    """The last sync fails, when every name was exchanged; then it dies on the way back."""
    syncs = case.run().count("sync_volume")
    assert case.ended_as() is OutcomeKind.COMPLETED
    seen = set()
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        hooks = {"before": fails_then_dies("sync_volume", syncs, steps_later=step)}
        status = in_child(lambda: case.run(**hooks))  # noqa: B023 - it is over before the loop goes on
        case.recover()
        seen.add(case.ended_as())

    assert status == 1  # the error itself
    assert step > 40
    assert seen == {OutcomeKind.COMPLETED, OutcomeKind.ROLLED_BACK}, "killed before the word `rollback` it goes forward"


def test_failing_at_any_step_no_place_is_half_new(case: Case) -> None:
    """What fails while a place is staged leaves that place as it was, and all else comes back."""
    ends: list[OutcomeKind] = []
    left = 0
    for step in range(1, case.steps + 1):
        said = failure_of(lambda: case.run(before=fails_at(step)))  # noqa: B023 - over by then
        outcome = outcome_read(root=case.root, operation=OPERATION)
        assert (said == "source_failed") is (outcome.kind is not OutcomeKind.COMPLETED)
        stays = [warning.path for warning in outcome.summary.staying.kept] if outcome.summary else []
        if stays:
            left += 1
            case.ended_without(*stays)
        else:
            case.recover()
            ends.append(case.ended_as())
            assert ends[-1] is outcome.kind
    assert left > 20
    assert [kind for kind, _ in groupby(ends)] == [OutcomeKind.NONE, OutcomeKind.ROLLED_BACK, OutcomeKind.COMPLETED]


def dies_in_the_exchange(steps: int) -> Callable[[int, str], None]:
    moved = 0

    def act(_step: int, name: str) -> None:
        nonlocal moved
        moved += name in ("move", "exchange")
        if moved == steps:
            os.kill(os.getpid(), signal.SIGKILL)

    return act
