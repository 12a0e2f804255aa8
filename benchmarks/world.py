"""Trees to measure on beside the demo's world (`demo/world.py`): many small files, and a very large tree."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

FILES_IN_FOLDER = 250
LARGEST_SMALL_FILE = 64 * 1024
GIB, MIB = 1 << 30, 1 << 20
LARGE_FILE_BYTES = 2 * GIB
BLOCK_BYTES, SECTOR_BYTES = 65_536, 4096
DATA_BYTES = 4 * SECTOR_BYTES
"""The data of each block of the large tree; the rest is a hole."""
POOL_BYTES = 16 * MIB
LARGE_NAMES = ("region/r.{}.mca", "backups/{}.dat", "maps/{}.db", "plugins/{}.jar")
SECTOR_NUMBER = struct.Struct(">Q")


def small_files(root: Path, *, seed: int, count: int, typical_bytes: int) -> None:
    """Fill a new folder with small files, 250 in each of its folders, half of them above `typical_bytes`."""
    random = Random(seed)  # noqa: S311  # content to measure on, no secret
    for number in range(count):
        folder = root / f"{number // FILES_IN_FOLDER // FILES_IN_FOLDER:03d}" / f"{number // FILES_IN_FOLDER:05d}"
        if number % FILES_IN_FOLDER == 0:
            folder.mkdir(parents=True)
        size = int(typical_bytes * random.lognormvariate(0, 1))
        (folder / f"{random.getrandbits(64):016x}.dat").write_bytes(random.randbytes(min(size, LARGEST_SMALL_FILE)))


def large_tree(root: Path, *, seed: int, size: int) -> None:
    """Fill a new folder with files of 2 GiB, `size` bytes altogether, in which no sector of data is another's.

    Every block of 64 KiB holds 16 KiB of data and a hole, so the tree takes a quarter of its size; one GiB is all hole.
    """
    pool = Random(seed).randbytes(POOL_BYTES)  # noqa: S311  # content to measure on, no secret
    sector = 0
    for number, start in enumerate(range(0, size, LARGE_FILE_BYTES)):
        path = root / LARGE_NAMES[number % len(LARGE_NAMES)].format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb", buffering=0) as file:
            file.truncate(min(LARGE_FILE_BYTES, size - start))
            hole = range(GIB // 2, GIB // 2 + GIB) if number == 1 else range(0)
            for offset in range(0, min(LARGE_FILE_BYTES, size - start), BLOCK_BYTES):
                if offset in hole:
                    continue
                begin = sector * SECTOR_BYTES % POOL_BYTES
                data = bytearray(pool[begin : begin + DATA_BYTES])
                for place in range(0, DATA_BYTES, SECTOR_BYTES):
                    SECTOR_NUMBER.pack_into(data, place, sector)
                    sector += 1
                file.seek(offset)
                file.write(data)
