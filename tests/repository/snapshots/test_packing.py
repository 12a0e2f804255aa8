"""Packs that several threads fill, and the failure of one of these threads."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any, Self

import pytest

from demo.comparison import digest
from repository.chunked.chunks.chunk import ChunkCipher, ChunkType, Compression, Compressor, Location, block_hashes
from repository.chunked.index.index import Index
from repository.chunked.manifest import records, stream
from repository.chunked.objects import INDEX, PACKS
from repository.chunked.pack_layout import directory_read, header
from repository.chunked.packs import writing
from repository.chunked.packs.writing import ChunkWriter, PackQueue
from repository.chunked.snapshots import assembly
from repository.chunked.snapshots.cutting import GRID_SIZE
from tests.repository.snapshots.kept import Kept
from tests.repository.snapshots.trees import edit, kept_picture, picture, region
from trees.local.file import LocalFile
from trees.local.tree import LocalTree
from trees.source import SourceEntry, SourceGone

KIB = 1 << 10


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PACK_SIZE", 256 * KIB)
    monkeypatch.setattr(writing, "MANIFEST_PACK_SIZE", 4 * KIB)


@pytest.mark.usefixtures("small_packs")
@pytest.mark.parametrize("threads", [1, 4])
def test_a_seal_that_fails_ends_the_snapshot(kept: Kept, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        (kept.root / f"{number}.zip").write_bytes(Random(number).randbytes(200_000))  # noqa: S311
    seal, sealed, fail_at = ChunkCipher.seal_into, 0, 0
    lock = threading.Lock()

    def failing(cipher: ChunkCipher, *given: Any, **named: Any) -> None:
        nonlocal sealed
        with lock:
            sealed += 1
            hit = fail_at and sealed >= fail_at
        if hit:
            raise MemoryError
        seal(cipher, *given, **named)

    monkeypatch.setattr(ChunkCipher, "seal_into", failing)
    empty = dict(kept.storage.objects)
    kept.snapshot()
    for at in range(1, sealed + 1):
        kept.storage.objects = dict(empty)
        sealed, fail_at = 0, at
        with pytest.raises(MemoryError):
            kept.snapshot(threads=threads)
        assert kept.listed() == set()
        fail_at = 0
        root = kept.snapshot()
        assert kept_picture(kept.opened(), root.snapshot) == picture(kept.root)


def queue_of(kept: Kept) -> PackQueue:
    repository = kept.opened()
    stored = writing._Stored(Index.load(repository.objects), set())
    return PackQueue(repository.objects, head=header(repository.cipher.suite), size=1000, stored=stored)


def test_thread_waiting_for_a_buffer_gets_the_failure(kept: Kept) -> None:
    queue = queue_of(kept)
    for _ in range(writing.BUFFERS):  # each takes a buffer for a pack that never completes
        queue.reserve(900)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(queue.reserve, 900) for _ in range(2)]
        queue.fail(MemoryError())
        for found in waiting:
            with pytest.raises(MemoryError):
                found.result(timeout=10)
    with pytest.raises(MemoryError):
        queue.finish()
    queue.end()


def test_a_chunk_larger_than_a_pack_has_one_of_its_own(kept: Kept) -> None:
    queue = queue_of(kept)
    for number, size in enumerate((500, 5000, 500)):
        pack, offset, room = queue.reserve(size)
        room[:] = bytes([number]) * size
        place = Location(pack.name, offset, size, size, ChunkType.DATA, Compression.NONE)
        queue.written(pack, (bytes([number]) * 32, place))
    queue.finish()
    queue.end()
    objects = kept.opened().objects
    assert sorted(len(directory_read(objects, pack, size)) for pack, size in objects.list(PACKS)) == [1, 1, 1]


@pytest.mark.usefixtures("small_packs")
def test_many_threads_store_a_chunk_once(kept: Kept) -> None:
    repository = kept.opened()
    writer = ChunkWriter(repository.objects, repository.cipher, Index.load(repository.objects))
    datas = [Random(number).randbytes(5000) for number in range(200)]  # noqa: S311
    start = threading.Barrier(8)

    def store_all(seed: int) -> set[bytes]:
        start.wait(10)
        compressor = Compressor()
        shuffled = Random(seed).sample(datas, len(datas))  # noqa: S311
        views = [memoryview(data) for data in shuffled]
        return {writer.store(ChunkType.DATA, view, block_hashes(view), compressor) for view in views}

    with ThreadPoolExecutor(8) as pool:
        named = set().union(*pool.map(store_all, range(8)))
    writer.finish()
    writer.end()
    assert writer.added_bytes == 200 * 5000
    assert kept.copies() == dict.fromkeys(named, 1)
    chunks = kept.opened().chunks()
    assert {chunks.read(chunk) for chunk in named} == set(datas)


def test_tiny_chunks_fill_no_directory_and_no_memory(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "CHUNKS_PER_PACK", 16)
    monkeypatch.setattr(writing, "CHUNKS_PER_INDEX", 64)
    path = kept.root / "holes.bin"
    path.touch()
    os.truncate(path, 400 * GRID_SIZE)
    for number in range(400):
        edit(path, number * GRID_SIZE, b"%04d" % number)
    root = kept.snapshot()
    objects = kept.opened().objects
    sizes = [len(directory_read(objects, pack, size)) for pack, size in objects.list(PACKS)]
    assert max(sizes) <= 16
    assert len(list(objects.list(INDEX))) >= 400 // 80
    assert kept_picture(kept.opened(), root.snapshot) == picture(kept.root)


def test_pieces_between_holes_share_a_chunk(kept: Kept) -> None:
    path = kept.root / "holes.bin"
    path.touch()
    os.truncate(path, 2 * GRID_SIZE)
    for number in range(32):
        edit(path, number * (GRID_SIZE // 16), b"%04d" % number)
    root = kept.snapshot()
    assert root.added_bytes < GRID_SIZE
    objects = kept.opened().objects
    held = [entry for pack, size in objects.list(PACKS) for entry in directory_read(objects, pack, size)]
    assert sum(at.type is ChunkType.DATA for _, at in held) == 2
    assert kept_picture(kept.opened(), root.snapshot) == picture(kept.root)


@pytest.mark.usefixtures("small_packs")
def test_a_lost_files_chunk_that_another_one_names_is_waited_for(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (records, stream, assembly):
        monkeypatch.setattr(module, "PART_SIZE", 256 * KIB)
    content = region(8 * KIB + 512 * KIB, Random(1))  # noqa: S311
    (kept.root / "a lost.mca").write_bytes(content)
    (kept.root / "b twin.mca").write_bytes(content)
    second = content[8 * KIB + 256 * KIB :]
    storing, finished = threading.Event(), threading.Event()
    payload, finish = Compressor.payload, ChunkWriter.finish

    def slow(compressor: Compressor, plain: memoryview) -> Any:
        if plain == second and not storing.is_set():
            storing.set()
            finished.wait(1)  # the snapshot completes early if it does not wait for this
        return payload(compressor, plain)

    def finishing(writer: ChunkWriter) -> None:
        finished.set()
        finish(writer)

    monkeypatch.setattr(Compressor, "payload", slow)
    monkeypatch.setattr(ChunkWriter, "finish", finishing)

    class Lost(LocalTree):
        def open(self, entry: SourceEntry, *, in_place: bool, span: tuple[int, int] | None = None) -> LocalFile:
            file = super().open(entry, in_place=in_place)
            return _Gone(file, storing) if entry.path == b"a lost.mca" and in_place else file  # type: ignore[return-value]

    root = kept.snapshot(source=Lost(kept.root))
    assert storing.is_set()
    assert root.skipped == 1
    assert kept_picture(kept.opened(), root.snapshot)[b"b twin.mca"].content == digest(content)


class _Gone:
    """A file that turns unreadable while its second part is being stored."""

    def __init__(self, file: LocalFile, storing: threading.Event) -> None:
        self._file = file
        self._storing = storing

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(self, *said: object) -> None:
        self._file.__exit__(*said)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def readinto(self, view: memoryview, offset: int) -> int:
        if offset == 0:
            assert self._storing.wait(10)
            raise SourceGone("gone")
        return self._file.readinto(view, offset)


def test_range_that_becomes_a_hole_during_its_check_leaves_no_trace(kept: Kept) -> None:
    path = kept.root / "a.db"
    path.touch()
    os.truncate(path, 3 << 20)
    edit(path, 1 << 20, b"data" * 1024)

    class Punched(LocalTree):
        def open(self, entry: SourceEntry, *, in_place: bool, span: tuple[int, int] | None = None) -> LocalFile:
            file = super().open(entry, in_place=in_place)
            ranges = file.data_ranges

            def with_empty(start: int, stop: int) -> Any:
                for low, high in ranges(start, stop):
                    yield low, high
                    if high < stop:
                        yield high, high

            file.data_ranges = with_empty  # type: ignore[method-assign]
            return file

    root = kept.snapshot(source=Punched(kept.root))
    assert kept_picture(kept.opened(), root.snapshot) == picture(kept.root)
