"""A run of a file's bytes in a chunk: how a repository gives contents to a sender that does not unpack them."""

from __future__ import annotations

from typing import NamedTuple


class ChunkRun(NamedTuple):
    """The next bytes of a file: `length` bytes from `offset` of the chunk with the id `chunk`, which has `size` bytes.

    `payload` has the bytes of the chunk, or is a Zstandard frame of them if it is shorter. Whoever unpacks it has to
    check the hash of the file.
    """

    chunk: bytes
    size: int
    payload: bytes
    offset: int
    length: int
