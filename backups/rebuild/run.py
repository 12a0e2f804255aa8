"""One rebuild: the target is known again by its old id, and every backup in it that opens gets its rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from uuid import UUID

from django.db import transaction

from accounts.services.audit import audit_record
from backups.rebuild.bucket import (
    Found,
    Tenant,
    Unread,
    archives_find,
    repositories_find,
    snapshots_find,
    targets_named,
    tenants_find,
)
from backups.rebuild.catalogue import Catalogue, Counts
from common.locks import row_lock
from repository.retrying import RetryingStorage
from vault.models import Asset, DataKey, Repository, StorageTarget, StoredObject
from vault.services.opening import target_open

log = logging.getLogger(__name__)


class RebuildRefused(Exception):
    """The target cannot be rebuilt from; nothing was written. The message says why."""


@dataclass(slots=True)
class Rebuilt:
    """The result of a rebuild. unread: what could not be brought back, with the reason."""

    target: UUID
    counts: Counts
    unread: list[tuple[str, str]] = field(default_factory=list)


def index_rebuild(target: StorageTarget, *, former: UUID | None = None) -> Rebuilt:
    """Bring back tenants, orders, provisions and backups from a target; what exists stays as it is.

    former: the id that the target had, where the storage has keys of several. Raises RebuildRefused, StorageError.
    """
    storage = target_open(target)
    target = _known_again(target, storage, former)
    catalogue = Catalogue(target)
    result = Rebuilt(target.id, catalogue.counts)

    def unread(name: str, why: str) -> None:
        log.warning("rebuild: %s: %s", name, why)
        result.unread.append((name, why))

    tenants = tenants_find(storage, target.id, unread=unread)
    for tenant in tenants.values():
        catalogue.tenant(tenant)
    archives = archives_find(storage, tenants, target.id, unread=unread)
    snapshots = _snapshots(storage, tenants, catalogue, unread)
    for found in chain(archives, snapshots):
        if not catalogue.backup(found):
            unread(found.key, "its order or its server is of another customer in the database")
    catalogue.primaries_choose()
    counts = catalogue.counts
    audit_record(
        actor=None, action="index.rebuild", object_id=target.id, archives=counts.archives, snapshots=counts.snapshots,
        unread=len(result.unread),
    )  # fmt: skip
    return result


def _snapshots(
    storage: RetryingStorage, tenants: dict[UUID, Tenant], catalogue: Catalogue, unread: Unread
) -> Iterator[Found]:
    """The snapshots of every repository that opens, each after the row of its repository."""
    for tenant, repository in repositories_find(storage):
        name = f"repositories/{tenant}/{repository}"
        if tenant not in tenants:
            unread(name, "no key of its tenant opens")
        elif not catalogue.repository(tenant, repository):
            unread(name, "its tenant has another repository on this target")
        else:
            yield from snapshots_find(storage, tenants[tenant], repository, unread=unread)


def _known_again(target: StorageTarget, storage: RetryingStorage, former: UUID | None) -> StorageTarget:
    """The target under the id that it had: seals and key copies name it."""
    named = targets_named(storage)
    if not named:
        raise RebuildRefused("There are no copies of keys in this storage: is it the right one, with its prefix?")
    wanted = former or (target.id if target.id in named else None)
    if wanted is None:
        if len(named) > 1:
            ids = ", ".join(sorted(map(str, named)))
            raise RebuildRefused(f"The storage has keys of several targets; name one with --former: {ids}")
        (wanted,) = named
    if wanted not in named:
        raise RebuildRefused(f"The storage has no keys of the target {wanted}.")
    if wanted != target.id:
        _rename(target, wanted)
    return StorageTarget.objects.get(id=wanted)


def _rename(target: StorageTarget, wanted: UUID) -> None:
    with transaction.atomic():
        if row_lock(StorageTarget.objects.filter(id=target.id)) is None:
            raise RebuildRefused("The target was removed.")
        used = any(
            rows.objects.filter(target=target.id).exists() for rows in (Asset, DataKey, Repository, StoredObject)
        )
        if used:
            raise RebuildRefused(
                "The portal has stored under another id of this target. Add the storage as a new one, and rebuild that."
            )
        if StorageTarget.objects.filter(id=wanted).exists():
            raise RebuildRefused(f"The storage is that of another target, {wanted}: rebuild that one.")
        StorageTarget.objects.filter(id=target.id).update(id=wanted)
