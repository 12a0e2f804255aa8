"""Deleting a snapshot. What only it used is found by the next prune."""

from __future__ import annotations

from contextlib import suppress

from repository.chunked.objects import SNAPSHOTS, TOMBSTONES
from repository.chunked.repository import Repository
from repository.errors import SnapshotNotFound
from repository.storage import ObjectExists, ObjectNotFound, StorageFull


def snapshot_forget(repository: Repository, *, snapshot: bytes) -> None:
    """Delete a snapshot, also one whose root is damaged; from the tombstone on it is listed no more.

    Calling it again finishes what a crash left, and does nothing when nothing is left. Where the storage has no room
    for the tombstone, the root goes first. Raises `SnapshotNotFound` when there never was such a snapshot, or it was
    deleted so long ago that its tombstone is gone; `StorageError`.
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
