"""The content of a restored file: written to the disk, read back, and hashed as the listing of the backup says."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Protocol

from isal import isal_zlib

from trees.hashes import ContentHash
from wire.listing import Entry

PIECE_BYTES = 1 << 20
_ZEROS = memoryview(bytes(PIECE_BYTES))


class Digest(Protocol):
    """The hash of a file's content, from its bytes in order."""

    def update(self, piece: memoryview, /) -> None:
        """Add the next bytes. Raises ValueError for more than the file has."""
        ...

    def hole(self, length: int, /) -> None:
        """Add so many zeros."""
        ...


class Crc32:
    """The CRC-32 of a file of an archive."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, piece: memoryview) -> None:
        """Add the next bytes."""
        self.value = isal_zlib.crc32(piece, self.value)

    def hole(self, length: int) -> None:
        """Add so many zeros."""
        while length:
            part = min(length, PIECE_BYTES)
            self.update(_ZEROS[:part])
            length -= part


def digest_of(entry: Entry) -> Crc32 | ContentHash:
    """An empty hash, of the kind that the listing has of this file."""
    return ContentHash(entry.size, header=entry.header) if entry.hash else Crc32()


def digest_matches(digest: Crc32 | ContentHash, entry: Entry) -> bool:
    """Whether the hash is that of the listing."""
    if isinstance(digest, Crc32):
        return digest.value == entry.crc32
    return digest.digest() == entry.hash


def content_write(fd: int, pieces: Iterable[memoryview | int]) -> Iterator[int]:
    """Write a file from its beginning; holes stay holes. Yields the bytes of each piece when it is written."""
    at = 0
    for piece in pieces:
        if isinstance(piece, int):
            at += piece
            yield piece
            continue
        view = memoryview(piece)
        while view:
            written = os.pwrite(fd, view, at)
            at += written
            view = view[written:]
        yield len(piece)
    os.ftruncate(fd, at)


def content_read(fd: int, digest: Digest) -> None:
    """Add the content of an open file to a hash; a hole costs no reading. Raises ValueError as the hash does."""
    size, at = os.fstat(fd).st_size, 0
    while at < size:
        data = _next_data(fd, at, size)
        if data > at:
            digest.hole(data - at)
            at = data
            continue
        end = os.lseek(fd, at, os.SEEK_HOLE)
        while at < end and (piece := os.pread(fd, min(PIECE_BYTES, end - at), at)):
            digest.update(memoryview(piece))
            at += len(piece)


def _next_data(fd: int, at: int, size: int) -> int:
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError:
        return size  # a hole up to the end
