"""Lists the snapshots of a repository."""

from __future__ import annotations

from dataclasses import dataclass

from repository.chunked.manifest.root import SnapshotRoot, root_load, roots_list
from repository.chunked.repository import Repository
from repository.errors import Damage, RepositoryError, RepositoryUnknown, SnapshotNotFound


@dataclass(frozen=True, slots=True)
class SnapshotList:
    """The snapshots, oldest first; for those with an unreadable root, the ids with the reasons."""

    roots: list[SnapshotRoot]
    damaged: list[tuple[bytes, RepositoryError]]


def snapshots_list(repository: Repository) -> SnapshotList:
    """List every snapshot; raises `StorageError`."""
    found = SnapshotList([], [])
    for snapshot in roots_list(repository.objects):
        try:
            found.roots.append(root_load(repository.objects, snapshot))
        except SnapshotNotFound:
            continue  # deleted meanwhile
        except (Damage, RepositoryUnknown) as error:
            found.damaged.append((snapshot, error))
    found.roots.sort(key=lambda root: (root.created_at, root.snapshot))
    return found
