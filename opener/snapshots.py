"""Snapshots: the repositories of the place, opened with their keys, and their snapshots."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from opener.archives import name_matches
from opener.keys import Keys
from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.repository import Repository, repository_open
from repository.chunked.snapshots.listing import snapshots_list
from repository.errors import ObjectDamaged, RepositoryError, RepositoryKeyWrong
from repository.key_grammar import UUID_PATTERN
from repository.storage import Storage

_PLACE = re.compile(rf"repositories/{UUID_PATTERN}/{UUID_PATTERN}/.+")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The known facts of one snapshot. `root`: None when it cannot be read; `damage` is then the reason."""

    repository: Repository
    id: bytes
    root: SnapshotRoot | None
    damage: str | None

    @property
    def name(self) -> str:
        """The snapshot's id in hexadecimal."""
        return self.id.hex()


@dataclass(frozen=True, slots=True)
class FoundSnapshot:
    """The snapshots of all repositories, the repositories that no key opens, and the damaged ones with the reason."""

    snapshots: list[Snapshot]
    locked: list[str]
    damaged: list[str]


def snapshots_find(
    storage: Storage, keys: Keys, *, tenant: UUID | None, order: UUID | None, names: Sequence[str]
) -> FoundSnapshot:
    """List the snapshots of the place; with `names`, those whose names begin so. Raises `StorageError`."""
    found = FoundSnapshot([], [], [])
    for owner, repository_id in _places(storage, tenant):
        try:
            repository = _open(storage, keys, owner, repository_id)
            snapshots = list(_snapshots(repository))
        except RepositoryKeyWrong:
            found.locked.append(str(repository_id))
        except RepositoryError as error:
            found.damaged.append(f"repository {repository_id}: {error}")
        else:
            found.snapshots.extend(shot for shot in snapshots if _is_asked(shot, order) and _is_named(shot, names))
    return found


def snapshot_root(snapshot: Snapshot) -> SnapshotRoot:
    """The root of the snapshot. Raises `ObjectDamaged` when it cannot be read."""
    if snapshot.root is None:
        raise ObjectDamaged(snapshot.damage or snapshot.name)
    return snapshot.root


def _places(storage: Storage, tenant: UUID | None) -> Sequence[tuple[UUID, UUID]]:
    keys = storage.list(f"repositories/{tenant}/" if tenant else "repositories/")
    matches = (_PLACE.fullmatch(info.key) for info in keys)
    return list(dict.fromkeys((UUID(match[1]), UUID(match[2])) for match in matches if match))


def _open(storage: Storage, keys: Keys, tenant: UUID, repository: UUID) -> Repository:
    for data_key in keys.of_tenant(tenant):
        try:
            return repository_open(
                storage, tenant=tenant, repository=repository, keys=DataKey(data_key), records_damage=False
            )
        except RepositoryKeyWrong:
            continue
    raise RepositoryKeyWrong("none of the keys is the repository's")


def _snapshots(repository: Repository) -> Iterator[Snapshot]:
    found = snapshots_list(repository)
    for root in found.roots:
        yield Snapshot(repository, root.snapshot, root, None)
    for snapshot, error in found.damaged:
        yield Snapshot(repository, snapshot, None, str(error))


def _is_asked(snapshot: Snapshot, order: UUID | None) -> bool:
    # An unreadable snapshot may belong to any order.
    return order is None or snapshot.root is None or snapshot.root.labels.get("order") == str(order)


def _is_named(snapshot: Snapshot, names: Sequence[str]) -> bool:
    return name_matches(snapshot.name, snapshot.name, names)
