"""Reading any range of a file in a snapshot fetches only the chunks of that range."""

from __future__ import annotations

import io
import os
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repository.chunked.manifest import records
from repository.chunked.packs.fetching import ChunkStore
from repository.chunked.restoring import reading
from repository.chunked.restoring.reading import file_open
from repository.errors import Damage, ManifestInvalid, ObjectDamaged, PathNotFound
from tests.repository.restoring.trees import Kept, file, folder, write

LARGE = Random(17).randbytes(5_000_000)  # noqa: S311 - content to be told apart
SPARSE = LARGE[:100_000] + bytes(900_000) + LARGE[100_000:300_001]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Kept, bytes]:
    """A repository with parts of 1 MiB, so that a file has several."""
    source, kept = tmp_path_factory.mktemp("source"), Kept()
    write(source / "large", LARGE)
    write(source / "region.mca", LARGE[::-1])
    with write(source / "sparse.mca", LARGE[:100_000]).open("r+b") as opened:
        opened.seek(1_000_000)
        opened.write(LARGE[100_000:300_001])
        opened.truncate(2_000_000)
    write(source / "empty", b"")
    write(source / "folder" / "small", b"small")
    os.link(source / "large", source / "name")
    (source / "link").symlink_to("large")
    return kept, kept.keep(source)


CONTENT = {
    b"large": LARGE,
    b"region.mca": LARGE[::-1],
    b"sparse.mca": SPARSE + bytes(2_000_000 - len(SPARSE)),
    b"empty": b"",
    b"folder/small": b"small",
    b"name": LARGE,
}


@pytest.mark.parametrize("path", CONTENT)
def test_a_file_is_read_whole(kept: tuple[Kept, bytes], path: bytes) -> None:
    with file_open(kept[0].opened(), snapshot=kept[1], path=path) as opened:
        assert opened.read() == CONTENT[path]
        assert (opened.read(), opened.tell(), opened.read(5)) == (b"", len(CONTENT[path]), b"")


@settings(max_examples=80)
@given(
    path=st.sampled_from(list(CONTENT)),
    ranges=st.lists(st.tuples(st.integers(0, 5_100_000), st.integers(0, 700_000)), min_size=1, max_size=4),
)
def test_any_range_has_the_file_bytes_there(kept, path: bytes, ranges: list[tuple[int, int]]) -> None:
    reference = io.BytesIO(CONTENT[path])
    with io.BufferedReader(file_open(kept[0].opened(), snapshot=kept[1], path=path), 8192) as opened:
        for start, length in ranges:
            assert opened.seek(start) == reference.seek(start)
            assert opened.read(length) == reference.read(length)


def test_seeking(kept: tuple[Kept, bytes]) -> None:
    opened = file_open(kept[0].opened(), snapshot=kept[1], path=b"large")

    assert (opened.seek(-10, os.SEEK_END), opened.read()) == (len(LARGE) - 10, LARGE[-10:])
    assert (opened.seek(5), opened.seek(-2, os.SEEK_CUR), opened.read(4)) == (5, 3, LARGE[3:7])
    with pytest.raises(ValueError, match="negative"):
        opened.seek(-1)
    assert (opened.readable(), opened.seekable(), opened.writable()) == (True, True, False)
    opened.close()
    with pytest.raises(ValueError, match="closed"):
        opened.read(1)


@pytest.mark.parametrize("path", [b"", b"nothing", b"folder", b"link", b"large/x", b"folder/", b"../large"])
def test_what_is_no_file_is_not_found(kept: tuple[Kept, bytes], path: bytes) -> None:
    with pytest.raises(PathNotFound):
        file_open(kept[0].opened(), snapshot=kept[1], path=path)


