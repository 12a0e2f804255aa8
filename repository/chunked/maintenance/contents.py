"""The check of a file's content against the hashes taken from the source, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from repository.chunked.contents.blocks import BlockCheck
from repository.chunked.maintenance.chunk_states import ChunkStates
from repository.chunked.manifest.records import Content, Extent, Record, blocks_in, parts_of
from repository.errors import ObjectDamaged
from trees.hashes import HASH_SIZE, FileHash, zero_hash

MIB = 1 << 20
HELD_BYTES = 24 * MIB
FETCHED = 8


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
        check = BlockCheck(content, start=start, stop=stop, header=header)
        runs = list(content.runs())
        try:
            for number, extent in enumerate(runs):
                if extent.chunk is None:
                    check.take_hole(extent.length)
                    continue
                plain = self._plain(extent.chunk, runs[number : number + FETCHED])
                if plain is None or extent.offset + extent.length > len(plain):
                    return False
                check.take(memoryview(plain)[extent.offset : extent.offset + extent.length])
        except ObjectDamaged:
            return False
        return True

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


def _pieces(hashes: bytes) -> Iterator[bytes]:
    return (hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE))
