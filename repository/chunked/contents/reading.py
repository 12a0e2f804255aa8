"""Reads the contents of files of a snapshot one after the other, with the packs read ahead."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from repository.checkpoint import Checkpoint, go_on
from repository.chunked.contents.blocks import BlockCheck, block_check
from repository.chunked.contents.selection import Entry
from repository.chunked.contents.windows import Begin, End, Run, Step, Windows
from repository.chunked.manifest.records import Record
from repository.chunked.packs.fetching import ChunkStore
from repository.chunked.repository import Repository
from repository.errors import ContentDamaged, Damage
from trees.chunk_run import ChunkRun

__all__ = ["Entry", "contents_read"]

Piece = memoryview | int
"""The next bytes of a file, or the length of a hole."""


def contents_read(
    repository: Repository,
    entries: Iterable[Entry | None],
    *,
    chunks: ChunkStore | None = None,
    start: int = 0,
    threads: int = 2,
    checkpoint: Checkpoint = go_on,
) -> Generator[tuple[Record, Iterator[Piece]], None, None]:
    """Yield each entry's record with the pieces of its content.

    Entries are those of a manifest, in its order for speed: other orders fetch chunks more than once. An entry that is
    no file has no content. None between entries says that no more of them come before the content of those so far has
    been taken: until then the next entry is not requested, while normally entries are requested ahead of need.

    Pieces that are not taken are skipped. Every chunk and block is verified; a piece ends in at most one block whose
    rest is still to come. `start` is an offset in the first entry's file, at which its content begins. `threads`
    threads read ahead, each up to 8 MiB of chunks; twice as much is in use or waits. `checkpoint` raises to end the
    work.

    The pieces of a damaged file raise `ContentDamaged` with its path, and the next entry can be requested. Raises
    `StorageError`, and any error of `entries` in its place. Closing the generator ends its threads.
    """
    chunks = chunks or repository.chunks()
    with _threads(repository, threads) as pool:
        windows = Windows(chunks, entries, start=start, pool=pool, ahead=threads + 1)
        steps = windows.steps(checkpoint)
        while isinstance(step := next(steps, None), Begin):
            content = _Content(step.record.path, steps)
            yield step.record, content
            content.skip()


def runs_read(
    repository: Repository,
    entries: Iterable[Entry],
    *,
    chunks: ChunkStore,
    threads: int = 2,
    checkpoint: Checkpoint = go_on,
) -> Generator[ChunkRun | int, None, None]:
    """Yield the contents of the files, one behind the other, as runs in sealed payloads, and as the lengths of holes.

    Chunks are decrypted, which shows every change of what was sealed, but neither decompressed nor compared with their
    ids: the receiver has to check the hashes of the files. Otherwise as `contents_read`: a damaged file raises
    `ContentDamaged` with its path, and ends the reading.
    """
    path = b""
    with _threads(repository, threads) as pool:
        for step in Windows(chunks, entries, pool=pool, ahead=threads + 1, unpack=False).steps(checkpoint):
            if isinstance(step, Begin):
                path = step.record.path
            elif isinstance(step, Run):
                try:
                    yield _chunk_run(step)
                except Damage as error:
                    raise ContentDamaged(path, str(error)) from error


@contextmanager
def _threads(repository: Repository, count: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(count, thread_name_prefix="contents")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        repository.damage.settle()


class _Content:
    """The pieces of one entry."""

    def __init__(self, path: bytes, steps: Iterator[Step]) -> None:
        self._path = path
        self._steps = steps
        self._ended = False

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        while not self._ended:
            step = self._next()
            if isinstance(step, Run):
                try:
                    piece = _piece(step)
                except Damage as error:
                    self.skip()
                    raise ContentDamaged(self._path, str(error)) from error
                if piece:
                    return piece
        raise StopIteration

    def skip(self) -> None:
        """Leave out the rest."""
        while not self._ended:
            self._next()

    def _next(self) -> Step:
        step = next(self._steps, None)
        if step is None:
            raise RuntimeError("the reading has failed or was closed")
        self._ended = isinstance(step, End)
        return step


def _chunk_run(run: Run) -> ChunkRun | int:
    """A run of a whole file's content, or the length of a hole; raises `Damage`."""
    chunk = run.chunk
    if chunk is None:
        return run.length
    return ChunkRun(chunk.chunk, chunk.size, chunk.taken(stop=run.offset + run.length), run.offset, run.length)


def _piece(run: Run) -> Piece:
    """The checked bytes of a run, or the length of a hole; raises `Damage`."""
    check, chunk, offset, length, skipped = run
    if chunk is None:
        if isinstance(check, BlockCheck):
            check.take_hole(length)
        return length - skipped
    piece = memoryview(chunk.taken(stop=offset + length))[offset : offset + length]
    if isinstance(check, BlockCheck):
        check.take(piece)
    else:
        block_check(piece, check)
    return piece[skipped:] if skipped else piece
