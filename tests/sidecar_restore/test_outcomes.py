"""The answers of an operation's journal before, after and again, and the exclusion of concurrent restores."""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from pathlib import Path

import pytest

from sidecar.errors import ArchiveRefused, Cancelled, NotEnoughSpace, Refused, SidecarError, SourceFailed
from sidecar.restore.outcome import outcome_read, outcome_release
from sidecar.restore.recovery import extractions_recover
from sidecar.restore.workspace.outcomes import Outcome
from sidecar.restore.workspace.progress import ExtractProgress
from tests.descriptors import descriptors
from tests.sidecar_restore.archives import compressed, member
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.faults import Stepping, dies_at, fails_at, in_child
from tests.sidecar_restore.trees import live, settle, write
from wire.enums import Mode, OutcomeKind, Phase


@pytest.fixture
def archive(place: Path, root: Path) -> Path:
    write(root / "a", b"old")
    write(root / "extra", b"old")
    settle(root)
    return compressed(place / "a.tar.gz", member(b"a", b"new"), member(b"b", b"new"))


def test_unknown_operation_has_no_outcome(root: Path) -> None:
    assert outcome_read(root=root, operation=OPERATION) == Outcome(OutcomeKind.NONE)
    outcome_release(root=root, operation=OPERATION)
    assert extractions_recover(root=root) == []
    assert list(root.iterdir()) == []


def test_a_finished_operation_is_remembered_until_it_is_released(archive: Path, root: Path, extract: Extract) -> None:
    summary = extract(archive)

    assert outcome_read(root=root, operation=OPERATION) == Outcome(OutcomeKind.COMPLETED, summary)
    assert [path.name for path in (root / ".savepoint" / OPERATION).iterdir()] == ["journal"]
    assert extractions_recover(root=root) == []

    outcome_release(root=root, operation=OPERATION)
    assert outcome_read(root=root, operation=OPERATION) == Outcome(OutcomeKind.NONE)
    assert not (root / ".savepoint").exists()
    outcome_release(root=root, operation=OPERATION)


def test_a_finished_operation_is_not_done_again(archive: Path, root: Path, extract: Extract) -> None:
    summary = extract(archive)
    write(root / "a", b"played on")
    after = live(root)

    archive.unlink()
    assert extract(archive) == summary

    assert live(root) == after


def test_a_rolled_back_operation_raises_its_error_again(archive: Path, root: Path, extract: Extract) -> None:
    before = live(root)

    def full(_step: int, name: str) -> None:
        if name == "exchange":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(NotEnoughSpace) as first:
        extract(archive, filesystem=Stepping(before=full))
    assert live(root) == before
    assert outcome_read(root=root, operation=OPERATION) == Outcome(
        OutcomeKind.ROLLED_BACK, None, "not_enough_space", first.value.detail
    )
    with pytest.raises(NotEnoughSpace) as second:
        extract(archive)

    assert second.value.detail == first.value.detail
    assert second.value.params == first.value.params
    assert second.value.params == {"path": "a", "errno": "ENOSPC"}, "there is room by all that can be counted"
    assert live(root) == before


def test_a_journal_from_before_there_were_numbers_is_read_all_the_same(
    archive: Path, root: Path, extract: Extract
) -> None:
    lines = b"savepoint-extraction 1\ncommit 1 1 1\nrollback not_enough_space full\nrolled_back\n"
    write(root / ".savepoint" / OPERATION / "journal", lines)

    with pytest.raises(NotEnoughSpace, match="full"):
        extract(archive)


def test_an_extraction_from_before_files_could_stay_is_carried_to_its_end(
    archive: Path, root: Path, extract: Extract
) -> None:
    dies = dies_at(1)

    def die(_step: int, name: str) -> None:
        if name == "exchange":
            dies(1, name)

    assert in_child(lambda: extract(archive, filesystem=Stepping(before=die))) == -9
    (root / ".savepoint" / OPERATION / "kept").unlink()

    [(_, outcome)] = extractions_recover(root=root)

    assert outcome.kind is OutcomeKind.COMPLETED
    assert sorted(live(root)) == [b"a", b"b"]
    assert (root / "a").read_bytes() == b"new"


def test_releasing_one_operation_leaves_the_others(archive: Path, root: Path, extract: Extract) -> None:
    other = str(uuid.uuid4())
    summary = extract(archive)
    extract(archive, operation=other)

    outcome_release(root=root, operation=other)

    assert outcome_read(root=root, operation=OPERATION) == Outcome(OutcomeKind.COMPLETED, summary)


