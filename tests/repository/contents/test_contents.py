"""The contents of many files are read in order, ahead of need, each chunk once, and damage names its file."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from repository.chunked.contents import windows
from repository.chunked.contents.reading import Entry, contents_read, runs_read
from repository.chunked.manifest import records
from repository.chunked.manifest.records import Record
from repository.chunked.packs.fetching import ChunkStore
from repository.errors import ContentDamaged, ManifestInvalid
from repository.storage import StorageUnavailable
from tests.repository.restoring.trees import Kept, file, folder, write
from trees.chunk_run import ChunkRun
from trees.source import Kind

MIB = 1 << 20
NOISE = Random(3).randbytes(6_000_000)  # noqa: S311 - content to be told apart
SPARSE = NOISE[:100_000] + bytes(5_000_000) + NOISE[100_000:300_001] + bytes(70_000)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kept, bytes, Path]]:
    """A repository with parts of 1 MiB, so that a file has several."""
    source, kept = tmp_path_factory.mktemp("source"), Kept()
    write(source / "a" / "large", NOISE)
    write(source / "a" / "region.mca", NOISE[::-1])
    for number in range(40):
        write(source / "b" / f"{number:02}", NOISE[number * 1000 : number * 1500])
    with write(source / "sparse.mca", SPARSE[:100_000]).open("r+b") as opened:
        opened.seek(5_100_000)
        opened.write(NOISE[100_000:300_001])
        opened.truncate(len(SPARSE))
    os.link(source / "a" / "large", source / "name")
    (source / "link").symlink_to("sparse.mca")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "PART_SIZE", MIB)
        yield kept, kept.keep(source), source


def entries(kept: Kept, snapshot: bytes) -> list[Entry]:
    return list(kept.opened().manifest(snapshot).files())


def joined(pieces: Iterable[memoryview | int]) -> bytes:
    return b"".join(bytes(piece) if isinstance(piece, int) else piece for piece in pieces)


def read(kept: Kept, wanted: Iterable[Entry | None], **options) -> dict[bytes, bytes]:
    return {record.path: joined(pieces) for record, pieces in contents_read(kept.opened(), wanted, **options)}


@pytest.mark.parametrize("threads", [1, 3])
def test_every_file_has_its_bytes(world, threads: int) -> None:
    kept, snapshot, source = world
    found = entries(kept, snapshot)

    contents = read(kept, found, threads=threads)

    assert list(contents) == [record.path for record, _ in found]
    for record, _ in found:
        path = source / os.fsdecode(record.path)
        assert contents[record.path] == (path.read_bytes() if record.kind is Kind.FILE else b""), record.path
    assert any(parts for _, parts in found)


def test_holes_are_lengths(world) -> None:
    kept, snapshot, _ = world

    for record, pieces in contents_read(kept.opened(), entries(kept, snapshot)):
        if record.path == b"sparse.mca":
            holes = sum(piece for piece in pieces if isinstance(piece, int))

    assert 4_900_000 < holes < 5_080_000


@settings(max_examples=25, deadline=None)
@given(path=st.sampled_from([b"a/large", b"a/region.mca", b"sparse.mca"]), start=st.integers(0, 6_100_000))
def test_a_content_begins_at_any_offset(world, path: bytes, start: int) -> None:
    kept, snapshot, source = world
    found = entries(kept, snapshot)
    at = next(number for number, (record, _) in enumerate(found) if record.path == path)

    contents = read(kept, found[at:], start=start)

    assert contents[path] == (source / os.fsdecode(path)).read_bytes()[start:]
    assert contents[b"sparse.mca"] == SPARSE[start if path == b"sparse.mca" else 0 :]


def test_only_what_is_behind_the_offset_is_fetched(world, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, snapshot, _ = world
    found = [entry for entry in entries(kept, snapshot) if entry[0].path == b"a/region.mca"]
    fetched = chunks_counted(monkeypatch)
    read(kept, found)
    whole = {*fetched}
    fetched.clear()

    read(kept, found, start=5_500_000)

    # How many chunks the last tenth has depends on the key.
    assert {*fetched} < whole
    assert 1 <= len(fetched) <= len(whole) // 2


def test_a_chunk_that_files_share_is_fetched_once(world, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, snapshot, _ = world
    found = entries(kept, snapshot)
    reads, objects = [], kept.storage.read
    monkeypatch.setattr(kept.storage, "read", lambda *args, **options: reads.append(args) or objects(*args, **options))
    fetched = chunks_counted(monkeypatch)

    read(kept, found)

    assert len(fetched) == len(set(fetched)) > 10
    assert len([key for key, *_ in reads if "/packs/" in key]) <= len(fetched) // 2


def test_runs_in_sealed_payloads_have_the_bytes_of_every_file(world) -> None:
    kept, snapshot, source = world
    found = [entry for entry in entries(kept, snapshot) if entry[0].kind is Kind.FILE]
    repository = kept.opened()

    def unpacked(run: ChunkRun | int) -> bytes:
        if isinstance(run, int):
            return bytes(run)
        is_packed = len(run.payload) < run.size
        plain = zstandard.ZstdDecompressor().decompress(run.payload) if is_packed else run.payload
        assert len(plain) == run.size
        return plain[run.offset : run.offset + run.length]

    runs = list(runs_read(repository, found, chunks=repository.chunks()))

    assert any(isinstance(run, int) for run in runs)
    assert any(not isinstance(run, int) and len(run.payload) < run.size for run in runs)
    assert b"".join(map(unpacked, runs)) == b"".join(
        (source / os.fsdecode(record.path)).read_bytes() for record, _ in found
    )


def test_damage_below_a_run_names_its_file(world) -> None:
    kept, snapshot, _ = world
    found = [entry for entry in entries(kept, snapshot) if entry[0].path in (b"a/large", b"b/07")]
    repository = kept.opened()
    chunks = repository.chunks()
    lost, locate = found[0][1][0].content.ids[:32], chunks.index.find
    chunks.index = SimpleNamespace(
        find=lambda chunk: replace(locate(chunk), offset=0) if chunk == lost else locate(chunk),
        places=lambda _: [],
        spoil=lambda *_: None,
    )
    chunks._index_now = lambda: chunks.index

    reading = runs_read(repository, found, chunks=chunks)

    with pytest.raises(ContentDamaged) as damage:
        list(reading)
    assert damage.value.path == b"a/large"


def test_windows_in_a_row_share_a_chunk(world, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, snapshot, source = world
    found = [entry for entry in entries(kept, snapshot) if entry[0].path.startswith(b"b/")]
    monkeypatch.setattr(windows, "WINDOW_STEPS", 6)
    fetched = chunks_counted(monkeypatch)

    contents = read(kept, found)

    assert len(fetched) == len(set(fetched)) <= 2
    assert all(contents[b"b/%02d" % n] == (source / "b" / f"{n:02}").read_bytes() for n in range(40))


def test_no_more_is_held_than_the_windows(world, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first piece is used, two threads hold one window each, and two more are in use or wait."""
    kept, snapshot, _ = world
    monkeypatch.setattr(windows, "WINDOW_BYTES", MIB)
    fetched: list[int] = []
    fetch = windows._Window.fetch

    def counting(self: windows._Window, chunks: ChunkStore, **options) -> windows._Window:
        fetched.append(sum(chunk.size for chunk in self.chunks.values()))
        return fetch(self, chunks, **options)

    monkeypatch.setattr(windows._Window, "fetch", counting)
    reading = contents_read(kept.opened(), (entry for entry in entries(kept, snapshot) if entry[0].kind is Kind.FILE))
    _, pieces = next(reading)
    assert next(pieces)
    reading.close()

    assert 2 <= len(fetched) <= 4
    assert all(0 < size <= 2 * MIB for size in fetched)


