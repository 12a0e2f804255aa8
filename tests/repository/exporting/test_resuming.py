"""An archive has the same bytes whenever it is made: from any offset on, they are made again from the nearest point."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archives import points as archive_points
from archives.edition import edition
from archives.formats import ArchiveFormat
from archives.passes import CompletePass, pass_from
from archives.points import ArchiveDiffers, Points
from repository.chunked.exporting.export import SnapshotArchive
from repository.chunked.manifest import records
from repository.chunked.packs.fetching import ChunkStore
from repository.errors import ContentDamaged, PathNotFound, SnapshotNotFound
from repository.storage import StorageUnavailable
from tests.repository.exporting.trees import MIB, exported, made_again, tree_make
from tests.repository.restoring.trees import Kept, write

FORMATS = list(ArchiveFormat)


class World:
    """A snapshot whose archives have a restart point every 300 KB, and these archives."""

    def __init__(self, source: Path) -> None:
        self.kept = Kept()
        self.snapshot = self.kept.keep(source)
        self.archives = {format_: exported(self.kept, self.snapshot, format_) for format_ in FORMATS}


@pytest.fixture(scope="module")
def world(in_memory: Path) -> Iterator[World]:
    source = tree_make(in_memory / "resumed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_points, "SPACING_BYTES", 300_000)
        patch.setattr(archive_points, "SPACING_PLAIN", 2_000_000)
        patch.setattr(records, "PART_SIZE", MIB)
        yield World(source)
    shutil.rmtree(source)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_pass_tells_the_size_the_hash_and_points_all_over(world: World, format_: ArchiveFormat) -> None:
    whole, points = world.archives[format_]

    assert (points.size, points.sha256) == (len(whole), hashlib.sha256(whole).digest())
    assert points.edition == edition(format_)
    offsets = [point.offset for point in points.points]
    assert offsets == sorted(set(offsets))
    assert offsets[0] == 0
    assert len(offsets) >= 5
    assert any(point.within > MIB for point in points.points)
    again, same = exported(world.kept, world.snapshot, format_)
    assert again == whole
    assert same.encoded() == points.encoded()


@settings(max_examples=15)
@given(format_=st.sampled_from(FORMATS), share=st.floats(0, 1), has_points=st.booleans())
def test_from_any_offset_the_bytes_are_those_of_the_whole(
    world: World, format_: ArchiveFormat, share: float, *, has_points: bool
) -> None:
    whole, points = world.archives[format_]
    start = int(share * len(whole))

    assert made_again(world.kept, world.snapshot, format_, start, points if has_points else None) == whole[start:]


@pytest.mark.parametrize("format_", FORMATS)
def test_every_point_is_a_place_to_begin(world: World, format_: ArchiveFormat) -> None:
    whole, points = world.archives[format_]

    for point in points.points:
        for start in {point.offset, max(0, point.offset - 1)}:
            assert whole[start:].startswith(
                made_again(world.kept, world.snapshot, format_, start, points, least=500_000)
            )
    for start in (points.size, points.size + 5):
        assert made_again(world.kept, world.snapshot, format_, start, points) == b""
        assert made_again(world.kept, world.snapshot, format_, start, None) == b""


def test_only_what_is_behind_the_point_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[int] = []
    fetch = ChunkStore.read_each

    def counting(self: ChunkStore, span, **options):
        fetched.append(span.stop - span.start)
        return fetch(self, span, **options)

    monkeypatch.setattr(ChunkStore, "read_each", counting)
    whole, points = world.archives[ArchiveFormat.TAR_ZST]
    made_again(world.kept, world.snapshot, ArchiveFormat.TAR_ZST, 0, points)
    everything = sum(fetched)
    fetched.clear()

    made_again(world.kept, world.snapshot, ArchiveFormat.TAR_ZST, len(whole) - 1, points)

    assert sum(fetched) < everything / 4


@pytest.mark.parametrize("format_", FORMATS)
def test_points_of_another_edition_are_refused_at_once(world: World, format_: ArchiveFormat) -> None:
    points = replace(world.archives[format_][1], edition="0/other")

    with pytest.raises(ArchiveDiffers):
        made_again(world.kept, world.snapshot, format_, 0, points)


@pytest.mark.parametrize("format_", FORMATS)
def test_bytes_that_are_not_those_of_the_pass_are_an_error(world: World, format_: ArchiveFormat, place: Path) -> None:
    """Another snapshot than that of the points, whose bytes differ in the segment behind the third point."""
    tree_make(place / "source")
    changed = place / "source" / "a" / "noise.jar"
    content = bytearray(changed.read_bytes())
    status = changed.stat()
    content[2_500_000] ^= 1
    changed.write_bytes(content)
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    other = world.kept.keep(place / "source")
    _, points = world.archives[format_]
    made: list[bytes] = []

    def make(start: int) -> None:
        made.clear()
        archive = SnapshotArchive(world.kept.opened(), snapshot=other, paths=None, format=format_)
        made.extend(pass_from(archive, start=start, points=points))

    with pytest.raises(ArchiveDiffers):
        make(0)
    assert 0 < sum(map(len, made)) < points.size
    differing = next(point.offset for point in points.points if point.path == b"a/noise.jar" and point.within > 3 * MIB)
    make(differing)  # what comes later is the same


def test_stored_points_are_few_bytes(world: World) -> None:
    for format_ in FORMATS:
        _, points = world.archives[format_]
        assert len(points.encoded()) < 60 * len(points.points) + 12 * 80 + 200
    with pytest.raises(ValueError, match="no restart points"):
        Points.decode(b"other bytes")


def test_what_does_not_exist_is_said_at_once(world: World) -> None:
    repository = world.kept.opened()
    for paths in ([b"missing"], [b"many", b"a/missing"], [b"a"] + [b"missing/%d" % number for number in range(20)]):
        with pytest.raises(PathNotFound):
            SnapshotArchive(repository, snapshot=world.snapshot, paths=paths, format=ArchiveFormat.ZIP)
    with pytest.raises(SnapshotNotFound):
        SnapshotArchive(repository, snapshot=bytes(16), paths=None, format=ArchiveFormat.TAR_GZ)
    archive = SnapshotArchive(repository, snapshot=world.snapshot, paths=None, format=ArchiveFormat.TAR_GZ)
    with pytest.raises(ValueError, match="negative"):
        pass_from(archive, start=-1)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_damaged_file_ends_the_archive_with_its_name(tmp_path: Path, format_: ArchiveFormat) -> None:
    kept = Kept()
    for name in ("a", "b", "c"):
        write(tmp_path / name, name.encode() * 300_000)
    snapshot = kept.keep(tmp_path)
    found = {record.path: record for record, _ in kept.opened().manifest(snapshot).files()}
    kept.spoil(next(found[b"b"].content.chunk_ids()))
    complete = CompletePass(SnapshotArchive(kept.opened(), snapshot=snapshot, paths=None, format=format_))

    with pytest.raises(ContentDamaged) as raised:
        list(complete)

    assert raised.value.path == b"b"
    with pytest.raises(ValueError, match="not complete"):
        complete.points  # noqa: B018  # the property raises
    assert not _threads()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_reader_that_goes_away_a_cancel_and_a_failure_leave_no_thread(
    world: World, format_: ArchiveFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cancelled(Exception):
        pass

    calls = iter(range(1000))

    def cancel() -> None:
        if next(calls) == 100:
            raise Cancelled

    def failing(*args, **options):
        raise StorageUnavailable("down")

    parts = pass_from(SnapshotArchive(world.kept.opened(), snapshot=world.snapshot, paths=None, format=format_))
    assert next(parts)
    parts.close()
    assert not _threads()
    options = {"snapshot": world.snapshot, "paths": None, "format": format_, "checkpoint": cancel}
    with pytest.raises(Cancelled):
        list(CompletePass(SnapshotArchive(world.kept.opened(), **options)))
    assert not _threads()
    parts = pass_from(SnapshotArchive(world.kept.opened(), snapshot=world.snapshot, paths=None, format=format_))
    monkeypatch.setattr(ChunkStore, "read_each", failing)
    with pytest.raises(StorageUnavailable):
        list(parts)
    assert not _threads()


def test_the_edition_is_that_of_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {format_: edition(format_) for format_ in FORMATS}
    monkeypatch.setattr("archives.deflate._LEVEL", 0)
    edition.cache_clear()
    after = {format_: edition(format_) for format_ in FORMATS}
    edition.cache_clear()

    assert after[ArchiveFormat.TAR_GZ] != before[ArchiveFormat.TAR_GZ]
    assert after[ArchiveFormat.TAR_ZST] == before[ArchiveFormat.TAR_ZST]


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(("export", "contents"))]
