"""Volumes that are full, and volumes mounted inside others."""

from __future__ import annotations

import os
import subprocess
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.errors import NotEnoughSpace
from sidecar.restore.extraction import Outcome, outcome_read
from sidecar.restore.limits import Limits
from tests.sidecar_restore.archives import compressed, header, member
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.trees import live, settle, snapshot, write
from wire.enums import Mode, OutcomeKind

NO_RESERVE = Limits(reserve_bytes=0)
OWN_FILES = 16  # of the extraction itself


@contextmanager
def mounted(*arguments: str | Path, at: Path) -> Iterator[None]:
    made = subprocess.run(["mount", *arguments, at], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"mounting is not possible here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


@pytest.fixture
def small(place: Path) -> Iterator[Path]:
    """A volume of 2 MiB and a hundred inodes with a live file on it."""
    small = place / "small"
    small.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=2m,nr_inodes=100", "none", at=small):
        write(small / "a", b"old" * 1000)
        settle(small)
        yield small


@pytest.mark.parametrize(
    ("parts", "needed"),
    [
        pytest.param(
            [member(b"a", os.urandom(1 << 16)), member(b"b", os.urandom(3 << 20))],
            (1 << 16) + (3 << 20),
            id="packed as large",
        ),
        pytest.param([member(b"a", b"xy" * (3 << 19))], 3 << 20, id="packed small"),
        pytest.param([member(b"%d" % number) for number in range(200)], 200, id="too many files"),
        pytest.param([member(b"%d/x" % number) for number in range(100)], 100, id="too many folders"),
        pytest.param([member(b"%d" % number, kind=b"2", link=b"x") for number in range(150)], 150, id="too many links"),
    ],
)
@pytest.mark.parametrize("empty", [False, True], ids=["live data", "an empty root"])
@pytest.mark.parametrize("limits", [NO_RESERVE, Limits(reserve_bytes=1 << 20)], ids=["to the last byte", "reserve"])
def test_a_full_volume_ends_it_cleanly_and_in_numbers(
    place: Path, small: Path, extract: Extract, parts: list[bytes], needed: int, limits: Limits, *, empty: bool
) -> None:
    if empty:
        (small / "a").unlink()
    archive = compressed(place / "a.tar.gz", *parts)
    before, free = live(small), os.statvfs(small)

    with pytest.raises(NotEnoughSpace) as refusal:
        extract(archive, root=small, limits=limits)

    if needed < 1000:
        own = refusal.value.params.pop("free_files") - free.f_favail
        assert own in (0, -1), "the reserved folder may still be there"
        assert refusal.value.params == {"needed_files": needed + OWN_FILES}
    else:
        free_bytes = free.f_bavail * free.f_frsize
        assert refusal.value.params == {"needed_bytes": needed + limits.reserve_bytes, "free_bytes": free_bytes}
    assert live(small) == before
    assert outcome_read(root=small, operation=OPERATION) == Outcome(OutcomeKind.NONE)
    assert not (small / ".savepoint").exists()
    assert os.statvfs(small)[:8] == free[:8]


def test_the_reserve_stays_free_for_a_game_that_runs_meanwhile(place: Path, small: Path, extract: Extract) -> None:
    archive = compressed(place / "a.tar.gz", *(member(b"%d" % n, b"xy" * (1 << 15)) for n in range(16)))
    lowest = []

    def watch() -> bool:
        volume = os.statvfs(small)
        lowest.append(volume.f_bavail * volume.f_frsize)
        return False

    with pytest.raises(NotEnoughSpace):
        extract(archive, root=small, limits=Limits(reserve_bytes=1 << 20), cancelled=watch)
    assert min(lowest) > (1 << 20) - (1 << 16), "content counts; lists and folders may take a few pages more"

    extract(archive, root=small, limits=NO_RESERVE)
    assert len(live(small)) == 16


def test_a_hole_needs_no_room(place: Path, small: Path, extract: Extract) -> None:
    archive = compressed(place / "a.tar.gz", header(b"sparse", size=64 << 20), bytes(64 << 20))

    extract(archive, root=small, limits=NO_RESERVE)

    assert (small / "sparse").stat().st_size == 64 << 20


@pytest.fixture(params=["another volume", "the same volume"])
def nested(request: pytest.FixtureRequest, place: Path, root: Path) -> Iterator[Path]:
    """A data root with something mounted at `world/maps`; bound from the same volume, its device number is the same."""
    maps = root / "world" / "maps"
    maps.mkdir(parents=True)
    write(root / "server.properties", b"old")
    elsewhere = write(place / "elsewhere" / "map", b"shared").parent
    how = ("--bind", elsewhere) if request.param == "the same volume" else ("-t", "tmpfs", "none")
    with mounted(*how, at=maps):
        write(maps / "map", b"shared")
        yield maps


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("parts", "stays"),
    [
        pytest.param([member(b"world/maps/map", b"new")], [b"world/maps"], id="it would write there"),
        pytest.param([member(b"world/maps", b"new")], [b"world/maps"], id="a file would take its place"),
        pytest.param(
            [member(b"world", kind=b"2", link=b"x")],
            [b"world", b"world/maps"],
            id="a link would replace its parent",
        ),
    ],
)
def test_mounted_volume_stays_and_the_rest_is_restored(
    place: Path, root: Path, extract: Extract, nested: Path, mode: Mode, parts: list[bytes], stays: list[bytes]
) -> None:
    archive = compressed(place / "a.tar.gz", member(b"server.properties", b"new"), *parts)
    before = snapshot(nested)

    summary = extract(archive, mode)

    assert snapshot(nested) == before
    assert (root / "server.properties").read_bytes() == b"new"
    assert sorted(warning.path for warning in summary.staying.kept) == stays
    assert outcome_read(root=root, operation=OPERATION).summary == summary


