"""A live folder is swapped for a symlink at every step of a restore: nothing outside the root is touched."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from sidecar.errors import SidecarError
from sidecar.restore.archive import archive_extract
from sidecar.restore.outcome import outcome_read
from sidecar.restore.recovery import extractions_recover
from tests.sidecar_restore.archives import compressed, member
from tests.sidecar_restore.faults import Stepping
from tests.sidecar_restore.trees import snapshot, write
from wire.enums import Mode, OutcomeKind

OPERATION = "6f0d2a3c-6d3b-4c56-9f5e-0a1b2c3d4e5f"
STEPS_MOST = 500
NAMES = ("folder/b", "folder/c", "folder/sub/d")


def world_make(top: Path) -> tuple[Path, Path]:
    """A root with old files, and a folder beside it with the same names."""
    root, outside = top / "root", top / "outside"
    for name in ("a", *NAMES):
        write(root / name, b"old")
    for name in NAMES:
        write(outside / name.removeprefix("folder/"), b"precious")
    return root, outside


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.value)
def test_a_folder_swapped_at_any_step_lets_nothing_out(place: Path, mode: Mode) -> None:
    archive = compressed(place / "a.tar.gz", *(member(name.encode(), b"new") for name in ("a", *NAMES, "folder/new")))
    ends: set[OutcomeKind] = set()
    steps = 0
    # The first run, without a swap, counts the steps.
    for step in range(STEPS_MOST):
        if step > steps:
            break
        top = place / "world"
        root, outside = world_make(top)
        untouched = snapshot(outside)

        def swap(number: int, _name: str) -> None:
            if number == step:  # noqa: B023 - it runs before the loop continues
                (root / "folder").rename(top / "hidden")  # noqa: B023
                (root / "folder").symlink_to(outside)  # noqa: B023

        volume = Stepping(before=swap)
        with suppress(SidecarError):
            archive_extract(
                archive=archive, root=root, operation=OPERATION, mode=mode, on_progress=lambda _: None,
                cancelled=lambda: False, filesystem=volume,
            )  # fmt: skip
        steps = steps if step else len(volume.steps)
        assert snapshot(outside) == untouched, f"step {step}"

        if (root / "folder").is_symlink():
            (root / "folder").unlink()
            (top / "hidden").rename(root / "folder")
        extractions_recover(root=root)
        assert snapshot(outside) == untouched, f"recovery after step {step}"
        kind = outcome_read(root=root, operation=OPERATION).kind
        assert (root / "a").read_bytes() == (b"new" if kind is OutcomeKind.COMPLETED else b"old")
        ends.add(kind)
        shutil.rmtree(top)

    assert STEPS_MOST > steps > 40
    assert ends == {OutcomeKind.NONE, OutcomeKind.ROLLED_BACK, OutcomeKind.COMPLETED}
