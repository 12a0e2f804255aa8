"""A missing volume at the recovery of a restore: nothing is lost, and no other place is half new."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.errors import SidecarError
from sidecar.restore.outcome import outcome_read, outcome_release
from sidecar.restore.recovery import extractions_recover
from sidecar.restore.workspace.outcomes import Outcome
from tests.sidecar_daemon.daemon import any_operation
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.faults import dies_at, in_child
from tests.sidecar_restore.mounting import mount, unmount
from tests.sidecar_restore.placed import Case, Tree, dies_in_the_exchange, placed, tree, within
from tests.sidecar_restore.test_interruptions import fails_then_dies
from tests.sidecar_restore.trees import snapshot, write
from wire.enums import Mode, OutcomeKind, WarningKind

AWAY = "plugins/shared"


@pytest.fixture(params=["bound", "linked"])
def case(request: pytest.FixtureRequest, place: Path, root: Path, tmp_path: Path, extract: Extract) -> Iterator[Case]:
    """A case with its third place on a disk: one in memory would be lost, not missing."""
    assert root.is_dir()
    outside = tmp_path / "outside" / "shared"
    with placed(place, extract, Mode.REPLACE, linked=request.param == "linked", outside=outside) as case:
        yield case


def rest(found: Tree) -> Tree:
    """The tree without the missing place and without the data kept for the recovery."""
    aside = (AWAY.encode(), b"maps/.savepoint")
    return {path: told for path, told in found.items() if not within(path, aside) and path != b"plugins"}


def recovered(case: Case) -> Outcome | None:
    """The outcome of the extraction, None when it had ended before."""
    return dict(extractions_recover(root=case.root, links=case.links)).get(OPERATION)


def leave(case: Case) -> None:
    if case.linked:
        case.outside.rename(case.outside.with_name("away"))
    else:
        unmount(case.root / AWAY)


def come_back(case: Case) -> None:
    if case.linked:
        case.outside.with_name("away").rename(case.outside)
    else:
        mount("--bind", case.outside, at=case.root / AWAY)


def test_killed_at_any_step_all_else_is_whole_while_a_volume_is_away(case: Case) -> None:
    ends = []
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 7 if case.linked else 1
        status = in_child(lambda: case.run(before=dies_at(step)))  # noqa: B023 - it ends before the loop continues
        leave(case)
        told = recovered(case)
        kind = outcome_read(root=case.root, operation=OPERATION).kind
        ends.append(kind)
        assert rest(tree_without(case)) == rest(case.old if kind is OutcomeKind.NONE else case.new)
        if kind is OutcomeKind.RUNNING:
            assert told is not None
            assert told.error_params == {"path": AWAY, "errno": "ENODEV"}
        come_back(case)
        recovered(case)
        ended = case.ended_as()
        assert (kind, ended) in {
            (OutcomeKind.NONE, OutcomeKind.NONE),
            (OutcomeKind.RUNNING, OutcomeKind.COMPLETED),
            (OutcomeKind.COMPLETED, OutcomeKind.COMPLETED),
        }
    assert status == 0
    assert ends.count(OutcomeKind.RUNNING) > (4 if case.linked else 30)


def tree_without(case: Case) -> Tree:
    if not case.linked:
        return tree(case.root)
    case.outside.mkdir()
    try:
        return tree(case.root)
    finally:
        case.outside.rmdir()


def test_taking_back_waits_for_a_volume_that_is_away(case: Case) -> None:
    syncs = case.run().count("sync_volume")
    case.ended_as()
    hooks = {"before": fails_then_dies("sync_volume", syncs, steps_later=12)}
    assert in_child(lambda: case.run(**hooks)) == -signal.SIGKILL
    leave(case)

    for _ in range(2):
        told = recovered(case)
        assert told is not None
        assert told.kind is OutcomeKind.RUNNING
        assert told.error_params == {"path": AWAY, "errno": "ENODEV"}
        assert rest(tree_without(case)) == rest(case.old)

    come_back(case)
    recovered(case)
    assert case.ended_as() is OutcomeKind.ROLLED_BACK


def killed_and_away(case: Case) -> None:
    assert in_child(lambda: case.run(before=dies_in_the_exchange(7))) == -signal.SIGKILL
    leave(case)


def test_new_restore_is_refused_with_the_path_until_the_volume_is_back(case: Case, extract: Extract) -> None:
    killed_and_away(case)

    for operation in (OPERATION, any_operation()):
        with pytest.raises(SidecarError) as refusal:
            extract(case.archive, operation=operation, links=case.links)
        assert refusal.value.params == {"path": AWAY, "errno": "ENODEV"}
    with pytest.raises(SidecarError):
        outcome_release(root=case.root, operation=OPERATION, links=case.links)

    come_back(case)
    assert extract(case.archive, links=case.links).files
    assert case.ended_as() is OutcomeKind.COMPLETED


def test_another_volume_in_its_place_is_not_written(case: Case, tmp_path: Path) -> None:
    killed_and_away(case)
    other = write(tmp_path / "other" / "changed", b"another's").parent
    if case.linked:
        other.rename(case.outside)
    else:
        mount("--bind", other, at=case.root / AWAY)
    before = snapshot(case.root / AWAY)

    told = recovered(case)

    assert told is not None
    assert told.error_params == {"path": AWAY, "errno": "ENODEV"}
    assert snapshot(case.root / AWAY) == before
    if case.linked:
        case.outside.rename(other)
    else:
        unmount(case.root / AWAY)
    come_back(case)
    recovered(case)
    assert case.ended_as() is OutcomeKind.COMPLETED


@pytest.mark.parametrize("case", ["linked"], indirect=True)
def test_target_that_may_not_be_followed_any_more_is_away(case: Case) -> None:
    killed_and_away(case)
    come_back(case)

    told = dict(extractions_recover(root=case.root))[OPERATION]

    assert told.error_params == {"path": AWAY, "errno": "ENODEV"}
    recovered(case)
    assert case.ended_as() is OutcomeKind.COMPLETED


def test_killed_staging_does_not_wait_for_a_missing_volume(case: Case, extract: Extract) -> None:
    staged = case.steps // 3
    assert in_child(lambda: case.run(before=dies_at(staged))) == -signal.SIGKILL
    leave(case)
    told = recovered(case)
    assert told is not None
    assert told.kind is OutcomeKind.NONE

    if not case.linked:
        operation = any_operation()
        extract(case.archive, Mode.OVERLAY, operation=operation, links=case.links)
        outcome_release(root=case.root, operation=operation, links=case.links)

    come_back(case)
    recovered(case)
    assert not list(case.root.rglob(".savepoint"))
    assert not (case.root / AWAY / ".savepoint").exists()


@pytest.mark.parametrize("step", [5, 12])
def test_volume_in_memory_that_is_mounted_anew_is_passed_over_and_told(
    place: Path, root: Path, tmp_path: Path, extract: Extract, step: int
) -> None:
    with placed(place, extract, Mode.REPLACE, linked=False, outside=tmp_path / "outside" / "shared") as case:
        assert in_child(lambda: case.run(before=dies_in_the_exchange(step))) == -signal.SIGKILL
        unmount(root / "maps")
        told = recovered(case)
        assert told is not None
        assert told.error_params == {"path": "maps", "errno": "ENODEV"}
        mount("-t", "tmpfs", "-o", "mode=755", "none", at=root / "maps")

        told = recovered(case)

        assert told is not None
        assert told.kind is OutcomeKind.COMPLETED
        outcome = outcome_read(root=root, operation=OPERATION)
        assert outcome.summary is not None
        assert [(w.kind, w.path) for w in outcome.summary.staying.kept] == [(WarningKind.MOUNTED, b"maps")]
        expected = {path: told for path, told in case.new.items() if not within(path, (b"maps",))}
        found = {path: told for path, told in tree(root).items() if not within(path, (b"maps",))}
        assert found == expected
        assert os.listdir(root / "maps") == []  # noqa: PTH208 - names