def test_only_the_chunks_of_a_range_are_fetched_and_once(
    kept: tuple[Kept, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = file_open(kept[0].opened(), snapshot=kept[1], path=b"region.mca")
    fetched: list[bytes] = []
    read = ChunkStore.read_span

    def counting(self: ChunkStore, span):
        fetched.extend(chunk for chunk, _ in span.chunks)
        return read(self, span)

    monkeypatch.setattr(ChunkStore, "read_span", counting)
    for at in range(2_000_000, 2_000_400, 100):
        opened.seek(at)
        assert opened.read(100) == LARGE[::-1][at : at + 100]

    assert len(fetched) == 1


def test_no_more_is_held_than_that(kept: tuple[Kept, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "HELD_MAX", 3 << 20)
    opened = file_open(kept[0].opened(), snapshot=kept[1], path=b"region.mca")

    for at in range(0, len(LARGE), 100_000):
        opened.seek(at)
        opened.read(10)
        held = sum(map(len, opened._held.values()))
        assert held == opened._held_bytes <= 3 << 20
    assert opened.readall() == LARGE[::-1][at + 10 :]


def test_a_chunk_that_is_damaged_is_not_given_out(tmp_path: Path) -> None:
    kept = Kept()
    write(tmp_path / "large", LARGE)
    snapshot = kept.keep(tmp_path)
    found = next(record for record, _ in kept.opened().manifest(snapshot).files() if record.path == b"large")
    last = list(found.content.chunk_ids())[-1]
    kept.spoil(last)
    with file_open(kept.opened(), snapshot=snapshot, path=b"large") as opened:
        assert opened.read(1000) == LARGE[:1000]
        with pytest.raises(Damage):
            opened.readall()


def test_extents_that_do_not_give_the_blocks_are_found() -> None:
    """The chunks are valid, but the extents assemble them wrongly."""
    kept = Kept()
    whole = kept.keep_records([folder(b""), file(b"a", LARGE[:100_000])])
    found = next(record for record, _ in kept.opened().manifest(whole).files() if record.path == b"a")
    assert found.content is not None
    swapped = found._replace(content=found.content._replace(extents=(50_000, 0, 50_000, 50_000, 0, 0)))
    beyond = found._replace(content=found.content._replace(extents=(100_000, 0, 1)))

    with file_open(kept.opened(), snapshot=kept.keep_records([folder(b""), swapped]), path=b"a") as opened:
        with pytest.raises(ObjectDamaged):
            opened.read()
        assert opened.seek(0) == 0
    opened = file_open(kept.opened(), snapshot=kept.keep_records([folder(b""), beyond]), path=b"a")
    with pytest.raises(ManifestInvalid):
        opened.read()


def test_a_file_of_several_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges, restores and deltas cross the borders of parts."""
    monkeypatch.setattr(records, "PART_SIZE", 1 << 20)
    kept, source, target = Kept(), tmp_path / "source", tmp_path / "target"
    write(source / "large", LARGE)
    write(source / "region.mca", LARGE[::-1])
    with write(source / "sparse.mca", LARGE[:100_000]).open("r+b") as sparse:
        sparse.truncate(7_000_000)
    snapshot = kept.keep(source)
    assert any(parts for _, parts in kept.opened().manifest(snapshot).files())

    for path, content in ((b"large", LARGE), (b"region.mca", LARGE[::-1])):
        opened = io.BufferedReader(file_open(kept.opened(), snapshot=snapshot, path=path))
        for at in ((1 << 20) - 5, (2 << 20) + 8185, 0, 4_999_999):
            opened.seek(at)
            assert opened.read(1_100_000) == content[at : at + 1_100_000]
    kept.restore(snapshot, target)
    for name in ("large", "region.mca", "sparse.mca"):
        assert (target / name).read_bytes() == (source / name).read_bytes()
        assert (target / name).stat().st_blocks == (source / name).stat().st_blocks
    with (target / "region.mca").open("r+b") as live:
        live.seek(3_500_000)
        live.write(b"changed")
    report = kept.restore(snapshot, target)
    assert (report.files_written, report.files_kept) == (1, 2)
    assert report.bytes_written <= 65_536
    assert (target / "region.mca").read_bytes() == LARGE[::-1]
    with (target / "sparse.mca").open("r+b") as live:
        live.seek(6_500_000)
        live.write(b"in a hole")
    assert kept.restore(snapshot, target).bytes_written == 0
    assert (target / "sparse.mca").read_bytes() == (source / "sparse.mca").read_bytes()