def test_a_pause_is_waited_for_only_when_everything_is_delivered(world) -> None:
    kept, snapshot, _ = world
    found = [entry for entry in entries(kept, snapshot) if entry[0].kind is Kind.FILE]
    delivered: list[bytes] = []
    asked: list[int] = []

    def wanted() -> Iterator[Entry | None]:
        for number, entry in enumerate(found):
            yield entry
            if number % 3 == 2:
                yield None
                asked.append(number)
                assert len(delivered) == number + 1

    for record, pieces in contents_read(kept.opened(), wanted()):
        assert len(joined(pieces)) == record.size
        delivered.append(record.path)

    assert delivered == [record.path for record, _ in found]
    assert len(asked) > 10


def test_an_error_of_the_entries_comes_in_its_place(world) -> None:
    kept, snapshot, _ = world
    found = entries(kept, snapshot)
    delivered: list[bytes] = []

    def failing() -> Iterator[Entry]:
        yield from found[:9]
        raise ManifestInvalid("the tenth")

    def take() -> None:
        for record, pieces in contents_read(kept.opened(), failing()):
            joined(pieces)
            delivered.append(record.path)

    with pytest.raises(ManifestInvalid, match="the tenth"):
        take()

    assert delivered == [record.path for record, _ in found[:9]]


