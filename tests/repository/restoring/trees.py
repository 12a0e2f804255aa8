"""Trees, pictures of all that a restore promises of them, and snapshots of real and of synthetic trees."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from repository.chunked.chunks.chunk import ChunkType, Compressor, block_hashes
from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.index.index import Index
from repository.chunked.manifest.records import Content, Record, record_pack
from repository.chunked.manifest.root import SnapshotRoot, root_store
from repository.chunked.manifest.stream import ManifestWriter
from repository.chunked.objects import PACKS, id_new
from repository.chunked.packs.writing import ChunkWriter
from repository.chunked.repository import Repository, repository_create, repository_open
from repository.chunked.restoring.outcome import RestoreReport
from repository.chunked.restoring.restore import snapshot_restore
from repository.chunked.snapshots.create import snapshot_create
from tests.storage.memory import MemoryStorage
from trees.hashes import FileHash
from trees.local.tree import LocalTree
from trees.source import Kind
from trees.trust import Stat

TENANT, REPOSITORY, KEY = UUID(int=1), UUID(int=2), DataKey(b"k" * 32)
MTIME = 1_600_000_000_123_456_789
BASE = Random(7).randbytes(1_500_000)  # noqa: S311 - content to be told apart
FLIPPED = BASE[:700_000] + b"?" + BASE[700_001:]


class Kept:
    """A repository in memory, and snapshots in it."""

    def __init__(self) -> None:
        self.storage = MemoryStorage()
        repository_create(self.storage, tenant=TENANT, repository=REPOSITORY, keys=KEY)

    def opened(self) -> Repository:
        return repository_open(self.storage, tenant=TENANT, repository=REPOSITORY, keys=KEY)

    def keep(self, root: Path) -> bytes:
        return snapshot_create(self.opened(), source=LocalTree(root)).snapshot

    def restore(self, snapshot: bytes, target: Path, **options: Any) -> RestoreReport:
        return snapshot_restore(self.opened(), snapshot=snapshot, target=target, durable=False, **options)

    def keep_records(self, records: Iterable[Record]) -> bytes:
        return records_keep(self.opened(), records)

    def pack_of(self, chunk: bytes) -> str:
        """The key of the pack with a chunk."""
        repository = self.opened()
        return repository.objects.path(PACKS, repository.chunks().index.find(chunk).pack)

    def spoil(self, chunk: bytes) -> None:
        """Flip a bit of a stored chunk."""
        at = self.opened().chunks().index.find(chunk)
        key = self.pack_of(chunk)
        stored = bytearray(self.storage.objects[key])
        stored[at.offset + at.stored_size // 2] ^= 1
        self.storage.objects[key] = bytes(stored)


def records_keep(repository: Repository, records: Iterable[Record]) -> bytes:
    """Store a snapshot of exactly these records; `target` may hold a file's content as bytes."""
    writer = ChunkWriter(repository.objects, repository.cipher, Index.load(repository.objects))

    def store(type_: ChunkType, plain: memoryview) -> bytes:
        return writer.store(type_, plain, block_hashes(plain), Compressor())

    manifest = ManifestWriter(store)
    for record in records:
        if record.kind is Kind.FILE and record.content is None:
            plain = memoryview(record.target or b"")
            hashes, whole = block_hashes(plain), FileHash(len(plain))
            whole.update(hashes)
            ids = store(ChunkType.DATA, plain) if plain else b""
            content = Content(ids, (len(plain), 0, 0) if plain else (), hashes, whole.digest())
            record = record._replace(content=content, size=len(plain), target=None)  # noqa: PLW2901
        manifest.add(record.path, record_pack(record))
    whole_hash = manifest.finish()
    writer.finish()
    writer.end()
    root = SnapshotRoot(
        snapshot=id_new(), parent=None, created_at=repository.time(), scan_started_ns=0, labels={},
        chunks=bytes(manifest.ids), firsts=manifest.firsts, hash=whole_hash, entries=0, files=0, bytes=0, skipped=0,
        warnings=0, added_bytes=0, stored_bytes=0,
    )  # fmt: skip
    root_store(repository.objects, root)
    return root.snapshot


def meta(mode: int = 0o644, mtime_ns: int = MTIME) -> Stat:
    return Stat(mode, os.geteuid(), os.getegid(), mtime_ns, 0, 0)


def folder(path: bytes, mode: int = 0o755) -> Record:
    return Record(Kind.FOLDER, path, meta(mode))


def file(path: bytes, content: bytes, mode: int = 0o644) -> Record:
    return Record(Kind.FILE, path, meta(mode), target=content)


def symlink(path: bytes, target: bytes) -> Record:
    return Record(Kind.SYMLINK, path, meta(0o777), target=target)


def hard_link(path: bytes, first: bytes) -> Record:
    return Record(Kind.HARDLINK, path, target=first)


def write(path: Path, content: bytes | None = None, mode: int = 0o644) -> Path:
    """Write a file, or create a folder for None, with its parent folders."""
    if content is None:
        path.mkdir(parents=True)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def settle(top: Path) -> None:
    """Give every entry distinct times long ago, the same in equal trees: folders are listed in any order."""
    found = sorted(top.rglob("*"), key=lambda path: (len(path.parts), os.fsencode(path)), reverse=True)
    for number, path in enumerate([*found, top]):
        os.utime(path, ns=(MTIME, MTIME + number * 1_000_000_007), follow_symlinks=False)


def inodes(top: Path) -> dict[bytes, int]:
    """The inodes of the files below a folder."""
    files = (path for path in top.rglob("*") if path.is_file() and not path.is_symlink())
    return {os.fsencode(path.relative_to(top)): path.lstat().st_ino for path in files}


def copied(source: Path, target: Path) -> None:
    """Copy a tree with its times."""
    shutil.copytree(source, target, symlinks=True)
    shutil.copystat(source, target)
