"""The order of writes to the disk, and the safety of data that a game changes during the exchange."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from demo.comparison import digest
from sidecar.errors import SourceFailed
from sidecar.restore.outcome import outcome_read
from sidecar.restore.recovery import extractions_recover
from tests.faults import fault_script
from tests.sidecar_restore.archives import compressed, member
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.faults import Stepping, in_child
from tests.sidecar_restore.trees import live, settle, snapshot, write
from wire.enums import Mode, OutcomeKind


@pytest.fixture
def archive(place: Path, root: Path) -> Path:
    write(root / "a", b"old")
    write(root / "folder" / "b", b"old")
    write(root / "folder" / "c", b"old")
    settle(root)
    parts = [member(name, b"new") for name in (b"a", b"folder/b", b"folder/c", b"folder/d")]
    return compressed(place / "a.tar.gz", *parts)


def test_records_are_written_after_their_subject_is_on_disk(archive: Path, extract: Extract) -> None:
    volume = Stepping()
    extract(archive, filesystem=volume)

    begin, commit, end = (step for step, name in enumerate(volume.steps) if name == "write_at")
    compared, staged, exchanged = (step for step, name in enumerate(volume.steps) if name == "sync_volume")
    makes = {"make_file", "make_folder", "make_symlink", "make_link", "write", "set_metadata"}
    moves = {"move", "exchange"}
    assert compared == 0, "and nothing was written before it"
    assert begin < staged < commit < exchanged < end
    assert not makes & set(volume.steps[staged:commit])
    assert not moves & set(volume.steps[:commit])
    assert moves & set(volume.steps[commit:exchanged])
    assert not moves & set(volume.steps[exchanged:end])
    assert not {"remove_file", "remove_folder"} & set(volume.steps[commit:end])


def test_a_live_folder_swapped_for_a_symlink_lets_nothing_out(
    archive: Path, place: Path, root: Path, extract: Extract
) -> None:
    """The way back is blocked too: the displaced folder is kept until the folder is a folder again."""
    outside = write(place / "outside" / "b", b"precious").parent
    before, untouched = live(root), snapshot(outside)

    def swap(_step: int, name: str) -> None:
        if name == "write_at" and (root / ".savepoint" / OPERATION / "moves").exists():
            (root / "folder").rename(place / "hidden")
            (root / "folder").symlink_to(outside)

    volume = Stepping()
    volume.after = lambda step, name: swap(step, name) if volume.steps.count("write_at") == 2 else None
    with pytest.raises(SourceFailed):
        extract(archive, filesystem=volume)
    assert snapshot(outside) == untouched
    assert outcome_read(root=root, operation=OPERATION).kind is OutcomeKind.RUNNING

    (root / "folder").unlink()
    (place / "hidden").rename(root / "folder")
    [(_, outcome)] = extractions_recover(root=root)

    assert outcome.kind is OutcomeKind.ROLLED_BACK
    assert live(root) == before
    assert snapshot(outside) == untouched


@pytest.mark.parametrize("killed", [False, True])
def test_file_replaced_by_a_game_meanwhile_is_still_restored(
    archive: Path, root: Path, extract: Extract, *, killed: bool
) -> None:
    """The game saves between plan and exchange: the archive's file still wins, at first and after a crash."""

    fault = fault_script("a game that saves between plan and exchange")

    def save(_step: int, name: str) -> None:
        if name == "write_at" and volume.steps.count(name) == 2:
            write(root / "a.tmp", b"played on").rename(root / "a")
            fault.strike()
        if killed and volume.steps.count("exchange") + volume.steps.count("move") == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    volume = Stepping()
    volume.after = save
    assert in_child(lambda: extract(archive, filesystem=volume)) == (-signal.SIGKILL if killed else 0)
    extractions_recover(root=root)

    assert {
        path: (entry.content, entry.names) for path, entry in live(root).items() if path != b"folder"
    } == dict.fromkeys((b"a", b"folder/b", b"folder/c", b"folder/d"), (digest(b"new"), 1))


def test_recovery_does_not_overwrite_a_save_after_the_restore(archive: Path, root: Path, extract: Extract) -> None:
    def save(_step: int, name: str) -> None:
        if volume.steps.count("exchange") + volume.steps.count("move") == 4:
            for path in ("a", "folder/b", "folder/c"):
                write(root / "tmp", b"played on").rename(root / path)
            os.kill(os.getpid(), signal.SIGKILL)

    volume = Stepping()
    volume.after = save
    assert in_child(lambda: extract(archive, Mode.OVERLAY, filesystem=volume)) == -signal.SIGKILL
    [(_, outcome)] = extractions_recover(root=root)

    assert outcome.kind is OutcomeKind.COMPLETED
    for path in ("a", "folder/b", "folder/c"):
        assert (root / path).read_bytes() == b"played on"


@pytest.mark.parametrize("game", ["in place", "as another file"])
@pytest.mark.parametrize("killed", [False, True])
def test_kept_file_written_after_the_commit_keeps_the_time_of_the_game(
    place: Path, root: Path, extract: Extract, game: str, *, killed: bool
) -> None:
    """Only its metadata differed: data that a game saved meanwhile does not get the archive's time."""
    written = write(root / "a", b"content", mode=0o600, mtime_ns=1)

    def save(_step: int, name: str) -> None:
        if name != "write_at" or volume.steps.count(name) != 2:
            return
        if game == "in place":
            write(written, b"played on", mtime_ns=2)
        else:
            write(root / "tmp", b"played on", mtime_ns=2).rename(written)
        if killed:
            os.kill(os.getpid(), signal.SIGKILL)

    volume = Stepping(after=save)
    archive = compressed(place / "a.tar.gz", member(b"a", b"content"))
    assert in_child(lambda: extract(archive, filesystem=volume)) == (-signal.SIGKILL if killed else 0)
    extractions_recover(root=root)

    assert outcome_read(root=root, operation=OPERATION).kind is OutcomeKind.COMPLETED
    assert (written.read_bytes(), written.stat().st_mtime_ns) == (b"played on", 2)


@pytest.mark.parametrize(
    ("renumbered", "kind"),
    [
        pytest.param(["staged"], OutcomeKind.ROLLED_BACK, id="the live side is known: everything is old"),
        pytest.param(
            ["staged", "live"], OutcomeKind.RUNNING, id="neither side is known: nothing is moved on suspicion"
        ),
    ],
)
def test_inodes_that_are_not_those_of_the_plan_are_not_guessed_at(
    archive: Path, root: Path, extract: Extract, renumbered: list[str], kind: OutcomeKind
) -> None:
    """As after a restart on a network file system that renumbers its inodes."""

    def die(_step: int, name: str) -> None:
        if name == "exchange":
            os.kill(os.getpid(), signal.SIGKILL)

    before = live(root)
    assert in_child(lambda: extract(archive, Mode.OVERLAY, filesystem=Stepping(before=die))) == -signal.SIGKILL
    places = {"staged": root / ".savepoint" / OPERATION / "new" / "a", "live": root / "a"}
    for side in renumbered:
        content = places[side].read_bytes()
        places[side].rename(root / ".savepoint" / side)
        write(places[side], content)

    [(_, outcome)] = extractions_recover(root=root)

    assert outcome.kind is kind
    assert live(root) == before
