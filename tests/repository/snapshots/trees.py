"""The content of a folder and of a snapshot, as pictures comparable to the last byte and nanosecond."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from random import Random

from blake3 import blake3

from demo.comparison import Tree, TreeEntry, digest, tree_read
from repository.chunked.manifest.records import Record, blocks_in, parts_of, placed
from repository.chunked.packs.fetching import ChunkStore
from repository.chunked.repository import Repository
from trees.hashes import FileHash
from trees.source import Kind
from trees.trust import Stat

SECTOR = 4096
KINDS = {Kind.FOLDER: "folder", Kind.FILE: "file", Kind.SYMLINK: "link", Kind.SKIPPED: "skipped"}


def picture(root: Path) -> Tree:
    """All that a snapshot keeps of a folder."""
    return tree_read(root, top=True, identity=True)


def kept_picture(repository: Repository, snapshot: bytes) -> Tree:
    """The picture of a snapshot, assembled from its chunks with every hash verified."""
    chunks = repository.chunks()
    found: Tree = {}
    groups: dict[bytes, list[bytes]] = {}
    for record, parts in repository.manifest(snapshot, chunks).files():
        if record.kind is Kind.HARDLINK:
            found[record.path] = found[record.target]
            groups[record.target].append(record.path)
            continue
        content = record.target or b""
        if record.kind is Kind.FILE:
            groups[record.path] = [record.path]
            content = digest(content_of(chunks, record, parts))
        seen = record.stat or Stat(0, 0, 0, 0, 0, 0)
        found[record.path] = TreeEntry(
            kind=KINDS[record.kind],
            mode=seen.mode,
            owner=(seen.uid, seen.gid),
            mtime_ns=seen.mtime_ns,
            size=record.size if record.kind is Kind.FILE else 0,
            content=content,
            xattrs=tuple(sorted((record.xattrs or {}).items())),
            identity=(seen.inode, seen.ctime_ns),
        )
    for group in groups.values():
        found |= {path: replace(found[path], first=min(group), names=len(group)) for path in group}
    return found


def content_of(chunks: ChunkStore, record: Record, parts: list[Record]) -> bytes:
    """A file's bytes, verified against the hashes of its blocks and of the whole."""
    whole, file_hash, last = bytearray(), FileHash(record.size), None
    for part, (start, stop) in zip((record, *parts), parts_of(record.size, record.header), strict=True):
        assert last is None
        assert part.content is not None
        piece = bytearray()
        for begin, end, extent in placed(part.content, start):
            plain = bytes(end - begin) if extent.chunk is None else chunks.read(extent.chunk)
            piece += plain[extent.offset : extent.offset + end - begin]
        known = part.content.blocks
        for begin, end, is_hole in blocks_in(part.content, start, stop, record.header):
            now = blake3(piece[begin - start : end - start]).digest()
            if not is_hole:
                assert now == known[:32]
                known = known[32:]
            file_hash.update(now)
        assert known == b""
        assert len(piece) == stop - start
        whole += piece
        last = part.content.hash
    assert last == file_hash.digest()
    return bytes(whole)


def region_head(size: int) -> bytes:
    """The header of a region file of that size with one chunk, which ends with the file."""
    sectors = -(-size // SECTOR)
    return struct.pack(">1024I", 2 << 8 | max(1, min(255, sectors - 2)), *(0,) * 1023) + bytes(SECTOR)


def region(size: int, random: Random) -> bytes:
    """A region file of that size (from 12 KiB on) with random content."""
    return (region_head(size) + random.randbytes(max(0, size - 2 * SECTOR)))[:size]


def edit(path: Path, offset: int, content: bytes) -> None:
    """Rewrite bytes in place."""
    with path.open("r+b") as made:
        made.seek(offset)
        made.write(content)
