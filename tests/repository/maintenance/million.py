"""Prune a synthetic repository with an index of a million chunks, in a process that reports its peak memory.

The packs are holes of the right size: a prune that copies nothing reads none of them.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from random import Random

from repository.chunked.chunks.chunk import ChunkType, Compression, Compressor, Location, block_hashes
from repository.chunked.index.index import Index
from repository.chunked.maintenance.prune import prune_execute, prune_plan
from repository.chunked.manifest.records import Content, Record, record_pack
from repository.chunked.manifest.root import SnapshotRoot, root_store
from repository.chunked.manifest.stream import ManifestWriter
from repository.chunked.objects import PACKS, Objects, id_new
from repository.chunked.packs.writing import ChunkWriter
from repository.chunked.repository import Repository, repository_create, repository_open
from targets.local import LocalStorage
from tests.repository.maintenance.world import KEY, REPOSITORY, TENANT, Time
from trees.hashes import FileHash
from trees.source import Kind
from trees.trust import Stat

CHUNKS_A_PACK = 32
PACKS_AN_INDEX = 400
SIZE = 1 << 20


def build(folder: Path, *, chunks: int, snapshots: int) -> None:
    """Create snapshots that use every second pack, by files of 16 chunks; each snapshot has one file of its own."""
    repository = repository_create(storage(folder), tenant=TENANT, repository=REPOSITORY, keys=KEY, clock=Time())
    random = Random(1)  # noqa: S311
    used: list[bytes] = []
    for begin in range(0, chunks // CHUNKS_A_PACK, PACKS_AN_INDEX):
        entries, sizes = [], {}
        for number in range(begin, min(begin + PACKS_AN_INDEX, chunks // CHUNKS_A_PACK)):
            pack = id_new()
            sizes[pack] = CHUNKS_A_PACK * SIZE + 4096
            hole(repository.objects, folder, pack, sizes[pack])
            for at in range(CHUNKS_A_PACK):
                chunk = random.randbytes(32)
                place = Location(pack, 16 + at * SIZE, SIZE, SIZE, ChunkType.DATA, Compression.NONE)
                entries.append((chunk, place))
                if number % 2:
                    used.append(chunk)
        Index(repository.objects, tables={}, condemned=frozenset()).store(entries, sizes)
    for number in range(snapshots):
        snapshot(repository, used, number)


def hole(objects: Objects, folder: Path, pack: bytes, size: int) -> None:
    path = folder / objects.path(PACKS, pack)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        os.truncate(file.fileno(), size)


def snapshot(repository: Repository, used: list[bytes], number: int) -> None:
    writer = ChunkWriter(repository.objects, repository.cipher, Index.load(repository.objects))
    compressor = Compressor()
    manifest = ManifestWriter(lambda type_, plain: writer.store(type_, plain, block_hashes(plain), compressor))
    meta = Stat(0o644, 0, 0, 0, 0, 0)
    count = 0
    for at in range(0, len(used), 16):
        ids = used[at : at + 16]
        path = b"f%08d-%d" % (at, number if at == number * 1600 else 0)
        blocks = bytes(32 * 16 * len(ids))
        whole = FileHash(len(ids) * SIZE)
        whole.update(blocks)
        extents = tuple(value for n in range(len(ids)) for value in (SIZE, n, 0))
        content = Content(b"".join(ids), extents, blocks[:0], whole.digest())
        record = Record(Kind.FILE, path, meta, None, len(ids) * SIZE, 0, content)
        manifest.add(path, record_pack(record))
        count += 1
    hash_ = manifest.finish()
    writer.finish()
    writer.end()
    root = SnapshotRoot(
        snapshot=id_new(), parent=None, created_at=repository.time(), scan_started_ns=0, labels={},
        chunks=bytes(manifest.ids), firsts=manifest.firsts, hash=hash_, entries=count, files=count,
        bytes=len(used) * SIZE, skipped=0, warnings=0, added_bytes=0, stored_bytes=0,
    )  # fmt: skip
    root_store(repository.objects, root)


def storage(folder: Path) -> LocalStorage:
    return LocalStorage(folder)


def prune(folder: Path) -> None:
    """Condemn half of the packs, then delete them; prints their number and the peak memory in MiB."""
    clock = Time()
    deleted = 0
    for _ in range(2):
        clock.now += timedelta(days=1)
        repository = repository_open(storage(folder), tenant=TENANT, repository=REPOSITORY, keys=KEY, clock=clock)
        plan = prune_plan(repository, grace=timedelta(0), small_pack=0)
        deleted += prune_execute(repository, plan).deleted
    # VmHWM counts this program alone; `getrusage` starts from the peak of the parent process.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(deleted, int(peak.split()[1]) >> 10)  # noqa: T201  # read by who began it


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(Path(sys.argv[2]), chunks=int(sys.argv[3]), snapshots=int(sys.argv[4]))
    else:
        prune(Path(sys.argv[2]))