def test_cancelling_while_staging_leaves_nothing(archive: Path, root: Path, extract: Extract) -> None:
    before = live(root)
    answers = iter([False, True])

    with pytest.raises(Cancelled):
        extract(archive, cancelled=lambda: next(answers))

    assert live(root) == before
    assert not (root / ".savepoint").exists()


def test_cancel_counts_just_before_the_exchange_but_not_after(archive: Path, root: Path, extract: Extract) -> None:
    before = live(root)
    synced: list[str] = []

    def note(_step: int, name: str) -> None:
        if name == "sync_volume":
            synced.append(name)

    with pytest.raises(Cancelled):
        extract(archive, cancelled=lambda: bool(synced), filesystem=Stepping(after=note))
    assert live(root) == before

    phases: list[Phase] = []

    def watch(progress: ExtractProgress) -> None:
        phases.append(progress.phase)

    extract(archive, on_progress=watch, cancelled=lambda: Phase.EXCHANGING in phases)
    assert (root / "a").read_bytes() == b"new"


@pytest.mark.parametrize("operation", ["", "..", "x", "../" + OPERATION, OPERATION.upper(), "{" + OPERATION + "}"])
def test_an_operation_is_named_by_a_uuid_and_nothing_else(
    archive: Path, root: Path, extract: Extract, operation: str
) -> None:
    with pytest.raises(Refused):
        extract(archive, operation=operation)
    with pytest.raises(Refused):
        outcome_read(root=root, operation=operation)
    with pytest.raises(Refused):
        outcome_release(root=root, operation=operation)


def test_a_root_that_is_missing_is_a_failed_source(archive: Path, root: Path, extract: Extract) -> None:
    with pytest.raises(SourceFailed):
        extract(archive, root=root / "missing")
    with pytest.raises(SourceFailed):
        extractions_recover(root=root / "a")


def test_only_one_extraction_is_at_work_on_a_root(archive: Path, root: Path, extract: Extract) -> None:
    before = live(root)
    other = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Refused):
            extract(archive)
        with pytest.raises(Refused):
            extractions_recover(root=root)
    finally:
        os.close(other)
    assert live(root) == before

    extract(archive)
    assert (root / "a").read_bytes() == b"new"


def test_while_it_runs_the_journal_says_so_and_cannot_be_released(archive: Path, root: Path, extract: Extract) -> None:
    kinds = []

    def ask(progress: ExtractProgress) -> None:
        kinds.append((progress.phase, outcome_read(root=root, operation=OPERATION).kind))
        if progress.phase is Phase.EXCHANGING:
            with pytest.raises(Refused):
                outcome_release(root=root, operation=OPERATION)
            kinds.append((progress.phase, OutcomeKind.RUNNING))

    extract(archive, on_progress=ask)

    assert (Phase.EXCHANGING, OutcomeKind.RUNNING) in kinds
    assert kinds[-1] == (Phase.DONE, OutcomeKind.COMPLETED)


def test_an_operation_that_was_killed_while_staging_starts_over(archive: Path, root: Path, extract: Extract) -> None:
    before = live(root)
    died = in_child(lambda: extract(archive, filesystem=Stepping(before=dies_at(15))))

    assert died == -9
    assert outcome_read(root=root, operation=OPERATION).kind is OutcomeKind.RUNNING
    assert live(root) == before
    extract(archive)
    assert (root / "a").read_bytes() == b"new"


def test_operation_killed_in_its_exchange_is_ended_before_the_next_begins(
    archive: Path, place: Path, root: Path, extract: Extract
) -> None:
    dies = dies_at(1)

    def die(_step: int, name: str) -> None:
        if name == "exchange":
            dies(1, name)

    assert in_child(lambda: extract(archive, filesystem=Stepping(before=die))) == -9
    another = compressed(place / "b.tar.gz", member(b"c", b"newer"))

    extract(another, Mode.OVERLAY, operation=str(uuid.uuid4()))

    assert outcome_read(root=root, operation=OPERATION).kind is OutcomeKind.COMPLETED
    assert sorted(live(root)) == [b"a", b"b", b"c"]