def test_damage_names_its_file_and_the_others_are_read(tmp_path: Path) -> None:
    kept = Kept()
    for name in ("a", "b", "c"):
        write(tmp_path / name, Random(name).randbytes(3_000_000))  # noqa: S311 - content to be told apart
    snapshot = kept.keep(tmp_path)
    found = entries(kept, snapshot)
    kept.spoil(list(found[2][0].content.chunk_ids())[-1])
    contents: dict[bytes, bytes] = {}
    damaged: list[bytes] = []
    left: list[memoryview | int] = []

    for record, pieces in contents_read(kept.opened(), found):
        try:
            contents[record.path] = joined(pieces)
        except ContentDamaged as error:
            damaged.append(error.path)
            left += list(pieces)

    assert left == []
    assert damaged == [b"b"]
    assert contents == {b"": b"", b"a": (tmp_path / "a").read_bytes(), b"c": (tmp_path / "c").read_bytes()}
    assert [key for key in kept.storage.objects if "/damaged/" in key]


def test_extents_that_do_not_give_the_blocks_are_damage() -> None:
    """The chunks are valid, but the extents assemble them wrongly."""
    kept = Kept()
    whole = kept.keep_records([folder(b""), file(b"a", NOISE[:100_000])])
    found = next(record for record, _ in kept.opened().manifest(whole).files() if record.path == b"a")
    ids = found.content.ids
    wrong = {
        b"beyond": found.content._replace(extents=(100_000, 0, 1)),
        b"missing": found.content._replace(ids=bytes(32)),
        b"swapped": found.content._replace(extents=(50_000, 0, 50_000, 50_000, 0, 0)),
        b"twice": found.content._replace(ids=ids + ids, extents=(70_000, 0, 0, 30_000, 1, 0)),
    }
    files = [found._replace(path=path, content=content) for path, content in wrong.items()]
    snapshot = kept.keep_records([folder(b""), *files])
    damaged = []

    for record, pieces in contents_read(kept.opened(), entries(kept, snapshot)):
        try:
            joined(pieces)
        except ContentDamaged as error:
            damaged.append((record.path, error.path))

    assert damaged == [(path, path) for path in sorted(wrong)]


def test_chunks_stored_since_the_index_was_read_are_found(tmp_path: Path) -> None:
    kept = Kept()
    repository = kept.opened()
    earlier = repository.chunks()
    write(tmp_path / "a", NOISE)
    found = entries(kept, kept.keep(tmp_path))

    contents = {record.path: joined(pieces) for record, pieces in contents_read(repository, found, chunks=earlier)}

    assert contents[b"a"] == NOISE


def test_pieces_that_are_not_taken_are_skipped(world) -> None:
    kept, snapshot, source = world
    found = entries(kept, snapshot)
    seen: list[Record] = []

    for record, pieces in contents_read(kept.opened(), found):
        seen.append(record)
        if record.path == b"a/region.mca":
            assert len(next(pieces)) > 0
        if record.path == b"b/39":
            assert joined(pieces) == (source / "b" / "39").read_bytes()

    assert seen == [record for record, _ in found]


def test_a_failure_of_the_storage_and_a_cancel_end_all_threads(world, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, snapshot, _ = world
    found = entries(kept, snapshot)

    def failing(*args, **options):
        raise StorageUnavailable("down")

    class Cancelled(Exception):
        pass

    calls = iter(range(60))

    def cancel() -> None:
        if next(calls) == 50:
            raise Cancelled

    with pytest.raises(Cancelled):
        read(kept, found, checkpoint=cancel)
    monkeypatch.setattr(ChunkStore, "read_each", failing)
    with pytest.raises(StorageUnavailable):
        read(kept, found)

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("contents")]


def chunks_counted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The chunks of files that are fetched from now on."""
    fetched: list[bytes] = []
    fetch = ChunkStore.read_each

    def counting(self: ChunkStore, span, **options):
        if threading.current_thread().name.startswith("contents"):
            fetched.extend(chunk for chunk, _ in span.chunks)
        return fetch(self, span, **options)

    monkeypatch.setattr(ChunkStore, "read_each", counting)
    return fetched
