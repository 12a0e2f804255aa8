"""Killed or failing at every single step: the live data is wholly old or wholly new, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.errors import SidecarError
from sidecar.restore.extraction import Mode, OutcomeKind, extractions_recover, outcome_read, outcome_release
from tests.sidecar_restore.archives import gnu_pack
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.faults import Stepping, dies_at, fails_at, in_child
from tests.sidecar_restore.trees import live, settle, write

Tree = dict[bytes, tuple[object, ...]]


@dataclass
class Case:
    """A tree to restore onto, again and again, and what it is before and after."""

    root: Path
    archive: Path
    mode: Mode
    can_exchange: bool
    extract: Extract
    pristine: Path
    old: Tree
    new: Tree

    def reset(self) -> None:
        for child in self.root.iterdir():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()
        fill(self.pristine, self.root)

    def run(self, **hooks: Callable[[int, str], None]) -> list[str]:
        """Extract with faults, and return the steps that were taken."""
        volume = Stepping(can_exchange=self.can_exchange, **hooks)
        self.extract(self.archive, self.mode, filesystem=volume)
        return volume.steps

    def recover(self, **hooks: Callable[[int, str], None]) -> list[str]:
        volume = Stepping(can_exchange=self.can_exchange, **hooks)
        extractions_recover(root=self.root, filesystem=volume)
        return volume.steps

    def ended_as(self) -> OutcomeKind:
        """Check that the tree is what the journal says, that nothing else is left, and return the outcome."""
        kind = outcome_read(root=self.root, operation=OPERATION).kind
        assert kind is not OutcomeKind.RUNNING
        assert live(self.root) == (self.new if kind is OutcomeKind.COMPLETED else self.old)
        reserved = self.root / ".savepoint"
        if kind is OutcomeKind.NONE:
            assert not reserved.exists()
        else:
            assert [path.name for path in (reserved / OPERATION).iterdir()] == ["journal"]
            outcome_release(root=self.root, operation=OPERATION)
            assert not reserved.exists()
        return kind


def fill(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    for path in source.rglob("*"):
        status = path.lstat()
        os.chown(target / path.relative_to(source), status.st_uid, status.st_gid, follow_symlinks=False)
    os.link(target / "same", target / "same too")


@pytest.fixture(params=[True, False], ids=["exchanged", "moved twice"])
def can_exchange(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=Mode, ids=lambda mode: mode.value)
def case(request: pytest.FixtureRequest, place: Path, root: Path, extract: Extract, can_exchange: bool) -> Case:
    pristine, world = place / "pristine", place / "world"
    write(pristine / "changed", b"old", mode=0o600)
    write(pristine / "same", b"linked")
    write(pristine / "extra", b"old")
    write(pristine / "extra folder" / "sub" / "file", b"old")
    write(pristine / "folder" / "changed", b"old")
    write(pristine / "folder" / "extra", b"old")
    write(pristine / "folder to file" / "file", b"old")
    write(pristine / "file to folder", b"old")
    (pristine / "link to folder").symlink_to("folder")
    os.chmod(pristine / "folder", 0o750)
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
    os.chmod(world / "folder", 0o555)
    if os.geteuid() == 0:
        os.chown(pristine / "folder", 11, 12)
        os.chown(world / "folder", 21, 22)
        os.chown(world / "changed", 21, 22)
    settle(pristine)
    settle(world)
    archive = gnu_pack(world, place / "a.tar.gz", "pax")
    case = Case(root, archive, request.param, can_exchange, extract, pristine, {}, {})
    case.reset()
    case.old = live(root)
    case.run()
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
        status = in_child(lambda: case.run(before=dies_at(step)))  # noqa: B023 - it is over before the loop goes on
        case.recover()
        ends.append(case.ended_as())
        case.reset()

    assert status == 0
    assert step > 80
    changed = ends.index(OutcomeKind.COMPLETED)
    assert set(ends[:changed]) == {OutcomeKind.NONE}, "before the commit record nothing is touched"
    assert set(ends[changed:]) == {OutcomeKind.COMPLETED}, "behind it, it goes forward"


def test_killed_at_any_step_of_the_recovery_too_it_still_ends_whole(case: Case) -> None:
    """Forward: killed in the middle of the exchange, then at each step of what a restart does."""
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        assert in_child(lambda: case.run(before=dies_in_the_exchange())) == -signal.SIGKILL
        status = in_child(lambda: case.recover(before=dies_at(step)))  # noqa: B023 - it is over before the loop goes on
        case.recover()
        assert case.ended_as() is OutcomeKind.COMPLETED
        case.reset()

    assert status == 0
    assert step > 20


def test_killed_at_any_step_of_taking_back_it_is_wholly_old_after_recovery(case: Case) -> None:
    """A folder's metadata fails last of all, when every name was exchanged; then it dies on the way back."""
    seen = set()
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        status = in_child(lambda: case.run(before=fails_late_then_dies(step)))  # noqa: B023 - as above
        case.recover()
        seen.add(case.ended_as())
        case.reset()

    assert status == 1  # the error itself
    assert step > 20
    assert seen == {OutcomeKind.COMPLETED, OutcomeKind.ROLLED_BACK}, "killed before the word `rollback` it goes forward"


@pytest.mark.parametrize("when", ["before", "after"])
def test_failing_at_any_step_it_is_wholly_old_and_says_so_or_wholly_new(case: Case, when: str) -> None:
    """`after`: the step was done, and an error reported all the same."""
    ends, step, failed = [], 0, True
    while failed or step < len(steps):
        step += 1
        try:
            steps = case.run(**{when: fails_at(step)})
        except SidecarError as error:
            failed = True
            assert error.code == "source_failed"
            assert outcome_read(root=case.root, operation=OPERATION).kind in (OutcomeKind.NONE, OutcomeKind.ROLLED_BACK)
        else:
            failed = False
            assert outcome_read(root=case.root, operation=OPERATION).kind is OutcomeKind.COMPLETED
        case.recover()
        ends.append(case.ended_as())
        case.reset()

    assert set(ends) == {OutcomeKind.NONE, OutcomeKind.ROLLED_BACK, OutcomeKind.COMPLETED}
    assert ends == sorted(ends, key=[OutcomeKind.NONE, OutcomeKind.ROLLED_BACK, OutcomeKind.COMPLETED].index)


def dies_in_the_exchange() -> Callable[[int, str], None]:
    moved = 0

    def act(_step: int, name: str) -> None:
        nonlocal moved
        moved += name in ("move", "exchange")
        if moved == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    return act


def fails_late_then_dies(steps_later: int) -> Callable[[int, str], None]:
    failed_at: int | None = None
    synced = 0

    def act(step: int, name: str) -> None:
        nonlocal failed_at, synced
        if failed_at is not None and step == failed_at + steps_later:
            os.kill(os.getpid(), signal.SIGKILL)
        synced += name == "sync_volume"
        if synced == 2 and failed_at is None:
            failed_at = step
            raise OSError(5, "late")

    return act
