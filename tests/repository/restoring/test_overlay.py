"""A restore onto an overlay file system, in which a folder of the lower layer cannot be renamed."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.comparison import tree_read
from tests.repository.restoring.trees import Kept, settle, write
from tests.services.require import unavailable


@pytest.fixture
def overlay(place: Path, target: Path) -> Iterator[Path]:
    """A target with all its folders in the lower layer."""
    for name in ("lower", "upper", "work", "target"):
        (place / name).mkdir()
    lower = place / "lower"
    write(lower / "level.dat" / "sub" / "file", b"a folder that becomes a file")
    write(lower / "extra" / "sub" / "deeper" / "file", b"old")
    write(lower / "extra" / "file", b"old")
    (lower / "extra" / "empty").mkdir()
    (lower / "extra" / "sub").chmod(0o555)
    write(lower / "region" / "extra" / "file", b"old")
    options = f"redirect_dir=off,lowerdir={lower},upperdir={place / 'upper'},workdir={place / 'work'}"
    made = subprocess.run(["mount", "-t", "overlay", "-o", options, "none", target], capture_output=True, check=False)
    if made.returncode != 0:
        unavailable("the right to mount an overlay")
    with pytest.raises(OSError, match="cross-device") as refusal:
        (target / "extra").rename(target / "renamed")
    assert refusal.value.errno == errno.EXDEV, "else nothing is tried here"
    yield target
    subprocess.run(["umount", target], check=True)


def test_folders_of_the_lower_layer_give_way(kept: Kept, world: Path, overlay: Path) -> None:
    report = kept.restore(kept.keep(world), overlay, delete=True)

    assert report.failed == []
    assert tree_read(overlay) == tree_read(world)


def test_mount_below_a_folder_that_goes_is_not_emptied(kept: Kept, world: Path, place: Path, overlay: Path) -> None:
    """A bind mount of the same volume: the device number does not reveal it."""
    write(place / "elsewhere" / "file", b"another server's")
    settle(world)
    mount = overlay / "extra" / "sub" / "deeper"
    subprocess.run(["mount", "--bind", place / "elsewhere", mount], check=True)
    try:
        report = kept.restore(kept.keep(world), overlay, delete=True)
        assert [os.fsdecode(failure.path) for failure in report.failed] == ["extra"]
        assert (mount / "file").read_bytes() == b"another server's"
    finally:
        subprocess.run(["umount", mount], check=True)
