"""Full volumes, and volumes mounted inside others."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidecar.errors import NotEnoughSpace
from sidecar.places.mounts import Mounts
from sidecar.restore.outcome import outcome_read
from sidecar.restore.reading.tar.limits import TarLimits
from sidecar.restore.workspace.outcomes import Outcome
from sidecar.restore.workspace.progress import ExtractProgress
from sidecar.restore.workspace.reserved import root_locked
from tests.sidecar_restore.archives import compressed, header, member
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.mounting import mounted, remounted
from tests.sidecar_restore.trees import live, settle, snapshot, write
from wire.enums import Mode, OutcomeKind, Phase, WarningKind

NO_RESERVE = TarLimits(reserve_bytes=0)
OWN_FILES = 16  # files of the extraction itself


@pytest.fixture
def small(place: Path) -> Iterator[Path]:
    """A volume of 2 MiB and a hundred inodes, with a live file on it."""
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
@pytest.mark.parametrize("limits", [NO_RESERVE, TarLimits(reserve_bytes=1 << 20)], ids=["to the last byte", "reserve"])
def test_a_full_volume_ends_it_cleanly_and_in_numbers(
    place: Path, small: Path, extract: Extract, parts: list[bytes], needed: int, limits: TarLimits, *, empty: bool
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
        extract(archive, root=small, limits=TarLimits(reserve_bytes=1 << 20), cancelled=watch)
    assert min(lowest) > (1 << 20) - (1 << 16), "content counts; lists and folders may take a few pages more"

    extract(archive, root=small, limits=NO_RESERVE)
    assert len(live(small)) == 16


def test_a_hole_needs_no_room(place: Path, small: Path, extract: Extract) -> None:
    archive = compressed(place / "a.tar.gz", header(b"sparse", size=64 << 20), bytes(64 << 20))

    extract(archive, root=small, limits=NO_RESERVE)

    assert (small / "sparse").stat().st_size == 64 << 20


@pytest.fixture(params=["another volume", "the same volume"])
def nested(request: pytest.FixtureRequest, place: Path, root: Path) -> Iterator[Path]:
    """A data root with a mount at `world/maps`; a bind mount of the same volume has the same device number."""
    maps = root / "world" / "maps"
    maps.mkdir(parents=True)
    write(root / "server.properties", b"old")
    elsewhere = write(place / "elsewhere" / "map", b"shared").parent
    how = ("--bind", elsewhere) if request.param == "the same volume" else ("-t", "tmpfs", "none")
    with mounted(*how, at=maps):
        write(maps / "map", b"shared")
        yield maps


@pytest.mark.parametrize("mode", Mode)
def test_mounted_volume_is_restored(place: Path, root: Path, extract: Extract, nested: Path, mode: Mode) -> None:
    write(nested / "extra")
    device = nested.stat().st_ino, nested.stat().st_dev
    archive = compressed(place / "a.tar.gz", member(b"server.properties", b"new"), member(b"world/maps/map", b"new"))

    summary = extract(archive, mode)

    assert (root / "server.properties").read_bytes() == b"new"
    assert (nested / "map").read_bytes() == b"new"
    assert (nested / "extra").exists() is (mode is Mode.OVERLAY)
    assert (nested.stat().st_ino, nested.stat().st_dev) == device
    assert summary.staying.total == 0
    assert summary.removed == (mode is Mode.REPLACE)
    assert not (nested / ".savepoint").exists()
    assert outcome_read(root=root, operation=OPERATION).summary == summary


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("parts", "stays"),
    [
        pytest.param([member(b"world/maps", b"new")], [b"world/maps"], id="a file would take its place"),
        pytest.param(
            [member(b"world", kind=b"2", link=b"x")],
            [b"world", b"world/maps"],
            id="a link would replace its parent",
        ),
    ],
)
def test_mounted_volume_in_the_way_stays_and_the_rest_is_restored(
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
        pytest.param([member(b"world/other", b"new")], [b"world/maps"], id="it is an extra"),
        pytest.param([member(b"other", b"new")], [b"world", b"world/maps"], id="its parent is an extra"),
    ],
)
def test_mounted_volume_that_the_archive_lacks_is_emptied(
    place: Path, root: Path, extract: Extract, nested: Path, parts: list[bytes], stays: list[bytes]
) -> None:
    write(root / "world" / "extra")
    write(nested / "folder" / "file")

    summary = extract(compressed(place / "a.tar.gz", *parts))

    assert snapshot(nested) == {}
    assert nested.is_dir()
    assert sorted(warning.path for warning in summary.staying.kept) == stays
    assert not (root / "world" / "extra").exists()


@pytest.mark.parametrize("mode", Mode)
def test_mounted_volume_that_is_read_only_stays_and_the_rest_is_restored(
    place: Path, root: Path, extract: Extract, nested: Path, mode: Mode
) -> None:
    archive = compressed(place / "a.tar.gz", member(b"server.properties", b"new"), member(b"world/maps/map", b"new"))
    with remounted("ro", at=nested):
        before = snapshot(nested)

        summary = extract(archive, mode)

        assert snapshot(nested) == before
    assert (root / "server.properties").read_bytes() == b"new"
    assert [(warning.kind, warning.path) for warning in summary.staying.kept] == [(WarningKind.MOUNTED, b"world/maps")]


def reserved_is_a_file(nested: Path) -> None:
    write(nested / ".savepoint")


def reserved_is_anothers(nested: Path) -> None:
    (nested / ".savepoint").mkdir()
    os.chown(nested / ".savepoint", 4711, 4711)


@pytest.mark.parametrize("spoil", [reserved_is_a_file, reserved_is_anothers])
def test_mounted_volume_with_a_taken_reserved_name_stays(
    place: Path, root: Path, extract: Extract, nested: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(nested)
    before = snapshot(nested)
    archive = compressed(place / "a.tar.gz", member(b"server.properties", b"new"), member(b"world/maps/map", b"new"))

    summary = extract(archive)

    assert snapshot(nested) == before
    assert (root / "server.properties").read_bytes() == b"new"
    assert [warning.path for warning in summary.staying.kept] == [b"world/maps"]


def test_mounted_volume_that_another_sidecar_restores_onto_stays(
    place: Path, root: Path, extract: Extract, nested: Path
) -> None:
    archive = compressed(place / "a.tar.gz", member(b"server.properties", b"new"), member(b"world/maps/map", b"new"))
    with root_locked(nested):
        summary = extract(archive)

    assert (nested / "map").read_bytes() == b"shared"
    assert (root / "server.properties").read_bytes() == b"new"
    assert [warning.path for warning in summary.staying.kept] == [b"world/maps"]


@pytest.mark.parametrize("packed", [b"\0", b"x"], ids=["known before", "only while staging"])
@pytest.mark.parametrize("large", [b"new/large", b"large"])
def test_full_mounted_volume_stays_and_the_rest_is_restored(
    place: Path, root: Path, extract: Extract, packed: bytes, large: bytes
) -> None:
    """The game may fill the volume after its space was checked: staging then starts again without that volume."""
    maps = root / "maps"
    maps.mkdir()
    content = os.urandom(1 << 20) * 8
    stopped: list[int] = []
    archive = compressed(place / "a.tar.gz", member(b"maps/" + large, content), member(b"level.dat", b"new"))
    with mounted("-t", "tmpfs", "-o", "size=20m", "none", at=maps):
        write(maps / "live", b"live")

        def fill(progress: ExtractProgress) -> None:
            if packed == b"x" and progress.phase is Phase.STAGING and not (maps / "filler").exists():
                write(maps / "filler", bytes(15 << 20))

        if packed == b"\0":
            write(maps / "filler", bytes(15 << 20))
        summary = extract(archive, limits=NO_RESERVE, on_progress=fill, before_exchange=lambda: stopped.append(1))

        assert {path.name for path in maps.iterdir()} == {"live", "filler"}
    assert (root / "level.dat").read_bytes() == b"new"
    assert [warning.path for warning in summary.staying.kept] == [b"maps"]
    assert stopped == [1]


def test_mounted_content_needs_no_room_on_the_root_volume(place: Path, small: Path, extract: Extract) -> None:
    (small / "maps").mkdir()
    content = os.urandom(8 << 20)
    archive = compressed(place / "a.tar.gz", member(b"a", b"new"), member(b"maps/map", content))
    with mounted("-t", "tmpfs", "none", at=small / "maps"):
        write(small / "maps" / "map", b"live")

        extract(archive, root=small, limits=NO_RESERVE)

        assert (small / "maps" / "map").read_bytes() == content
        assert (small / "a").read_bytes() == b"new"


def test_volume_mounted_in_a_mounted_volume_is_a_place_too(
    place: Path, root: Path, extract: Extract, nested: Path
) -> None:
    (nested / "deep" / "er").mkdir(parents=True)
    parts = [member(path + b"map", b"new") for path in (b"", b"world/maps/", b"world/maps/deep/er/")]
    with mounted("-t", "tmpfs", "none", at=nested / "deep" / "er"):
        write(nested / "deep" / "er" / "extra")

        summary = extract(compressed(place / "a.tar.gz", *parts))

        assert [path.name for path in (nested / "deep" / "er").iterdir()] == ["map"]
        assert (nested / "map").read_bytes() == b"new"
        assert not summary.staying.total


def test_folder_mounted_twice_is_restored_once(place: Path, root: Path, extract: Extract) -> None:
    """Otherwise two stagings would exchange the same names. A bind of the root's own folder is such a case."""
    for name in ("again", "maps", "twice"):
        (root / name).mkdir()
    write(root / "own" / "map", b"old")
    names = (b"again", b"maps", b"own", b"twice")
    archive = compressed(place / "a.tar.gz", *(member(name + b"/map", b"new " + name) for name in names))
    with (
        mounted("-t", "tmpfs", "none", at=root / "maps"),
        mounted("--bind", root / "maps", at=root / "twice"),
        mounted("--bind", root / "own", at=root / "again"),
    ):
        summary = extract(archive)

        assert (root / "maps" / "map").read_bytes() == b"new maps"
        assert (root / "twice" / "map").read_bytes() == b"new maps"
        assert (root / "own" / "map").read_bytes() == b"new own"
    assert sorted(warning.path for warning in summary.staying.kept) == [b"again", b"twice"]


