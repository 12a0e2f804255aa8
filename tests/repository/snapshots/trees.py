"""The content of a folder and of a snapshot, as pictures comparable to the last byte and nanosecond."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from random import Random
from typing import Any

from blake3 import blake3

from repository.chunked.manifest.records import FileHash, Record, blocks_in, parts_of, placed
from repository.chunked.packs.fetching import ChunkStore
from repository.chunked.repository import Repository
from trees.source import Kind
from trees.trust import Stat

Picture = dict[bytes, tuple[Any, ...]]
SECTOR = 4096


def picture(root: Path) -> Picture:
    """Each path with kind, stat, attributes and content; a later name of a file with its first path."""
    found: Picture = {}
    firsts: dict[int, bytes] = {}

    def look(path: bytes) -> None:
        place = root / os.fsdecode(path)
        status = place.lstat()
        mode, times = stat.S_IMODE(status.st_mode), (status.st_mtime_ns, status.st_ctime_ns)
        seen = Stat(mode, status.st_uid, status.st_gid, *times, status.st_ino)
        if stat.S_ISLNK(status.st_mode):
            found[path] = (Kind.SYMLINK, seen, None, os.fsencode(place.readlink()))
        elif stat.S_ISDIR(status.st_mode):
            found[path] = (Kind.FOLDER, seen, attributes(place), None)
            for name in sorted(os.fsencode(below.name) for below in place.iterdir()):
                look(path + b"/" + name if path else name)
        elif status.st_nlink > 1 and firsts.setdefault(status.st_ino, path) != path:
            found[path] = (Kind.HARDLINK, None, None, firsts[status.st_ino])
        else:
            found[path] = (Kind.FILE, seen, attributes(place), place.read_bytes())

    look(b"")
    return found


def attributes(place: Path) -> dict[bytes, bytes] | None:
    names = [name for name in os.listxattr(place, follow_symlinks=False) if name.startswith("user.")]
    return {os.fsencode(name): os.getxattr(place, name, follow_symlinks=False) for name in names} or None


def kept_picture(repository: Repository, snapshot: bytes) -> Picture:
    """The picture of a snapshot, assembled from its chunks with every hash verified."""
    chunks = repository.chunks()
    found: Picture = {}
    for record, parts in repository.manifest(snapshot, chunks).files():
        held = content_of(chunks, record, parts) if record.kind is Kind.FILE else record.target
        found[record.path] = (record.kind, record.stat, record.xattrs, held)
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
