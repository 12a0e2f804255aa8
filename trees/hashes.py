"""The hash of a file's content: over its size and the hashes of its blocks, which a snapshot's manifest has."""

from __future__ import annotations

from typing import Final

from blake3 import blake3

BLOCK_SIZE: Final = 1 << 16
HASH_SIZE: Final = 32

_ZERO_BLOCK: Final = blake3(bytes(BLOCK_SIZE)).digest()
_ZEROS: Final = memoryview(bytes(BLOCK_SIZE))
_BLOCKS_AT_ONCE: Final = 1024


class FileHash:
    """The hash of a whole file, from its size and the hashes of its blocks."""

    def __init__(self, size: int) -> None:
        self._hash = blake3(size.to_bytes(8, "big"))

    def update(self, hashes: bytes) -> None:
        """Add the hashes of the next blocks, those in holes included."""
        self._hash.update(hashes)

    def digest(self) -> bytes:
        """The hash; 32 bytes."""
        return self._hash.digest()


def zero_hash(size: int) -> bytes:
    """The hash of a block of zeros of that size."""
    return _ZERO_BLOCK if size == BLOCK_SIZE else blake3(bytes(size)).digest()


class ContentHash:
    """The hash of a whole file, from its bytes in order; blocks begin behind a header of `header` bytes (0: none).

    More bytes than `size` raise ValueError.
    """

    def __init__(self, size: int, *, header: int) -> None:
        self._whole = FileHash(size)
        self._behind = size
        self._need = 0
        self._block: blake3 | None = None
        self._begin_block(header or BLOCK_SIZE)

    def update(self, piece: memoryview) -> None:
        """Add the next bytes."""
        if self._block is None and len(piece) == self._need != 0:  # as for most files, which are one block
            self._whole.update(blake3(piece).digest())
            self._begin_block(BLOCK_SIZE)
            return
        hashes, at = [], 0
        while at < len(piece):
            if not self._need:
                raise ValueError("a file has more bytes than its size")
            part = piece[at : at + self._need]
            at += len(part)
            if self._block is None and len(part) == self._need:
                hashes.append(blake3(part).digest())
            else:
                block = self._block = self._block or blake3()
                block.update(part)
                self._need -= len(part)
                if self._need:
                    continue
                hashes.append(block.digest())
                self._block = None
            self._begin_block(BLOCK_SIZE)
        self._whole.update(b"".join(hashes))

    def hole(self, length: int) -> None:
        """Add so many zeros, at next to no cost for whole blocks."""
        while length:
            if self._block is None and self._need == BLOCK_SIZE <= length:
                count = min(length // BLOCK_SIZE, 1 + self._behind // BLOCK_SIZE, _BLOCKS_AT_ONCE)
                self._whole.update(_ZERO_BLOCK * count)
                self._behind -= (count - 1) * BLOCK_SIZE
                self._begin_block(BLOCK_SIZE)
                length -= count * BLOCK_SIZE
            else:
                part = _ZEROS[: min(length, self._need)]
                length -= len(part)
                self.update(part)

    def digest(self) -> bytes:
        """The hash, once all bytes were added; 32 bytes."""
        return self._whole.digest()

    def _begin_block(self, size: int) -> None:
        self._need = min(size, self._behind)
        self._behind -= self._need


def file_hash(size: int, hashes: bytes) -> bytes:
    """The hash of a whole file, given the hashes of all its blocks at once; 32 bytes."""
    return blake3(size.to_bytes(8, "big") + hashes).digest()