def test_hard_link_between_volumes_becomes_a_file_of_its_own(
    place: Path, root: Path, extract: Extract, nested: Path
) -> None:
    content = os.urandom(3 << 20)
    parts = [member(b"world/a", content), member(b"world/maps/b", kind=b"1", link=b"world/a")]
    parts += [member(b"world/maps/c", b"c"), member(b"world/z", kind=b"1", link=b"world/maps/c")]

    extract(compressed(place / "a.tar.gz", *parts))

    assert (nested / "b").read_bytes() == (root / "world" / "a").read_bytes() == content
    assert (nested / "c").read_bytes() == (root / "world" / "z").read_bytes() == b"c"


def test_folder_of_another_device_that_no_table_names_is_a_place(
    place: Path, root: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example a subvolume of btrfs. The mount through which it is reached tells its origin."""
    (root / "maps").mkdir()
    with mounted("-t", "tmpfs", "none", at=root / "maps"):
        write(root / "maps" / "map", b"old")
        monkeypatch.setattr(Mounts, "look_below", lambda *_: None)

        summary = extract(compressed(place / "a.tar.gz", member(b"maps/map", b"new")))

        assert (root / "maps" / "map").read_bytes() == b"new"
        assert not summary.staying.total


def test_reserved_name_in_a_volume_is_never_restored(place: Path, root: Path, extract: Extract, nested: Path) -> None:
    """The archive may date from when this was an ordinary folder, with another data root in it."""
    parts = [member(b"world/maps/.savepoint/x", b"x"), member(b"world/maps/map", b"new")]

    extract(compressed(place / "a.tar.gz", *parts))

    assert [path.name for path in nested.iterdir()] == ["map"]


def test_volume_that_is_not_concerned_is_not_touched(place: Path, root: Path, extract: Extract, nested: Path) -> None:
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
    """Twelve times as many files, first old ones to remove and new ones to put, then all to stay; the read-ahead
    buffers are there either way.
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
