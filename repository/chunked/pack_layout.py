"""The layout of a pack: header, chunks, directory, footer."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from repository.chunked.chunks.chunk import ChunkType, Compression, Location
from repository.chunked.chunks.cipher import Suite
from repository.chunked.objects import PACKS, Objects
from repository.errors import ObjectDamaged

MIB = 1 << 20
PACK_SIZE = 32 * MIB
PACK_SIZE_MAX = 64 * MIB
VERSION = 1
_HEADER = struct.Struct(">8sBB6x")
_FOOTER = struct.Struct(">I4x8s")
_RECORD = struct.Struct(">32sBBIII")
HEADER_SIZE = _HEADER.size
FOOTER_SIZE = _FOOTER.size
_MAGIC = b"SVPTPACK"
_END = b"SVPTPEND"
# One read brings footer and directory of most packs: 46 bytes for each of 1,400 chunks.
_TAIL_READ = 64 << 10

Entry = tuple[bytes, Location]


def header(suite: Suite) -> bytes:
    """The first bytes of a pack."""
    return _HEADER.pack(_MAGIC, VERSION, suite)


def tail(objects: Objects, pack: bytes, entries: Iterable[Entry]) -> bytes:
    """Directory and footer, to be stored after the last chunk."""
    plain = b"".join(
        _RECORD.pack(chunk, at.type, at.compression, at.offset, at.stored_size, at.plain_size) for chunk, at in entries
    )
    sealed = objects.seal(PACKS, pack, plain)
    return sealed + _FOOTER.pack(len(sealed), _END)


def directory_read(objects: Objects, pack: bytes, size: int) -> list[Entry]:
    """The entries of a pack of that size, from its own directory.

    Raises `ObjectDamaged`, `StorageError`.
    """
    name = PACKS.key(pack)
    if not HEADER_SIZE + FOOTER_SIZE < size <= PACK_SIZE_MAX:
        raise ObjectDamaged(f"{name}: no pack has this size")
    start = max(0, size - _TAIL_READ)
    end = objects.get_raw(PACKS, pack, start, size)
    if len(end) != size - start:
        raise ObjectDamaged(f"{name} ends before its size")
    length, magic = _FOOTER.unpack(end[-FOOTER_SIZE:])
    if magic != _END or length > size - HEADER_SIZE - FOOTER_SIZE:
        raise ObjectDamaged(f"{name} does not end as a pack does")
    begin = size - FOOTER_SIZE - length
    sealed = (
        end[begin - start : -FOOTER_SIZE] if begin >= start else objects.get_raw(PACKS, pack, begin, begin + length)
    )
    return list(_entries(objects.unseal(PACKS, pack, sealed), pack, begin))


def _entries(plain: bytes, pack: bytes, end: int) -> Iterator[Entry]:
    """Each chunk of a directory; they lie back to back up to the directory."""
    if len(plain) % _RECORD.size:
        raise ObjectDamaged(f"{PACKS.key(pack)}: its directory ends in a record")
    expected = HEADER_SIZE
    for chunk, type_, compression, offset, stored, size in _RECORD.iter_unpack(plain):
        if offset != expected:
            raise ObjectDamaged(f"{PACKS.key(pack)}: its directory leaves a gap")
        expected += stored
        try:
            place = Location(pack, offset, stored, size, ChunkType(type_), Compression(compression))
        except ValueError:
            raise ObjectDamaged(f"{PACKS.key(pack)}: its directory names an unknown type") from None
        yield chunk, place
    if expected != end:
        raise ObjectDamaged(f"{PACKS.key(pack)}: its directory does not cover it")
