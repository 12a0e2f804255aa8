"""A repository in memory for tests that make and read snapshots."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from repository.chunked.chunks.cipher import Suite
from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.objects import PACKS, SNAPSHOTS, ObjectFolder
from repository.chunked.pack_layout import directory_read
from repository.chunked.repository import Repository, repository_create, repository_open
from repository.chunked.snapshots.create import snapshot_create
from repository.retrying import Retry, RetryingStorage
from repository.storage import Storage
from tests.storage.memory import MemoryStorage
from trees.local.tree import LocalTree
from trees.source import Source

TENANT, REPOSITORY, KEY = UUID(int=1), UUID(int=2), DataKey(b"k" * 32)


def pause(seconds: float) -> None:
    """Retry without a pause."""


@dataclass
class Kept:
    """A repository and the folder of its snapshots."""

    root: Path
    storage: MemoryStorage = field(default_factory=MemoryStorage)
    tenant: UUID = TENANT
    repository: UUID = REPOSITORY
    suite: Suite = Suite.AES_256_GCM

    def __post_init__(self) -> None:
        repository_create(self.storage, tenant=self.tenant, repository=self.repository, keys=KEY, suite=self.suite)

    def opened(self, storage: Storage | None = None) -> Repository:
        if isinstance(storage, RetryingStorage):
            retrying = storage
        else:
            retrying = RetryingStorage(storage or self.storage, Retry(sleep=pause))
        return repository_open(retrying, tenant=self.tenant, repository=self.repository, keys=KEY)

    def snapshot(self, storage: Storage | None = None, *, source: Source | None = None, **options: Any) -> SnapshotRoot:
        return snapshot_create(self.opened(storage), source=source or LocalTree(self.root), **options)

    def names(self, folder: ObjectFolder) -> dict[bytes, int]:
        return dict(self.opened().objects.list(folder))

    def listed(self) -> set[bytes]:
        return set(self.names(SNAPSHOTS))

    def copies(self) -> Counter[bytes]:
        """The number of copies of each chunk."""
        objects = self.opened().objects
        return Counter(chunk for pack, size in objects.list(PACKS) for chunk, _ in directory_read(objects, pack, size))
