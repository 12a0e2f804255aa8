"""The check of a file's content against the hashes taken from the source, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blake3 import blake3

from repository.chunked.maintenance.chunk_states import ChunkStates
from repository.chunked.manifest.records import Content, Extent, Record, blocks_in, parts_of
from trees.hashes import HASH_SIZE, FileHash, zero_hash

MIB = 1 << 20
HELD_BYTES = 24 * MIB
FETCHED = 8
_ZEROS = bytes(1 << 16)


def hash_fits(contents: Sequence[Content], size: int, header: int) -> bool:
    """Whether the hash of the whole file matches the hashes of its blocks."""
    whole = FileHash(size)
    for content, (start, stop) in zip(contents, parts_of(size, header), strict=True):
        if all(extent.chunk is not None for extent in content.runs()):
            whole.update(content.blocks)
            continue
        hashes = _pieces(content.blocks)
        for begin, end, hole in blocks_in(content, start, stop, header):
            whole.update(zero_hash(end - begin) if hole else next(hashes))
    return contents[-1].hash == whole.digest()


class ContentCheck:
    """Reassembles files; neighbours that share a chunk read it once."""

    def __init__(self, states: ChunkStates) -> None:
        self._states = states
        self._held: dict[bytes, bytes] = {}
        self._size = 0

    def fits(self, entry: Record, contents: Sequence[Content]) -> bool:
        """Whether a file's bytes match the hashes of its blocks; False also when a chunk does not open."""
        spans = parts_of(entry.size, entry.header)
        return all(
            self._part_fits(content, start, stop, entry.header)
            for content, (start, stop) in zip(contents, spans, strict=True)
        )

    def _part_fits(self, content: Content, start: int, stop: int, header: int) -> bool:
        hashes = _pieces(content.blocks)
        pieces = _Cut(self._bytes(content))
        for begin, end, hole in blocks_in(content, start, stop, header):
            block = blake3()
            for piece in pieces.take(end - begin):
                if piece is None:
                    return False
                block.update(piece)
            if not hole and block.digest() != next(hashes):
                return False
        return True

    def _bytes(self, content: Content) -> Iterator[memoryview | None]:
        """The part's bytes in order; None where a chunk cannot be read."""
        runs = list(content.runs())
        for number, extent in enumerate(runs):
            if extent.chunk is None:
                for left in range(extent.length, 0, -len(_ZEROS)):
                    yield memoryview(_ZEROS)[:left]
                continue
            plain = self._plain(extent.chunk, runs[number : number + FETCHED])
            if plain is None or extent.offset + extent.length > len(plain):
                yield None
                return
            yield memoryview(plain)[extent.offset : extent.offset + extent.length]

    def _plain(self, chunk: bytes, coming: list[Extent]) -> bytes | None:
        """A chunk, read in one batch with the chunks that are needed next."""
        if chunk not in self._held:
            if self._size > HELD_BYTES:
                self._held, self._size = {}, 0
            wanted = dict.fromkeys(run.chunk for run in coming if run.chunk is not None and run.chunk not in self._held)
            fresh = self._states.read(wanted)
            self._held.update(fresh)
            self._size += sum(map(len, fresh.values()))
        return self._held.get(chunk)


class _Cut:
    """Cuts a stream of pieces of any length into exact amounts."""

    def __init__(self, pieces: Iterator[memoryview | None]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def take(self, length: int) -> Iterator[memoryview | None]:
        """Pieces with that total length; None if the stream ends before."""
        while length:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    yield None
                    return
                self._rest = piece
            taken, self._rest = self._rest[:length], self._rest[length:]
            length -= len(taken)
            yield taken


def _pieces(hashes: bytes) -> Iterator[bytes]:
    return (hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE))
