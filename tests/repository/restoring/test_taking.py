"""A delta copies from the live file only blocks that match, whatever happens to that file meanwhile."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from demo.comparison import tree_read
from repository.chunked.restoring.parts import Part
from tests.faults import fault_script
from tests.repository.restoring.trees import BASE, FLIPPED, Kept, copied, settle, write

_FICLONE = 0x40049409
_IOCTL = fcntl.ioctl


@pytest.mark.parametrize("sharing", ["copied", "shared"])
def test_blocks_changed_during_the_comparison_are_not_copied(
    kept: Kept, world: Path, target: Path, monkeypatch: pytest.MonkeyPatch, sharing: str
) -> None:
    """The new file holds the verified bytes, although the live file changes before and after they are read."""
    snapshot = kept.keep(world)
    copied(world, target)
    path = write(target / "region" / "r.0.0.mca", FLIPPED)
    places = iter([100_000, 300_000, 900_000, 1_400_000])
    take, pwrite = Part.take, os.pwrite

    fault = fault_script("a game that writes")

    def game_writes() -> None:
        fault.strike()
        with path.open("r+b") as game:
            game.seek(next(places, 0))
            game.write(b"the game writes")

    def taking(*arguments: Any) -> int:
        game_writes()
        return take(*arguments)

    def writing(*arguments: Any) -> int:
        game_writes()
        return pwrite(*arguments)

    monkeypatch.setattr(Part, "take", taking)
    monkeypatch.setattr(os, "pwrite", writing)
    if sharing == "shared":
        monkeypatch.setattr(fcntl, "ioctl", shared_content)

    kept.restore(snapshot, target)

    assert tree_read(target) == tree_read(world)


def shared_content(fd: int, request: int, live: Any) -> Any:
    """FICLONE of a file system that supports it; other requests go to the real call."""
    if request != _FICLONE:
        return _IOCTL(fd, request, live)
    os.ftruncate(fd, 0)
    os.sendfile(fd, live, 0, os.fstat(live).st_size)
    return 0


@pytest.mark.parametrize(
    "live", [FLIPPED, FLIPPED + b"longer", FLIPPED[:-70_000]], ids=["as long", "longer", "shorter"]
)
def test_only_differences_are_written_if_files_can_share_content(
    kept: Kept, world: Path, target: Path, monkeypatch: pytest.MonkeyPatch, live: bytes
) -> None:
    written = []
    pwrite = os.pwrite

    def noted(fd: int, data: bytes, offset: int) -> int:
        written.append(len(data))
        return pwrite(fd, data, offset)

    monkeypatch.setattr(fcntl, "ioctl", shared_content)
    monkeypatch.setattr(os, "pwrite", noted)
    snapshot = kept.keep(world)
    copied(world, target)
    write(target / "region" / "r.0.0.mca", live)

    report = kept.restore(snapshot, target)

    assert tree_read(target) == tree_read(world)
    assert sum(written) == report.bytes_written <= 65_536 + max(0, 2 * 65_536 * (len(live) < len(BASE)))


def test_partly_shared_content_on_a_full_volume_is_not_trusted(
    kept: Kept, world: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = fault_script("a volume that is full while it shares")

    def shared_in_part(fd: int, request: int, live: Any) -> Any:
        answer = shared_content(fd, request, live)
        if request != _FICLONE:
            return answer
        fault.strike()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fcntl, "ioctl", shared_in_part)
    snapshot = kept.keep(world)
    copied(world, target)
    write(target / "region" / "r.0.0.mca", FLIPPED[::-1] + b"longer" * 50_000)

    report = kept.restore(snapshot, target)

    assert report.failed == []
    assert tree_read(target) == tree_read(world)


def test_a_file_with_holes_keeps_them_where_files_can_share_their_content(
    kept: Kept, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "ioctl", shared_content)
    with write(source / "sparse.mca", BASE[:200_000]).open("r+b") as file:
        file.truncate(3 << 20)
    settle(source)
    snapshot = kept.keep(source)
    write(target / "sparse.mca", BASE[:150_000] + b"x" * 2_000_000)

    kept.restore(snapshot, target)

    assert tree_read(target) == tree_read(source)
    assert (target / "sparse.mca").stat().st_blocks <= (source / "sparse.mca").stat().st_blocks
