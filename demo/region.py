"""Region files as Minecraft's servers keep them: 32 by 32 chunks on a grid of 4 KiB sectors, written in place.

The format (Anvil): a sector of 1024 locations (3 bytes first sector, 1 byte sector count, big-endian), a sector of
1024 times, then the chunks: 4 bytes length, 1 byte compression (2 is zlib), the compressed chunk, zeros up to the next
sector.
The chunks here are random bytes behind a zlib header: as hard to compress as real ones.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from random import Random

SECTOR_BYTES = 4096
CHUNKS = 1024
SIDE = 32
ZLIB = b"\x02\x78\x9c"
TABLE = struct.Struct(f">{CHUNKS}I")
LENGTH = struct.Struct(">I")
SMALLEST_CHUNK, LARGEST_CHUNK = 600, 60_000
TYPICAL_CHUNK = 7200
"""Bytes a chunk of a real world takes with its padding, about."""
PADDING = SECTOR_BYTES // 2
"""The average padding of a chunk to whole sectors."""


def region_write(path: Path, *, random: Random, size: int) -> int:
    """Write a region file of about `size` bytes; return how large it became."""
    present = max(1, min(CHUNKS, size // TYPICAL_CHUNK))
    typical = math.log(max(size / present - PADDING, 2 * SMALLEST_CHUNK))
    locations, times = [0] * CHUNKS, [0] * CHUNKS
    content = [bytes(2 * SECTOR_BYTES)]
    sector = 2
    for index in sorted(random.sample(range(CHUNKS), present)):
        chunk = _chunk(random, int(random.lognormvariate(typical, 0.35)))
        sectors = len(chunk) // SECTOR_BYTES
        locations[index], times[index] = sector << 8 | sectors, 1_700_000_000 + random.randrange(10_000_000)
        content.append(chunk)
        sector += sectors
    content[0] = TABLE.pack(*locations) + TABLE.pack(*times)
    path.write_bytes(b"".join(content))
    return sector * SECTOR_BYTES


def region_rewrite(path: Path, *, random: Random, share: float, time: int) -> int:
    """Write `share` of the chunks anew, as a server does: in their sectors where they fit, else at the end.

    Players change neighbouring chunks, so rectangles of them are taken. Return how many were written.
    """
    with path.open("r+b") as file:
        locations = list(TABLE.unpack(file.read(SECTOR_BYTES)))
        times = list(TABLE.unpack(file.read(SECTOR_BYTES)))
        end = file.seek(0, 2) // SECTOR_BYTES
        wanted = max(1, int(sum(map(bool, locations)) * share))
        chosen = _neighbours(random, [index for index in range(CHUNKS) if locations[index]], wanted)
        for index in chosen:
            first, sectors = locations[index] >> 8, locations[index] & 0xFF
            file.seek(first * SECTOR_BYTES)
            (old_size,) = LENGTH.unpack(file.read(LENGTH.size))
            chunk = _chunk(random, int(old_size * random.gauss(1.01, 0.05)))
            needed = len(chunk) // SECTOR_BYTES
            if needed > sectors:
                first, end = end, end + needed
            locations[index], times[index] = first << 8 | needed, time
            file.seek(first * SECTOR_BYTES)
            file.write(chunk)
        file.seek(0)
        file.write(TABLE.pack(*locations) + TABLE.pack(*times))
    return len(chosen)


def _chunk(random: Random, size: int) -> bytes:
    """A chunk of about `size` bytes, padded to whole sectors."""
    size = min(max(size, SMALLEST_CHUNK), LARGEST_CHUNK)
    used = LENGTH.size + size
    body = random.randbytes(size - len(ZLIB))
    return b"".join((LENGTH.pack(size), ZLIB, body, bytes(-used % SECTOR_BYTES)))


def _neighbours(random: Random, present: list[int], wanted: int) -> list[int]:
    """`wanted` of the chunks in `present`, in rectangles where they lie together."""
    left = set(present)
    chosen: list[int] = []
    while len(chosen) < wanted:
        corner = random.choice(sorted(left))
        width, depth = random.randint(3, 8), random.randint(3, 8)
        for z in range(corner // SIDE, min(SIDE, corner // SIDE + depth)):
            for x in range(corner % SIDE, min(SIDE, corner % SIDE + width)):
                if len(chosen) < wanted and z * SIDE + x in left:
                    left.remove(z * SIDE + x)
                    chosen.append(z * SIDE + x)
    return chosen
