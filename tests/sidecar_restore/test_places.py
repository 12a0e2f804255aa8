"""Mounted folders and folders behind links are restored with the rest, in one exchange, despite any failure."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from sidecar.restore.outcome import outcome_read
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.faults import dies_at, fails_at, in_child
from tests.sidecar_restore.placed import Case, dies_in_the_exchange, placed
from tests.sidecar_restore.test_interruptions import fails_then_dies, failure_of
from tests.sidecar_restore.trees import snapshot
from wire.enums import Mode, OutcomeKind

REPLACE = pytest.mark.parametrize("mode", [Mode.REPLACE], ids=["replace"])


@pytest.fixture(params=["bound", "linked"])
def linked(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "linked")


@pytest.fixture(params=Mode, ids=lambda mode: mode.value)
def mode(request: pytest.FixtureRequest) -> Mode:
    return Mode(request.param)


@pytest.fixture
def case(place: Path, root: Path, extract: Extract, mode: Mode, *, linked: bool) -> Iterator[Case]:
    assert root.is_dir()
    with placed(place, extract, mode, linked=linked, outside=place / "outside" / "shared") as case:
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
        status = in_child(lambda: case.run(before=dies_at(step)))  # noqa: B023 - it ends before the loop continues
        case.recover()
        ends.append(case.ended_as())

    assert status == 0
    assert step > 120
    assert [kind for kind, _ in groupby(ends)] == [OutcomeKind.NONE, OutcomeKind.COMPLETED]


@REPLACE
def test_killed_at_any_step_of_recovering_all_places_are_new(case: Case) -> None:
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        assert in_child(lambda: case.run(before=dies_in_the_exchange(7))) == -signal.SIGKILL
        status = in_child(lambda: case.recover(before=dies_at(step)))  # noqa: B023 - it ends before the loop continues
        case.recover()
        assert case.ended_as() is OutcomeKind.COMPLETED

    assert status == 0
    assert step > 40


@REPLACE
def test_killed_at_any_step_of_taking_back_all_places_are_old(case: Case) -> None:
    """The last sync fails after every name was exchanged; the process then dies on the way back."""
    syncs = case.run().count("sync_volume")
    assert case.ended_as() is OutcomeKind.COMPLETED
    seen = set()
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        hooks = {"before": fails_then_dies("sync_volume", syncs, steps_later=step)}
        status = in_child(lambda: case.run(**hooks))  # noqa: B023 - it ends before the loop continues
        case.recover()
        seen.add(case.ended_as())

    assert status == 1  # the error itself
    assert step > 40
    assert seen == {OutcomeKind.COMPLETED, OutcomeKind.ROLLED_BACK}, "killed before the word `rollback` it goes forward"


@REPLACE
def test_failing_at_any_step_no_place_is_half_new(case: Case) -> None:
    """A failure while a place is staged leaves that place as it was; the other places are restored."""
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
