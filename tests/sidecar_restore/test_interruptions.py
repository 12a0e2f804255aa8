"""A kill or failure at every step leaves the live data wholly old or wholly new, without leftovers."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from demo.comparison import Tree
from sidecar.errors import SidecarError, SourceFailed
from sidecar.restore.outcome import outcome_read, outcome_release
from sidecar.restore.recovery import extractions_recover
from tests.faults import fault_script
from tests.sidecar_archive.listings import listing_of
from tests.sidecar_restore.archives import compressed, gnu_pack, member
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.faults import Stepping, dies_at, fails_at, in_child
from tests.sidecar_restore.trees import live, settle, write
from wire.enums import Mode, OutcomeKind

STAYING = ("stays", "set", "folder/stays", "folder/set")


@dataclass
class Case:
    """A tree to restore onto repeatedly, with its states before and after. Some of its files stay in place."""

    root: Path
    archive: Path
    mode: Mode
    can_exchange: bool
    extract: Extract
    pristine: Path
    steps: int
    old: Tree
    new: Tree
    staying: dict[str, int]
    game: Callable[[], object] = lambda: None
    touched: str = ""

    def reset(self) -> None:
        for folder in [self.root, *self.root.rglob("*")]:
            if folder.is_dir() and not folder.is_symlink():
                folder.chmod(0o700)
        shutil.rmtree(self.root)
        self.root.mkdir()
        fill(self.pristine, self.root)
        self.staying = self.inodes()

    def inodes(self) -> dict[str, int]:
        return {path: (self.root / path).stat().st_ino for path in STAYING if path != self.touched}

    def run(self, **hooks: Callable[[int, str], None]) -> list[str]:
        """Extract with faults, and return the steps taken."""
        volume = Stepping(can_exchange=self.can_exchange, **hooks)
        self.extract(self.archive, self.mode, filesystem=volume, before_exchange=self.game)
        return volume.steps

    def recover(self, **hooks: Callable[[int, str], None]) -> list[str]:
        volume = Stepping(can_exchange=self.can_exchange, **hooks)
        extractions_recover(root=self.root, filesystem=volume)
        return volume.steps

    def ended_as(self) -> OutcomeKind:
        """Check that the tree matches the journal and nothing else is left; then make it old again for the next run."""
        kind = outcome_read(root=self.root, operation=OPERATION).kind
        assert kind is not OutcomeKind.RUNNING
        assert live(self.root) == (self.new if kind is OutcomeKind.COMPLETED else self.old)
        assert self.inodes() == self.staying
        reserved = self.root / ".savepoint"
        if kind is OutcomeKind.NONE:
            assert not reserved.exists()
        else:
            assert [path.name for path in (reserved / OPERATION).iterdir()] == ["journal"]
            outcome_release(root=self.root, operation=OPERATION)
            assert not reserved.exists()
        if kind is OutcomeKind.COMPLETED:
            self.reset()
        return kind


def fill(source: Path, target: Path) -> None:
    """Copy a tree with modes, owners, times and the one hard link, as GNU tar does."""
    packed = subprocess.run(
        ["tar", "--format=pax", "-cf", "-", "-C", source, "."], check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "-xpf", "-", "-C", target], check=True, input=packed)


@pytest.fixture(params=[True, False], ids=["exchanged", "moved twice"])
def can_exchange(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=Mode, ids=lambda mode: mode.value)
def case(request: pytest.FixtureRequest, place: Path, root: Path, extract: Extract, *, can_exchange: bool) -> Case:
    pristine, world = place / "pristine", place / "world"
    write(pristine / "changed", b"old", mode=0o600)
    write(pristine / "same", b"linked")
    os.link(pristine / "same", pristine / "same too")
    write(pristine / "extra", b"old")
    for staying in STAYING:
        touched = {"mode": 0o600, "mtime_ns": 1_650_000_000_000_000_007} if staying.endswith("set") else {}
        write(pristine / staying, staying.encode(), **touched)
        write(world / staying, staying.encode())
    write(pristine / "extra folder" / "sub" / "file", b"old")
    write(pristine / "folder" / "changed", b"old")
    write(pristine / "folder" / "extra", b"old")
    write(pristine / "folder to file" / "file", b"old")
    write(pristine / "file to folder", b"old")
    (pristine / "link to folder").symlink_to("folder")
    for barred in ("folder", "extra folder", "folder to file"):
        (pristine / barred).chmod(0o550)
    write(world / "changed", b"new", mode=0o644)
    write(world / "same", b"relinked")
    os.link(world / "same", world / "same too")
    write(world / "folder" / "changed", b"new")
    write(world / "folder" / "new", b"new")
    write(world / "new folder" / "sub" / "file", b"new")
    write(world / "folder to file", b"new")
    write(world / "file to folder" / "file", b"new")
    write(world / "link to folder" / "file", b"new")
    (world / "new link").symlink_to("/nowhere")
    for barred in ("folder", "new folder"):
        (world / barred).chmod(0o555)
    if os.geteuid() == 0:
        os.chown(pristine / "folder", 11, 12)
        os.chown(world / "folder", 21, 22)
        os.chown(world / "changed", 21, 22)
        os.chown(world / "set", 21, 22)
    settle(pristine)
    settle(world)
    archive = gnu_pack(world, place / "a.tar.gz", "pax")
    case = Case(root, archive, request.param, can_exchange, extract, pristine, 0, {}, {}, {})
    case.reset()
    case.old = live(root)
    case.steps = len(case.run())
    case.new = live(root)
    outcome_release(root=root, operation=OPERATION)
    if case.mode is Mode.REPLACE:
        assert case.new == live(world)
    case.reset()
    assert live(root) == case.old
    return case


def test_killed_at_any_step_it_is_wholly_old_or_wholly_new_after_recovery(case: Case) -> None:
    ends = []
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        status = in_child(lambda: case.run(before=dies_at(step, must_strike=False)))  # noqa: B023 - over by then
        case.recover()
        ends.append(case.ended_as())

    assert status == 0
    assert step > 80
    changed = ends.index(OutcomeKind.COMPLETED)
    assert set(ends[:changed]) == {OutcomeKind.NONE}, "before the commit record nothing is touched"
    assert set(ends[changed:]) == {OutcomeKind.COMPLETED}, "behind it, it goes forward"


def test_killed_at_any_step_beside_a_writing_game_it_is_whole(case: Case) -> None:
    """One more pass must stage the touched file, and the plan is made again."""
    case.touched = "folder/set"
    case.game = lambda: (case.root / case.touched).chmod(0o600)
    case.staying = case.inodes()
    ends = []
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        status = in_child(lambda: case.run(before=dies_at(step, must_strike=False)))  # noqa: B023 - over by then
        case.recover()
        ends.append(case.ended_as())

    assert status == 0
    assert step > case.steps, "the plan was made twice"
    assert [kind for kind, _ in groupby(ends)] == [OutcomeKind.NONE, OutcomeKind.COMPLETED]


def test_killed_at_any_step_of_the_recovery_too_it_still_ends_whole(case: Case) -> None:
    """The first run is killed in the middle of the exchange, the second at each step of the recovery."""
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        assert in_child(lambda: case.run(before=dies_in_the_exchange())) == -signal.SIGKILL
        status = in_child(lambda: case.recover(before=dies_at(step, must_strike=False)))  # noqa: B023 - over by then
        case.recover()
        assert case.ended_as() is OutcomeKind.COMPLETED

    assert status == 0
    assert step > 20


def test_killed_at_any_step_of_taking_back_it_is_wholly_old_after_recovery(case: Case) -> None:
    """The last sync fails after every name was exchanged; the process then dies on the way back."""
    seen = set()
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        hooks = {"before": fails_then_dies("sync_volume", 3, steps_later=step)}
        status = in_child(lambda: case.run(**hooks))  # noqa: B023 - it ends before the loop continues
        case.recover()
        seen.add(case.ended_as())

    assert status == 1  # the error itself
    assert step > 20
    assert seen == {OutcomeKind.COMPLETED, OutcomeKind.ROLLED_BACK}, "killed before the word `rollback` it goes forward"


def test_killed_during_cleanup_after_a_failed_commit_it_is_whole(case: Case) -> None:
    """The record exists, but writing it reported an error: a half staged tree must not be taken for a whole one."""
    seen = set()
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        hooks = {"after": fails_then_dies("write_at", 2, steps_later=step)}
        status = in_child(lambda: case.run(**hooks))  # noqa: B023 - it ends before the loop continues
        case.recover()
        seen.add(case.ended_as())

    assert status == 1
    assert step > 20
    assert seen == {OutcomeKind.NONE}


@pytest.mark.parametrize("when", ["before", "after"])
def test_failing_at_any_step_it_is_wholly_old_and_says_so_or_wholly_new(case: Case, when: str) -> None:
    """`after`: the step took effect, but reported an error."""
    ends = []
    for step in range(1, case.steps + 1):
        said = failure_of(lambda: case.run(**{when: fails_at(step, must_strike=when == "before")}))  # noqa: B023 - over by then
        kind = outcome_read(root=case.root, operation=OPERATION).kind
        assert (said, kind) in {
            ("source_failed", OutcomeKind.NONE),
            ("source_failed", OutcomeKind.ROLLED_BACK),
            ("", OutcomeKind.COMPLETED),
        }
        case.recover()
        ends.append(case.ended_as())
        assert ends[-1] is kind

    assert [kind for kind, _ in groupby(ends)] == [OutcomeKind.NONE, OutcomeKind.ROLLED_BACK, OutcomeKind.COMPLETED]


def test_folder_that_stays_is_not_touched_on_the_way_back(place: Path, root: Path, extract: Extract) -> None:
    write(root / "a", b"old")
    (root / "stays").mkdir(mode=0o511)
    parts = member(b"a", b"new"), member(b"stays", kind=b"5", mode=0o555), member(b"stays/file", b"new")
    archive = compressed(place / "a.tar.gz", *parts)
    listing = write(place / "a.listing", listing_of(b"x 0 0 0 0 0 0 stays unreadable"))
    before = live(root)
    volume = Stepping()
    fault = fault_script("the sync behind the exchange fails")

    def fails(_step: int, name: str) -> None:
        if name == "sync_volume" and volume.steps.count(name) == 3:
            fault.strike()
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    volume.before = fails
    with pytest.raises(SourceFailed):
        extract(archive, listing=listing, filesystem=volume)

    assert outcome_read(root=root, operation=OPERATION).kind is OutcomeKind.ROLLED_BACK
    assert live(root) == before


def failure_of(work: Callable[[], object]) -> str:
    """The code of the error that `work` raises, empty when it succeeds."""
    try:
        work()
    except SidecarError as error:
        return error.code
    return ""


def dies_in_the_exchange() -> Callable[[int, str], None]:
    moved = 0

    def act(_step: int, name: str) -> None:
        nonlocal moved
        moved += name in ("move", "exchange")
        if moved == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    return act


def fails_then_dies(wanted: str, time: int, *, steps_later: int) -> Callable[[int, str], None]:
    """Fail the n-th call of one kind, and kill the process some steps later."""
    failed_at: int | None = None
    calls = 0

    def act(step: int, name: str) -> None:
        nonlocal failed_at, calls
        if failed_at is not None and step == failed_at + steps_later:
            os.kill(os.getpid(), signal.SIGKILL)
        calls += name == wanted
        if calls == time and failed_at is None:
            failed_at = step
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    return act
