"""The root of a snapshot: the object that makes a backup exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from repository.chunked.objects import SNAPSHOTS, TOMBSTONES, Objects
from repository.errors import ObjectDamaged, RepositoryUnknown, SnapshotNotFound
from repository.storage import ObjectNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRoot:
    """The metadata of a snapshot; names and meaning as in FORMAT.md.

    `created_at` is text in UTC, `bytes` the sum of the files' sizes, `added_bytes` the plain bytes of the chunks it
    added, `stored_bytes` the size of these chunks in storage.
    """

    snapshot: bytes
    parent: bytes | None
    created_at: str
    scan_started_ns: int
    labels: dict[str, str]
    chunks: bytes
    firsts: list[bytes]
    hash: bytes
    entries: int
    files: int
    bytes: int
    skipped: int
    warnings: int
    added_bytes: int
    stored_bytes: int


_NAMES = {found.name for found in fields(SnapshotRoot)}
# All other fields are numbers.
_TYPES: dict[str, type | tuple[type, ...]] = {
    "snapshot": bytes,
    "parent": (bytes, type(None)),
    "created_at": str,
    "labels": dict,
    "chunks": bytes,
    "firsts": list,
    "hash": bytes,
}


def root_store(objects: Objects, root: SnapshotRoot) -> None:
    """Store the root, which lists the snapshot. Raises `ObjectExists` when its id is taken, `StorageError`."""
    objects.put_map(SNAPSHOTS, root.snapshot, asdict(root))


def root_load(objects: Objects, snapshot: bytes) -> SnapshotRoot:
    """A snapshot's root; raises `SnapshotNotFound`, `ObjectDamaged`, `StorageError`."""
    try:
        found = objects.get_map(SNAPSHOTS, snapshot)
    except ObjectNotFound:
        raise SnapshotNotFound("there is no such snapshot") from None
    return _root(snapshot, found)


def roots_list(objects: Objects) -> Iterator[bytes]:
    """The ids of all snapshots that are not deleted; an incomplete listing raises.

    A tombstone that does not open deletes nothing.
    """
    listed = [snapshot for snapshot, _ in objects.list(SNAPSHOTS)]
    dead = {snapshot for snapshot, _ in objects.list(TOMBSTONES)}
    return (snapshot for snapshot in listed if snapshot not in dead or not _is_deleted(objects, snapshot))


def _is_deleted(objects: Objects, snapshot: bytes) -> bool:
    """Whether the snapshot has a valid tombstone."""
    try:
        return bool(objects.get_map(TOMBSTONES, snapshot).get("snapshot") == snapshot)
    except ObjectNotFound:
        return True  # the snapshot and its tombstone were removed since the listing
    except (ObjectDamaged, RepositoryUnknown):
        return False


def _root(snapshot: bytes, found: dict[str, Any]) -> SnapshotRoot:
    name = SNAPSHOTS.key(snapshot)
    found = {key: value for key, value in found.items() if key != "version"}
    typed = all(isinstance(value, _TYPES.get(key, int)) for key, value in found.items())
    if set(found) != _NAMES or not typed or found["snapshot"] != snapshot:
        raise ObjectDamaged(f"{name} has invalid content")
    root = SnapshotRoot(**found)
    if len(root.chunks) != 32 * len(root.firsts) or not all(isinstance(first, bytes) for first in root.firsts):
        raise ObjectDamaged(f"{name} has invalid content")
    return root
