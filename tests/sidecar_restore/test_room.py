"""The space that a restore needs is computed, and a lack of it refused, before anything is written."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from sidecar.errors import ArchiveRefused, NotEnoughSpace
from sidecar.restore.reading.tar.limits import TarLimits
from tests.sidecar_restore.archives import compressed, member
from tests.sidecar_restore.conftest import Extract
from tests.sidecar_restore.faults import Stepping
from tests.sidecar_restore.test_refusals import HOSTILE
from tests.sidecar_restore.trees import live, settle, snapshot, write
from wire.enums import Mode

RESERVE = 1 << 20
LIMITS = TarLimits(reserve_bytes=RESERVE)
SAME, OTHER, NEW = b"same" * 9_000, b"other" * 7_000, b"new" * 5_000


@pytest.fixture
def archive(place: Path, root: Path) -> Path:
    """An archive of an unchanged file, a changed one, one that grew, a new one, and one that is a single hole."""
    write(root / "same", SAME)
    write(root / "other", OTHER.swapcase())
    write(root / "grown", OTHER[:-1])
    settle(root)
    parts = {b"same": SAME, b"other": OTHER, b"grown": OTHER, b"new": NEW, b"hole": bytes(3 << 20)}
    return compressed(place / "a.tar.gz", *(member(name, content) for name, content in parts.items()))


NEEDED = 2 * len(OTHER) + len(NEW) + RESERVE


def volume_has(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    volume = SimpleNamespace(f_bavail=free_bytes, f_frsize=1, f_files=0, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda _at: volume)
    monkeypatch.setattr(os, "fstatvfs", lambda _at: volume)


@pytest.mark.parametrize("mode", Mode)
def test_lack_of_one_byte_is_refused_before_any_write(
    archive: Path, root: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    before, volume = root.stat(), Stepping()
    volume_has(monkeypatch, NEEDED - 1)

    with pytest.raises(NotEnoughSpace) as refusal:
        extract(archive, mode, limits=LIMITS, filesystem=volume)

    assert refusal.value.params == {"needed_bytes": NEEDED, "free_bytes": NEEDED - 1}
    assert set(volume.steps) <= {"sync_volume", "remove_folder"}
    assert root.stat().st_ctime_ns == before.st_ctime_ns


def test_needed_space_is_sufficient(
    archive: Path, root: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume_has(monkeypatch, NEEDED)

    extract(archive, limits=LIMITS)

    assert (root / "new").read_bytes() == NEW


def test_a_file_that_the_archive_links_is_needed_although_it_is_live(
    place: Path, root: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root / "same", SAME)
    archive = compressed(
        place / "a.tar.gz",
        member(b"same", SAME),
        member(b"link", kind=b"1", link=b"same"),
        member(b"link too", kind=b"1", link=b"link"),
    )
    volume_has(monkeypatch, RESERVE)

    with pytest.raises(NotEnoughSpace) as refusal:
        extract(archive, limits=LIMITS)

    assert refusal.value.params == {"needed_bytes": len(SAME) + RESERVE, "free_bytes": RESERVE}


def test_needed_space_for_an_empty_root_counts_the_whole_archive(
    place: Path, root: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = compressed(place / "a.tar.gz", member(b"a", OTHER), member(b"b", os.urandom(9 << 20)), member(b"c", NEW))
    volume_has(monkeypatch, 4 << 20)

    with pytest.raises(NotEnoughSpace) as refusal:
        extract(archive, limits=LIMITS)

    needed = len(OTHER) + (9 << 20) + len(NEW) + RESERVE
    assert refusal.value.params == {"needed_bytes": needed, "free_bytes": 4 << 20}
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_before_anything_is_written(
    place: Path, root: Path, extract: Extract, name: str, mode: Mode
) -> None:
    write(root / "world" / "level.dat", b"level")
    write(root / "world" / "region" / "r.0.0.mca", b"region")
    archive = compressed(place / "a.tar.gz", member(b"world/level.dat", b"level"), *HOSTILE[name])
    before, volume = snapshot(root), Stepping()
    status = root.stat()

    with pytest.raises(ArchiveRefused):
        extract(archive, mode, filesystem=volume)

    assert set(volume.steps) <= {"sync_volume", "remove_folder"}
    assert snapshot(root) == before
    assert root.stat().st_ctime_ns == status.st_ctime_ns


@pytest.mark.parametrize("name", HOSTILE)
def test_into_an_empty_root_a_hostile_archive_leaves_nothing(
    place: Path, root: Path, extract: Extract, name: str
) -> None:
    with pytest.raises(ArchiveRefused):
        extract(compressed(place / "a.tar.gz", member(b"world/level.dat", b"new"), *HOSTILE[name]))

    assert live(root) == {}
    assert list(root.iterdir()) == []
