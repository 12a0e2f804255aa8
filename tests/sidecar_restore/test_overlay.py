"""Overlay file systems, on which a folder of the lower layer cannot be renamed."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from sidecar.errors import SidecarError
from sidecar.restore.outcome import outcome_read, outcome_release
from sidecar.restore.recovery import extractions_recover
from tests.services.require import unavailable
from tests.sidecar_restore.archives import gnu_pack
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.faults import Stepping, dies_at, fails_at, in_child
from tests.sidecar_restore.test_interruptions import failure_of
from tests.sidecar_restore.trees import live, settle, write
from wire.enums import Mode, OutcomeKind


@dataclass
class Overlay:
    """A data root with all its content in the lower layer; `reset` restores that state."""

    place: Path
    root: Path
    extract: Extract
    mode: Mode
    number: Iterator[int]

    def reset(self) -> None:
        subprocess.run(["umount", self.root], check=False, capture_output=True)
        upper, work = (self.place / f"{name}-{next(self.number)}" for name in ("upper", "work"))
        upper.mkdir()
        work.mkdir()
        options = f"redirect_dir=off,lowerdir={self.place / 'lower'},upperdir={upper},workdir={work}"
        made = subprocess.run(
            ["mount", "-t", "overlay", "-o", options, "none", self.root], capture_output=True, check=False
        )
        if made.returncode != 0:
            unavailable("the right to mount an overlay")

    @property
    def archive(self) -> Path:
        return self.place / "a.tar.gz"

    def run(self, **hooks: Callable[[int, str], None]) -> list[str]:
        volume = Stepping(**hooks)
        self.extract(self.archive, self.mode, filesystem=volume)
        return volume.steps


@pytest.fixture(params=Mode, ids=lambda mode: mode.value)
def overlay(request: pytest.FixtureRequest, place: Path, root: Path, extract: Extract) -> Iterator[Overlay]:
    lower, world = place / "lower", place / "world"
    write(lower / "stays", b"same")
    write(lower / "changed", b"old")
    write(lower / "extra" / "sub" / "deeper" / "file", b"old")
    write(lower / "extra" / "file", b"old")
    (lower / "extra" / "empty").mkdir()
    (lower / "extra" / "sub" / "link").symlink_to("deeper")
    (lower / "extra" / "sub").chmod(0o750)
    write(lower / "folder" / "changed", b"old")
    write(lower / "folder to file" / "sub" / "file", b"old")
    write(lower / "folder to link" / "file", b"old")
    write(world / "stays", b"same")
    write(world / "changed", b"new")
    write(world / "folder" / "changed", b"new")
    write(world / "folder to file", b"new")
    (world / "folder to link").symlink_to("folder")
    settle(lower)
    settle(world)
    gnu_pack(world, place / "a.tar.gz", "pax")
    overlay = Overlay(place, root, extract, request.param, itertools.count())
    overlay.reset()
    with pytest.raises(OSError, match="cross-device") as refusal:
        (root / "extra").rename(root / "renamed")
    assert refusal.value.errno == errno.EXDEV, "else nothing is tried here"
    yield overlay
    subprocess.run(["umount", root], check=True)


def test_folders_of_the_lower_layer_give_way(overlay: Overlay) -> None:
    before = live(overlay.root)
    overlay.run()

    world = live(overlay.place / "world")
    kept = {path: found for path, found in before.items() if path.split(b"/")[0] == b"extra"}
    assert live(overlay.root) == (world if overlay.mode is Mode.REPLACE else world | kept)
    outcome_release(root=overlay.root, operation=OPERATION)
    assert not (overlay.root / ".savepoint").exists()


def test_killed_at_any_step_an_overlay_is_wholly_old_or_new(overlay: Overlay) -> None:
    old = live(overlay.root)
    overlay.run()
    new = live(overlay.root)
    ends = []
    for step in itertools.count(1):
        overlay.reset()
        status = in_child(lambda: overlay.run(before=dies_at(step, must_strike=False)))  # noqa: B023 - over by then
        extractions_recover(root=overlay.root)
        ends.append(outcome_read(root=overlay.root, operation=OPERATION).kind)
        assert live(overlay.root) == (new if ends[-1] is OutcomeKind.COMPLETED else old)
        if status != -signal.SIGKILL:
            break
    assert status == 0
    assert [kind for kind, _ in groupby(ends)] == [OutcomeKind.NONE, OutcomeKind.COMPLETED]


@pytest.mark.parametrize("recovering", [False, True], ids=["at once", "after a restart"])
def test_failing_at_any_step_an_overlay_is_wholly_old_or_new(overlay: Overlay, *, recovering: bool) -> None:
    """`after a restart`: the process also dies a few steps into the way back, and the next daemon continues."""
    old = live(overlay.root)
    steps = len(overlay.run())
    new = live(overlay.root)
    ends, statuses = [], set()
    for step in range(1, steps + 1):
        overlay.reset()
        if recovering:
            status = in_child(lambda: overlay.run(before=fails_and_dies(step)))  # noqa: B023 - as above
            statuses.add(status)
            extractions_recover(root=overlay.root)
        else:
            failure_of(lambda: overlay.run(before=fails_at(step)))  # noqa: B023 - as above
        ends.append(outcome_read(root=overlay.root, operation=OPERATION).kind)
        assert live(overlay.root) == (new if ends[-1] is OutcomeKind.COMPLETED else old)
    assert OutcomeKind.ROLLED_BACK in ends
    assert statuses <= {0, 1, -signal.SIGKILL}
    assert (-signal.SIGKILL in statuses) is recovering


def fails_and_dies(wanted: int) -> Callable[[int, str], None]:
    """Fail at one step, and die a few steps later, unless the work ends before."""
    fails, dies = fails_at(wanted), dies_at(wanted + 7, must_strike=False)

    def act(step: int, name: str) -> None:
        fails(step, name)
        dies(step, name)

    return act


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EBUSY])
def test_rename_that_is_refused_for_good_names_its_path(place: Path, root: Path, extract: Extract, number: int) -> None:
    """The call is replaced: it refuses a file with EXDEV too."""
    write(root / "folder" / "extra", b"old")
    write(place / "world" / "folder" / "file", b"new")
    before, struck = live(root), []

    def refuse(_step: int, name: str) -> None:
        if name == "move":
            struck.append(name)
            raise OSError(number, os.strerror(number))

    with pytest.raises(SidecarError) as failure:
        extract(gnu_pack(place / "world", place / "a.tar.gz", "pax"), filesystem=Stepping(before=refuse))

    assert struck
    assert failure.value.params["errno"] == errno.errorcode[number]
    assert failure.value.params["path"] in ("folder/extra", "folder/file")
    assert live(root) == before
    shutil.rmtree(root / ".savepoint")
