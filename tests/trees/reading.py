"""Reading files as a snapshot does, for the tests of a local folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

from trees.source import Kind, SourceEntry

if TYPE_CHECKING:
    from trees.local.file import LocalFile
    from trees.local.tree import LocalTree

BLOCK = 65536
SECTOR = 4096
Runs = list[tuple[int, bytes]]


def found(tree: LocalTree) -> dict[bytes, SourceEntry]:
    return {entry.path: entry for entry in tree.scan()}


def kinds(tree: LocalTree) -> dict[bytes, Kind]:
    return {entry.path: entry.kind for entry in tree.scan()}


def read(file: LocalFile, size: int, *, piece: int = 1 << 20) -> bytes:
    """Read a file from start to end, as one that the parent does not have."""
    content = bytearray(size)
    view = memoryview(content)
    for low, high in file.data_ranges(0, size):
        for offset in range(low, high, piece):
            end = min(offset + piece, high)
            assert file.readinto(view[offset:end], offset) == end - offset
    return bytes(content)


def blocks(content: bytes, header: int) -> list[bytes]:
    """Cut content into the blocks of FORMAT.md."""
    first = [content[:header]] if header and content else []
    return first + [content[at : at + BLOCK] for at in range(header, len(content), BLOCK)]


def hashes(content: bytes, header: int) -> bytes:
    return b"".join(blake3(block).digest() for block in blocks(content, header))


def sectors(content: bytes) -> list[bytes]:
    return [content[at : at + SECTOR] for at in range(0, len(content), SECTOR)]


def rebuilt(parent: bytes, runs: Runs, size: int) -> bytes:
    """The file that the parent's bytes and the runs make together."""
    content = bytearray(parent[:size].ljust(size, b"\0"))
    for offset, data in runs:
        content[offset : offset + len(data)] = data
    return bytes(content)
