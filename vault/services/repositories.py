"""Opens the repositories that hold a customer's snapshots, and deletes snapshots."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import Customer
from common.clock import database_now
from common.errors import KeyUnavailable
from common.paths import path_text
from repository.checkpoint import Checkpoint, go_on
from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.objects import SNAPSHOTS
from repository.chunked.repository import Clock, repository_create, repository_open
from repository.chunked.repository import Repository as OpenRepository
from repository.errors import (
    ContentDamaged,
    Damage,
    RepositoryExists,
    RepositoryKeyWrong,
    RepositoryNotFound,
    RepositoryUnknown,
    SnapshotNotFound,
)
from repository.retrying import RetryingStorage
from repository.storage import Storage
from vault.errors import ArchiveDamagedError, RepositoryUnknownError
from vault.models import Asset, Repository, StorageTarget
from vault.models import DataKey as DataKeyRow
from vault.services.keys import data_key_ensure, data_key_get
from vault.services.opening import storage_errors, target_open


@contextmanager
def repository_errors() -> Iterator[None]:
    """Translate errors of a repository, its storage and its seals into the product's own."""
    try:
        with storage_errors():
            yield
    except RepositoryKeyWrong as error:
        raise KeyUnavailable from error
    except RepositoryUnknown as error:
        raise RepositoryUnknownError from error
    except ContentDamaged as error:
        raise ArchiveDamagedError(files=1, paths=path_text(error.path)) from error
    except (Damage, SnapshotNotFound, RepositoryNotFound) as error:
        raise ArchiveDamagedError from error


def repository_ensure(*, customer: Customer, target: StorageTarget) -> Repository:
    """The row of a customer's repository on a target; a missing one is made."""
    rows = Repository.objects.filter(customer=customer, target=target)
    row = rows.first()
    if row is not None:
        return row
    try:
        with transaction.atomic():
            return Repository.objects.create(customer=customer, target=target)
    except IntegrityError:
        # Two first backups ran at once.
        return rows.get()


def repository_make(row: Repository, *, checkpoint: Checkpoint = go_on) -> OpenRepository:
    """Open a repository, and create it when its storage has none yet.

    checkpoint: raises to cancel a call to the storage. Raises as `repository_get`, and StorageFullError.
    """
    storage = target_open(row.target, checkpoint=checkpoint)
    with repository_errors():
        key = data_key_ensure(customer=row.customer, target=row.target, storage=storage)
        with suppress(RepositoryNotFound):
            return _opened(row, storage, key)
        with suppress(RepositoryExists):  # another worker was faster
            return repository_create(
                storage, tenant=row.customer_id, repository=row.id, keys=DataKey(key), clock=database_clock()
            )
        return _opened(row, storage, key)


def repository_get(row: Repository, *, checkpoint: Checkpoint = go_on) -> OpenRepository:
    """Open an existing repository.

    Raises ArchiveDamagedError when it is gone or damaged, KeyUnavailable, StorageUnavailableError,
    RepositoryUnknownError.
    """
    storage = target_open(row.target, checkpoint=checkpoint)
    with repository_errors():
        return _opened(row, storage, data_key_get(customer=row.customer, target=row.target))


def repository_find(row: Repository, *, checkpoint: Checkpoint = go_on) -> OpenRepository | None:
    """As `repository_get`; None for a repository of which nothing was stored yet."""
    try:
        return repository_get(row, checkpoint=checkpoint)
    except KeyUnavailable:
        if DataKeyRow.objects.filter(customer=row.customer_id, target=row.target_id).exists():
            raise
    except ArchiveDamagedError as error:
        if not isinstance(error.__cause__, RepositoryNotFound) or row.assets.exists():
            raise
    return None


def repository_open_with(storage: RetryingStorage, *, tenant: UUID, repository: UUID, key: bytes) -> OpenRepository:
    """Open a repository that has no row yet, with its tenant's data key; reading it writes nothing.

    Raises RepositoryError, StorageError.
    """
    return repository_open(
        storage, tenant=tenant, repository=repository, keys=DataKey(key), clock=database_clock(), records_damage=False
    )


def snapshot_key(row: Repository, snapshot: UUID) -> str:
    """The key of a snapshot's root in storage."""
    return f"{repository_folder(row)}{SNAPSHOTS.key(snapshot.bytes)}"


def snapshot_of(asset: Asset) -> bytes:
    """The id of an asset's snapshot. Raises ValueError for an archive."""
    return snapshot_id(asset.key)


def snapshot_id(key: str) -> bytes:
    """The id of the snapshot whose root has this key. Raises ValueError for the key of anything else."""
    folder, _, name = key.rpartition("/")
    if not folder.startswith(FOLDER) or not folder.endswith(f"/{SNAPSHOTS.name}"):
        raise ValueError("not the key of a snapshot")
    return bytes.fromhex(name)


def snapshot_delete(*, key: str, target: StorageTarget, storage: Storage) -> None:
    """Delete the snapshot under a key, if it exists; a later prune frees its chunks. Raises StorageError.

    A repository that does not open, for want of its key or because of damage, is told by its error: nothing is deleted.
    """
    snapshot = snapshot_id(key)
    row = Repository.objects.select_related("customer").get(id=key.split("/")[2], target=target)
    retrying = storage if isinstance(storage, RetryingStorage) else RetryingStorage(storage)
    with suppress(RepositoryNotFound, SnapshotNotFound):
        key_bytes = data_key_get(customer=row.customer, target=target)
        snapshot_forget(_opened(row, retrying, key_bytes), snapshot=snapshot)


FOLDER = "repositories/"


def repository_folder(row: Repository) -> str:
    """The prefix of the keys of a repository's objects."""
    return f"{FOLDER}{row.customer_id}/{row.id}/"


def database_clock() -> Clock:
    """A clock that shows the database's time from any thread, by one question to the database."""
    began, database = time.monotonic(), database_now()

    def now() -> datetime:
        return database + timedelta(seconds=time.monotonic() - began)

    return now


def _opened(row: Repository, storage: RetryingStorage, key: bytes) -> OpenRepository:
    return repository_open(
        storage, tenant=row.customer_id, repository=row.id, keys=DataKey(key), clock=database_clock()
    )