def test_failing_volume_keeps_old_and_new_data_until_it_recovers(archive: Path, root: Path, extract: Extract) -> None:
    before = live(root)

    def fail(_step: int, name: str) -> None:
        if name in ("move", "exchange") and (root / "b").exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(SourceFailed):
        extract(archive, filesystem=Stepping(before=fail))
    assert outcome_read(root=root, operation=OPERATION).kind is OutcomeKind.RUNNING
    with pytest.raises(Refused):
        outcome_release(root=root, operation=OPERATION)
    with pytest.raises(SourceFailed):
        extract(archive, operation=str(uuid.uuid4()), filesystem=Stepping(before=fail))
    [(operation, outcome)] = extractions_recover(root=root, filesystem=Stepping(before=fail))
    assert (operation, outcome.kind, outcome.error_code) == (OPERATION, OutcomeKind.RUNNING, "source_failed")

    [(operation, outcome)] = extractions_recover(root=root)

    assert (operation, outcome.kind, outcome.error_code) == (OPERATION, OutcomeKind.ROLLED_BACK, "source_failed")
    assert live(root) == before


def test_an_unexpected_error_takes_everything_back_too(archive: Path, root: Path, extract: Extract) -> None:
    before = live(root)

    volume = Stepping()
    volume.after = lambda _step, name: {}[name] if name == "exchange" and volume.steps.count(name) == 1 else None

    with pytest.raises(SidecarError, match="unexpected KeyError"):
        extract(archive, filesystem=volume)

    assert live(root) == before
    assert outcome_read(root=root, operation=OPERATION).error_code == "internal"


@pytest.mark.parametrize("kind", ["file", "symlink", "stranger's folder"])
def test_foreign_reserved_name_is_refused(archive: Path, place: Path, root: Path, extract: Extract, kind: str) -> None:
    if kind == "file":
        write(root / ".savepoint", b"mine")
    elif kind == "symlink":
        (place / "elsewhere").mkdir()
        (root / ".savepoint").symlink_to(place / "elsewhere")
    elif os.geteuid() != 0:
        pytest.skip("only root can make a stranger's folder")
    else:
        (root / ".savepoint").mkdir()
        os.chown(root / ".savepoint", 1234, 1234)
    before = live(root)

    with pytest.raises(Refused):
        extract(archive)
    with pytest.raises(Refused):
        extractions_recover(root=root)

    assert live(root) == before


def test_a_journal_of_a_later_format_is_left_alone(archive: Path, root: Path, extract: Extract) -> None:
    journal = write(root / ".savepoint" / OPERATION / "journal", b"savepoint-extraction 2\ncommit 1 1 1\n")
    kept = write(root / ".savepoint" / OPERATION / "new" / "a", b"staged")

    [(operation, outcome)] = extractions_recover(root=root)

    assert (operation, outcome.kind, outcome.error_code) == (OPERATION, OutcomeKind.RUNNING, "source_failed")
    with pytest.raises(SourceFailed):
        extract(archive)
    assert journal.exists()
    assert kept.exists()
    assert (root / "a").read_bytes() == b"old"


@pytest.mark.parametrize("torn", [b"", b"savepoint-ext", b"savepoint-extraction 1\ncommit 1 2", bytes(4096)])
def test_torn_commit_record_commits_nothing(archive: Path, root: Path, torn: bytes) -> None:
    before = live(root)
    write(root / ".savepoint" / OPERATION / "journal", torn)
    write(root / ".savepoint" / OPERATION / "new" / "a", b"staged")
    (root / ".savepoint" / OPERATION / "old").mkdir()

    assert extractions_recover(root=root) == [(OPERATION, Outcome(OutcomeKind.NONE))]

    assert live(root) == before
    assert not (root / ".savepoint").exists()


def test_too_many_links_to_a_file_are_an_error_of_the_archive(place: Path, root: Path, extract: Extract) -> None:
    def count(_step: int, name: str) -> None:
        if name == "make_link":
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))

    with pytest.raises(ArchiveRefused):
        extract(
            compressed(place / "a.tar.gz", member(b"a"), member(b"b", kind=b"1", link=b"a")),
            filesystem=Stepping(before=count),
        )

    assert list(live(root)) == []


def test_no_descriptor_stays_open_after_any_ending(archive: Path, place: Path, root: Path, extract: Extract) -> None:
    before = descriptors(place)
    refused = compressed(place / "b.tar.gz", member(b"x/y"), member(b"../x"))

    failed = 0
    for step in range(1, 80):
        try:
            # Later extractions of this test have fewer steps.
            fails = fails_at(step, must_strike=False)
            extract(archive, operation=str(uuid.uuid4()), filesystem=Stepping(before=fails))
        except SidecarError:
            failed += 1
    assert failed > 30
    with pytest.raises(ArchiveRefused):
        extract(refused)
    extract(archive)
    extractions_recover(root=root)
    outcome_read(root=root, operation=OPERATION)
    outcome_release(root=root, operation=OPERATION)

    assert descriptors(place) == before
