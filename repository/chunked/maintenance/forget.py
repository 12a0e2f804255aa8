"""The deletion of a snapshot. The next prune finds the chunks that only it used."""

from __future__ import annotations

from contextlib import suppress

from repository.chunked.objects import SNAPSHOTS, TOMBSTONES
from repository.chunked.repository import Repository
from repository.errors import SnapshotNotFound
from repository.storage import ObjectExists, ObjectNotFound, StorageFull


def snapshot_forget(repository: Repository, *, snapshot: bytes) -> None:
    """Delete a snapshot, even one with a damaged root; once the tombstone is stored, it is no longer listed.

    A repeated call finishes the work of an interrupted one. If the storage has no room for the tombstone, the root is
    deleted first. Raises `SnapshotNotFound` when no such snapshot ever existed, or when it was deleted so long ago
    that its tombstone is gone; `StorageError`.
    """
    objects = repository.objects
    try:
        objects.storage.size(objects.path(SNAPSHOTS, snapshot))
    except ObjectNotFound:
        _deleted_check(repository, snapshot)
        return
    try:
        _bury(repository, snapshot)
    except StorageFull:
        objects.delete(SNAPSHOTS, snapshot)
        with suppress(StorageFull):
            _bury(repository, snapshot)
    objects.delete(SNAPSHOTS, snapshot)


def _bury(repository: Repository, snapshot: bytes) -> None:
    with suppress(ObjectExists):
        repository.objects.put_map(TOMBSTONES, snapshot, {"snapshot": snapshot, "at": repository.time()})


def _deleted_check(repository: Repository, snapshot: bytes) -> None:
    try:
        repository.objects.storage.size(repository.objects.path(TOMBSTONES, snapshot))
    except ObjectNotFound:
        raise SnapshotNotFound("there is no such snapshot") from None