@pytest.mark.parametrize(
    ("parts", "stays"),
    [
        pytest.param([member(b"world/other", b"new")], [b"world/maps"], id="it would be taken away"),
        pytest.param([member(b"other", b"new")], [b"world", b"world/maps"], id="its parent would be taken away"),
    ],
)
def test_mounted_volume_that_the_archive_lacks_stays(
    place: Path, root: Path, extract: Extract, nested: Path, parts: list[bytes], stays: list[bytes]
) -> None:
    write(root / "world" / "extra")
    before = snapshot(nested)

    summary = extract(compressed(place / "a.tar.gz", *parts))

    assert snapshot(nested) == before
    assert sorted(warning.path for warning in summary.staying.kept) == stays
    assert not (root / "world" / "extra").exists()


def test_mounted_content_needs_no_room_on_the_root_volume(place: Path, small: Path, extract: Extract) -> None:
    (small / "maps").mkdir()
    archive = compressed(place / "a.tar.gz", member(b"a", b"new"), member(b"maps/map", os.urandom(8 << 20)))
    with mounted("-t", "tmpfs", "none", at=small / "maps"):
        write(small / "maps" / "map", b"live")

        extract(archive, root=small, limits=NO_RESERVE)

        assert (small / "maps" / "map").read_bytes() == b"live"
        assert (small / "a").read_bytes() == b"new"


def test_a_volume_mounted_inside_the_root_that_is_not_concerned_may_stay(
    place: Path, root: Path, extract: Extract, nested: Path
) -> None:
    before = snapshot(nested)

    extract(compressed(place / "a.tar.gz", member(b"world/other", b"new")), Mode.OVERLAY)

    assert snapshot(nested) == before
    assert (root / "world" / "other").read_bytes() == b"new"


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("content", [b"new", b"mounted"])
def test_single_mounted_file_stays(place: Path, root: Path, extract: Extract, mode: Mode, content: bytes) -> None:
    source = write(place / "mounted.properties", b"mounted")
    target = write(root / "server.properties")
    archive = compressed(place / "a.tar.gz", member(b"other", b"new"), member(b"server.properties", content))
    with mounted("--bind", source, at=target):
        summary = extract(archive, mode)

        assert target.read_bytes() == b"mounted"
    assert [warning.path for warning in summary.staying.kept] == [b"server.properties"]
    assert (root / "other").read_bytes() == b"new"


def test_memory_does_not_grow_with_the_number_of_files(place: Path, root: Path, extract: Extract) -> None:
    """Twelve times as many, old ones to take away and new ones to put, and then all to stay; what is read ahead is
    there either way.
    """
    large = member(b"large", b"xy" * (4 << 20))

    def peak(count: int, operation: str) -> int:
        names = [b"%085d %d" % (number, count) for number in range(count)]
        archive = compressed(
            place / "a.tar.gz", *(member(b"%d/" % (n % 7) + name) for n, name in enumerate(names)), large
        )
        tracemalloc.start()
        extract(archive, operation=operation)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(1, OPERATION)  # into an empty root, where nothing is compared
    few = peak(500, "00000000-0000-0000-0000-000000000001")
    many = peak(6000, "00000000-0000-0000-0000-000000000002")
    staying = peak(6000, "00000000-0000-0000-0000-000000000003")

    assert len(live(root)) == 6008
    assert many < few + (2 << 20), "the lists' buffers and one batch of names, not the names"
    assert staying < few + (2 << 20), "a few bytes a path"
