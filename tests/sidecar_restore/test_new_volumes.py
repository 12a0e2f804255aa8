"""A new volume is whole or not there: at every kill and failure, without room, and beside what has its name already."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.comparison import Tree, differences
from sidecar.errors import ArchiveDamaged, Cancelled, NotEnoughSpace, Refused, SidecarError, StartError
from sidecar.places.finding import NO_LINKS
from sidecar.restore.archive import archive_extract
from sidecar.restore.workspace.outcomes import ExtractSummary
from sidecar.volumes import Volume, Volumes
from tests.sidecar_restore.archives import gnu_pack
from tests.sidecar_restore.conftest import OPERATION
from tests.sidecar_restore.faults import Stepping, dies_at, fails_at, in_child
from tests.sidecar_restore.listed import ListedTree
from tests.sidecar_restore.test_room import volume_has
from tests.sidecar_restore.trees import live, write
from trees.filesystem import Filesystem
from wire.enums import Mode, OutcomeKind

ID = "0b7f6d5e-8a34-4c1f-9a55-6f1d2c3b4a59"
OTHER = "11111111-2222-4333-8444-555555555555"


@dataclass
class Case:
    """A folder for volumes, and a restore of the same tree from a source of either kind."""

    folder: Path
    data: Path
    restore: Callable[..., ExtractSummary]
    expected: Tree

    def volumes(self, filesystem: Filesystem | None = None) -> Volumes:
        return Volumes(self.folder, like=self.data, filesystem=filesystem)

    def volume(self, filesystem: Filesystem | None = None) -> Volume:
        return self.volumes(filesystem).named(f"/volumes/{ID}")

    def make(self, filesystem: Filesystem | None = None, *, operation: str = OPERATION, **options: Any) -> None:
        def restore(root: Path) -> ExtractSummary:
            return self.restore(
                root=root, operation=operation, weigh=True, links=NO_LINKS, filesystem=filesystem, **options
            )

        self.volume(filesystem).make(restore, operation=operation)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def is_whole(self) -> bool:
        """Whether the volume is there, wholly, and released; false when nothing at all is there."""
        if self.names() == []:
            assert self.volume().outcome(operation=OPERATION).kind is OutcomeKind.NONE
            return False
        assert self.names() == [ID]
        outcome = self.volume().outcome(operation=OPERATION)
        assert outcome.kind is OutcomeKind.COMPLETED
        self.volume().release(operation=OPERATION)
        assert differences(self.expected, live(self.folder / ID)) == []
        assert not (self.folder / ID / ".savepoint").exists()
        return True

    def next_daemon(self) -> None:
        """Let another process begin as a daemon does."""
        assert in_child(self.volumes().claim) == 0

    def remove(self) -> None:
        self.volume().remove()
        assert self.names() == []


@pytest.fixture(params=["archive", "listing"])
def case(request: pytest.FixtureRequest, place: Path) -> Case:
    world, folder, data = place / "world", place / "volumes", place / "data"
    write(world / "level.dat", b"level", mode=0o600)
    write(world / "region" / "deep" / "r.0.0.mca", b"region" * 3000)
    (world / "empty").mkdir()
    (world / "link").symlink_to("/nowhere")
    os.link(world / "level.dat", world / "twin")
    for made in (folder, data):
        made.mkdir()
    data.chmod(0o750)
    if request.param == "archive":
        packed = gnu_pack(world, place / "world.tar.gz", "pax")
        restore = partial(archive_extract, archive=packed, mode=Mode.REPLACE)
        defaults = {"on_progress": lambda _: None, "cancelled": lambda: False}
        return Case(folder, data, lambda **options: restore(**(defaults | options)), live(world))
    return Case(folder, data, ListedTree(world).restore, live(world))


def test_volume_has_the_files_and_looks_like_the_data_root(case: Case) -> None:
    seen: list[tuple[list[str], int]] = []

    class Looking(Filesystem):
        def sync_volume(self, fd: int) -> None:
            super().sync_volume(fd)
            seen.extend((case.names(), stat.S_IMODE(path.stat().st_mode)) for path in case.folder.iterdir())

    case.make(Looking())
    assert {(tuple(names), mode) for names, mode in seen} == {((f".{ID}.part",), 0o700)}, "it was shown before its end"
    assert case.is_whole()
    assert stat.S_IMODE((case.folder / ID).stat().st_mode) == 0o750
    case.remove()


def test_kill_after_every_step_leaves_the_volume_whole_or_nothing(case: Case) -> None:
    steps = Stepping()
    case.make(steps)
    case.remove()
    ends = []
    for number in range(1, len(steps.steps) + 1):
        # Nothing comes after a step that fails, such as the removal of a folder that is still needed.
        killed = in_child(partial(case.make, Stepping(after=dies_at(number, must_strike=False)))) < 0
        case.next_daemon()
        ends.append((killed, case.is_whole()))
        case.remove()
    assert ends[0] == (True, False)
    assert {whole for killed, whole in ends if not killed} <= {True}
    assert sum(killed for killed, _ in ends) > len(ends) - 3
    assert steps.steps[-2:] == ["move", "sync"]
    assert ends[-3:] == [(True, False), (True, True), (True, True)]


def test_killed_removal_is_ended_by_the_next_daemon(case: Case) -> None:
    case.make()
    steps = Stepping()
    case.volume(steps).remove()
    for number in range(1, len(steps.steps) + 1):
        case.make()
        assert in_child(case.volume(Stepping(after=dies_at(number))).remove) < 0
        assert ID not in case.names()
        case.next_daemon()
        assert case.names() == []


def test_failure_at_every_step_leaves_the_volume_whole_or_nothing(case: Case) -> None:
    steps = Stepping()
    case.make(steps)
    case.remove()
    failed = 0
    for number in range(1, len(steps.steps) + 1):
        try:
            case.make(Stepping(before=fails_at(number, must_strike=False)))
        except SidecarError:
            failed += 1
        # The last step is that of the name on the disk: the volume is there by then, and its journal says so.
        case.next_daemon()
        case.is_whole()
        case.remove()
    assert failed > len(steps.steps) // 2


def test_finished_volume_is_not_made_again_and_no_other_operation_gets_it(case: Case) -> None:
    case.make()
    write(case.folder / ID / "written later", b"kept")
    before = live(case.folder / ID)
    case.make()
    with pytest.raises(Refused):
        case.make(operation=str(uuid.uuid4()))
    case.volume().release(operation=OPERATION)
    with pytest.raises(Refused):
        case.make()
    assert live(case.folder / ID) == before


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_whatever_has_the_name_already_stays(case: Case, kind: str) -> None:
    taken = case.folder / ID
    if kind == "folder":
        taken.mkdir()
    elif kind == "file":
        taken.write_bytes(b"mine")
    else:
        taken.symlink_to(case.data)
    before = taken.lstat()
    with pytest.raises(SidecarError):
        case.make()
    assert (taken.lstat().st_ino, taken.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert case.names() == [ID]
    assert list(case.data.iterdir()) == []


def test_name_that_is_taken_during_the_restore_is_not_replaced(case: Case) -> None:
    """An empty folder of this name could be replaced by a plain rename."""

    class Taking(Filesystem):
        def sync_volume(self, fd: int) -> None:
            super().sync_volume(fd)
            (case.folder / ID).mkdir(exist_ok=True)

    with pytest.raises(SidecarError):
        case.make(Taking())
    assert case.names() == [ID]
    assert list((case.folder / ID).iterdir()) == []


def test_too_little_room_is_refused_before_a_byte_is_written(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = 5 + 18000 + (16 << 20)
    volume_has(monkeypatch, needed - 1)
    steps = Stepping()
    with pytest.raises(NotEnoughSpace) as refusal:
        case.make(steps)
    assert refusal.value.params == {"needed_bytes": needed, "free_bytes": needed - 1}
    assert not {"make_file", "write", "make_symlink"} & set(steps.steps)
    assert case.names() == []
    volume_has(monkeypatch, needed)
    case.make()
    assert case.is_whole()


def test_cancel_leaves_nothing(case: Case) -> None:
    with pytest.raises(Cancelled):
        case.make(cancelled=lambda: True)
    assert case.names() == []


def test_damaged_archive_leaves_nothing(place: Path) -> None:
    folder, damaged = place / "volumes", place / "damaged.tar.gz"
    folder.mkdir()
    write(place / "world" / "file", os.urandom(100_000))
    packed = gnu_pack(place / "world", place / "world.tar.gz", "pax").read_bytes()
    damaged.write_bytes(packed[:-2000])
    volume = Volumes(folder, like=place).named(f"/volumes/{ID}")

    def restore(root: Path) -> ExtractSummary:
        return archive_extract(
            archive=damaged, root=root, operation=OPERATION, mode=Mode.REPLACE, on_progress=lambda _: None,
            cancelled=lambda: False,
        )  # fmt: skip

    with pytest.raises(ArchiveDamaged):
        volume.make(restore, operation=OPERATION)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "/volumes/", "/volumes", "/volumes/..", f"/volumes/../{ID}", f"/volumes/{ID}/", f"/volumes/{ID}/sub",
        f"/volumes/.{ID}.part", f"/volumes/{ID.upper()}", f"/volumes/{{{ID}}}", f"/volumes/{ID}\0", f"/volumes/{ID}\n",
        f"/volumes/urn:uuid:{ID}", f"/data/{ID}", ID, "",
    ],
)  # fmt: skip
def test_only_a_uuid_names_a_volume(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused):
        Volumes(tmp_path, like=tmp_path).named(name)


def test_without_a_folder_there_are_no_volumes(tmp_path: Path) -> None:
    volumes = Volumes(None, like=tmp_path)
    volumes.claim()
    assert not volumes.offered
    with pytest.raises(Refused):
        volumes.named(f"/volumes/{ID}")


def test_claim_removes_only_what_is_hidden(case: Case) -> None:
    case.make()
    case.volume().release(operation=OPERATION)
    write(case.folder / f".{OTHER}.part" / "deep" / "file", b"half")
    (case.folder / ".not ours").mkdir()
    (case.folder / "lost+found").mkdir()
    case.volumes().claim()
    assert case.names() == [".not ours", ID, "lost+found"]
    assert differences(case.expected, live(case.folder / ID)) == []


def test_second_daemon_may_not_use_the_folder(tmp_path: Path) -> None:
    first = Volumes(tmp_path, like=tmp_path)
    first.claim()
    with pytest.raises(StartError, match="another sidecar uses"):
        Volumes(tmp_path, like=tmp_path).claim()
