"""The check of a file's bytes, in order, against the hashes of its blocks."""

from __future__ import annotations

from blake3 import blake3

from repository.chunked.manifest.records import Content, blocks_in
from repository.errors import ObjectDamaged
from trees.hashes import HASH_SIZE

_ZEROS = memoryview(bytes(1 << 16))


class BlockCheck:
    """Checks a part of a file from `start` to `stop`. Every byte is given once, as data or as part of a hole."""

    def __init__(self, content: Content, *, start: int, stop: int, header: int) -> None:
        self._hashes = content.blocks
        self._next_hash = 0
        self._blocks = blocks_in(content, start, stop, header)
        self._is_hole = False
        self._left = 0
        self._hash: blake3 | None = None

    def skip(self, offset: int) -> int:
        """Leave out the whole blocks before an offset in the file; return the start of the block that contains it.

        To be called before the first byte is given.
        """
        for begin, end, is_hole in self._blocks:
            if offset < end:
                self._left, self._is_hole = end - begin, is_hole
                return begin
            self._next_hash += 0 if is_hole else HASH_SIZE
        return offset

    def take(self, view: memoryview) -> None:
        """Check the next bytes, as far as they end blocks; raises `ObjectDamaged`."""
        while view:
            piece = self._piece(view)
            if self._hash is None and not self._left:  # a whole block, as most are
                block_check(piece, self._expected())
            else:
                self._update(piece)
            view = view[len(piece) :]

    def take_hole(self, length: int) -> None:
        """Check the next `length` bytes, which are zeros; raises `ObjectDamaged`."""
        while length:
            if not self._left:
                self._begin()
            taken = min(length, self._left)
            self._left -= taken
            if not self._is_hole:
                self._update(_ZEROS[:taken])
            length -= taken

    def _piece(self, view: memoryview) -> memoryview:
        if not self._left:
            self._begin()
        piece = view[: self._left]
        self._left -= len(piece)
        return piece

    def _begin(self) -> None:
        begin, end, self._is_hole = next(self._blocks)
        self._left = end - begin

    def _update(self, piece: memoryview) -> None:
        self._hash = self._hash or blake3()
        self._hash.update(piece)
        if not self._left:
            digest, self._hash = self._hash.digest(), None
            _compare(digest, self._expected())

    def _expected(self) -> bytes:
        at, self._next_hash = self._next_hash, self._next_hash + HASH_SIZE
        return self._hashes[at : at + HASH_SIZE]


def block_check(block: memoryview, expected: bytes) -> None:
    """Compare the bytes of a whole block with its hash; raises `ObjectDamaged`."""
    _compare(blake3(block).digest(), expected)


def _compare(digest: bytes, expected: bytes) -> None:
    if digest != expected:
        raise ObjectDamaged("a block of a file differs from the bytes read for the backup")
