"""The storage that a repository takes, and the size of its snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from repository.checkpoint import Checkpoint, go_on
from repository.chunked.index.index import Index
from repository.chunked.maintenance.used import UsedChunks, snapshot_use
from repository.chunked.manifest.root import root_load, roots_list
from repository.chunked.objects import INDEX, PACKS, SNAPSHOTS
from repository.chunked.repository import Repository
from repository.errors import SnapshotNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Sizes in bytes. `logical`: the files of all snapshots together; `snapshots`: those of each one.

    `unique`: the plain bytes of all chunks that a snapshot uses, manifests included. `stored`: packs, index and roots
    in storage. `dead`: the share of `stored` in chunks that no snapshot uses and in packs that no index names.
    """

    logical: int
    unique: int
    stored: int
    dead: int
    snapshots: dict[bytes, int]


def repository_usage(repository: Repository, *, checkpoint: Checkpoint = go_on) -> Usage:
    """Measure the repository. Raises `Damage`, `RepositoryUnknown`, `StorageError`, and any error of `checkpoint`."""
    objects = repository.objects
    names = list(roots_list(objects))
    index = Index.load(objects)
    used = UsedChunks(index.tables, avoided=index.condemned, damaged=index.damaged)
    chunks = repository.chunks_in(index)
    logical: dict[bytes, int] = {}
    for name in names:
        try:
            root = root_load(objects, name)
        except SnapshotNotFound:
            continue  # deleted since it was listed
        logical[name] = root.bytes
        snapshot_use(root, used, chunks, checkpoint)
    packs = dict(objects.list(PACKS))
    uses = used.packs()
    dead = sum(size if pack not in uses else uses[pack].dead_bytes for pack, size in packs.items())
    others = sum(size for folder in (INDEX, SNAPSHOTS) for _, size in objects.list(folder))
    return Usage(
        logical=sum(logical.values()),
        unique=used.plain_bytes,
        stored=sum(packs.values()) + others,
        dead=dead,
        snapshots=logical,
    )
