"""Restores that trust the snapshot's stat: a file that was not modified since is not read."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from demo.comparison import tree_read
from tests.repository.restoring.trees import FLIPPED, Kept, write
from trees import trust
from trees.local.file import LocalFile

COARSE = 5  # CLOCK_REALTIME_COARSE, the clock of file times


class Reads:
    """The reads of live files, by path."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: set[str] = set()
        self._preadv = os.preadv
        monkeypatch.setattr(os, "preadv", self._noted)

    def _noted(self, fd: int, buffers: Any, offset: int) -> int:
        self.files.add(Path(f"/proc/self/fd/{fd}").readlink().name)
        return self._preadv(fd, buffers, offset)


@pytest.fixture
def lived_in(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The restored folder is the one that the snapshot was made of, at least one clock tick before."""
    monkeypatch.setattr(trust, "WRITTEN_BACK_NS", 0)
    newest = max(path.stat(follow_symlinks=False).st_ctime_ns for path in world.rglob("*"))
    while time.clock_gettime_ns(COARSE) <= newest:
        pass
    return world


def test_unmodified_file_with_a_trusted_stat_is_not_read(
    kept: Kept, lived_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot, before = kept.keep(lived_in), tree_read(lived_in)
    write(lived_in / "region" / "r.0.0.mca", FLIPPED)
    (lived_in / "region" / "small").chmod(0o640)
    reads = Reads(monkeypatch)

    report = kept.restore(snapshot, lived_in, trust_stat=True)

    assert tree_read(lived_in) == before
    assert "r.0.0.mca" in reads.files
    assert not reads.files & {"r.0.1.mca", "level.dat", "empty"}
    assert (report.files_kept, report.files_written) == (4 - 1, 1)


@pytest.mark.parametrize("distrust", ["not asked for", "changed shortly before", "started anew", "changed while read"])
def test_without_reason_to_trust_all_is_read(
    kept: Kept, lived_in: Path, monkeypatch: pytest.MonkeyPatch, distrust: str
) -> None:
    if distrust == "changed while read":
        monkeypatch.setattr(LocalFile, "changed", lambda _: True)
    snapshot = kept.keep(lived_in)
    if distrust == "changed shortly before":
        monkeypatch.undo()
    if distrust == "started anew":
        monkeypatch.setattr(time, "clock_gettime_ns", lambda _: 0)
    reads = Reads(monkeypatch)

    report = kept.restore(snapshot, lived_in, trust_stat=distrust != "not asked for")

    assert {"r.0.0.mca", "r.0.1.mca", "level.dat", "small"} <= reads.files
    assert report.files_written == 0


def test_file_changed_with_its_dates_reset_is_restored_despite_trust(kept: Kept, lived_in: Path) -> None:
    """Size and mtime can be set to their old values; ctime cannot."""
    snapshot, before = kept.keep(lived_in), tree_read(lived_in)
    path = lived_in / "region" / "r.0.0.mca"
    found = path.stat()
    path.write_bytes(FLIPPED)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    kept.restore(snapshot, lived_in, trust_stat=True)

    assert tree_read(lived_in) == before
