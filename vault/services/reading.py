"""Repositories that this process reads from: kept open for a while, with what was read last."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from uuid import UUID

from django.utils import timezone

from repository.chunked.manifest.blocks import ChunksRead, ManifestBlocks
from repository.chunked.manifest.root import root_load
from repository.chunked.manifest.stream import Manifest
from repository.chunked.packs.fetching import ChunkStore
from repository.chunked.repository import Repository as OpenRepository
from vault.models import Asset, Repository
from vault.services.repositories import repository_errors, repository_get, snapshot_of

OPEN_SECONDS = 600
"""An index that was read is used no longer: what a prune freed meanwhile is found elsewhere, but more slowly."""
SKEW = timedelta(minutes=1)
"""How far the clocks of the portal's machines may be apart."""
INDEXES_BYTES_MAX = 128 << 20
"""All indexes together. The newest is kept whatever its size."""
MANIFESTS_MAX = 256
"""Manifests whose roots a repository holds; the root of one of a million files is 200 KB."""
ROOTS_AT_ONCE = 8


@dataclass
class Reading:
    """One repository, open for reading."""

    repository: OpenRepository
    chunks: ChunkStore
    opened_at: float
    index_bytes: int
    read: ChunksRead = field(default_factory=ChunksRead)
    manifests: OrderedDict[bytes, Manifest] = field(default_factory=OrderedDict)
    turn: Lock = field(default_factory=Lock)

    def manifest(self, snapshot: bytes) -> Manifest:
        """The manifest of a snapshot; its root is read once. Raises the errors of a repository."""
        with self.turn:
            found = self.manifests.get(snapshot)
            if found is not None:
                self.manifests.move_to_end(snapshot)
                return found
        found = Manifest(root_load(self.repository.objects, snapshot), self.chunks)
        with self.turn:
            self.manifests[snapshot] = found
            while len(self.manifests) > MANIFESTS_MAX:
                self.manifests.popitem(last=False)
        return found

    def manifests_load(self, snapshots: Iterable[bytes]) -> None:
        """Read the roots of snapshots, some at a time; one that cannot be read raises when it is asked for."""
        missing = [snapshot for snapshot in snapshots if snapshot not in self.manifests]
        if len(missing) > 1:
            with ThreadPoolExecutor(ROOTS_AT_ONCE, thread_name_prefix="roots") as pool:
                # The errors stay in the results.
                for snapshot in missing:
                    pool.submit(self.manifest, snapshot)

    def blocks(self, snapshot: bytes) -> ManifestBlocks:
        """A snapshot to browse."""
        return ManifestBlocks(self.manifest(snapshot), self.read)


_open: OrderedDict[UUID, Reading] = OrderedDict()
_turn = Lock()


def repository_reading(row: Repository, *, assets: Iterable[Asset]) -> Reading:
    """A repository that is open, with an index that has the chunks of these snapshots of it.

    Raises ArchiveDamagedError when it is gone or damaged, KeyUnavailable, StorageUnavailableError,
    RepositoryUnknownError.
    """
    asked = list(assets)
    with _turn:
        found = _open.get(row.id)
        if found is not None and _is_usable(found, asked):
            _open.move_to_end(row.id)
            return found
    with repository_errors():
        repository = repository_get(row)
        # The roots exist, so every chunk of these snapshots is in an index that is read after this.
        chunks = repository.chunks()
    opened = Reading(repository, chunks, time.monotonic(), sum(len(one.records) for one in chunks.index.tables))
    if found is not None:
        opened.read = found.read
    with _turn:
        _open[row.id] = opened
        _open.move_to_end(row.id)
        while len(_open) > 1 and sum(one.index_bytes for one in _open.values()) > INDEXES_BYTES_MAX:
            _open.popitem(last=False)
    return opened


def _is_usable(reading: Reading, assets: Iterable[Asset]) -> bool:
    age = time.monotonic() - reading.opened_at
    if age > OPEN_SECONDS:
        return False
    # A snapshot whose manifest was read with this index is known to be in it.
    certain = timezone.now() - timedelta(seconds=age) - SKEW
    return all(asset.created_at < certain or snapshot_of(asset) in reading.manifests for asset in assets)
