"""The content of a target: its tenants by their key copies, their archives by manifests, snapshots by labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from common.key_copies import FOLDER as KEY_FOLDER
from common.key_copies import KeyCopy, copy_load, copy_owner
from common.keyring import KeyringError
from common.portal_keyring import portal_keyring
from repository.archive.manifest import SEALED_SIZE_MAX, ArchiveManifest, manifest_open
from repository.archive.object_keys import FOLDER as ARCHIVE_FOLDER
from repository.archive.object_keys import LISTING_SUFFIX, MANIFEST_SUFFIX, archive_backup
from repository.chunked.manifest.root import SnapshotRoot, root_load, roots_list
from repository.chunked.objects import SNAPSHOTS
from repository.errors import RepositoryError
from repository.key_grammar import UUID_PATTERN
from repository.retrying import RetryingStorage
from repository.sealing.frames import SealError, WrongKey
from repository.storage import ObjectNotFound, ObjectUnreadable
from vault.services.repositories import FOLDER as REPOSITORY_FOLDER
from vault.services.repositories import repository_open_with

KEY_COPY_MAX = 64 << 10
NAME_MAX = 100


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant with a key copy that the master keys open."""

    copy: KeyCopy
    data_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One backup as its manifest or the root of its snapshot describes it. repository: that of a snapshot."""

    tenant: UUID
    tenant_name: str
    order: UUID
    order_name: str
    provision: UUID
    provision_name: str
    backup: UUID
    backup_name: str
    created_at: datetime
    completed_at: datetime
    key: str
    repository: UUID | None
    source: str
    sealed: bool
    is_safety: bool
    size_bytes: int
    sha256: str | None
    stored_bytes: int
    added_bytes: int | None
    listing_bytes: int | None
    entries: int
    content_bytes: int | None
    warnings: int
    consistency: str
    read_whole: bool


Unread = Callable[[str, str], None]
"""Takes what could not be read: the key of an object, or a repository, and the reason."""


def tenants_find(storage: RetryingStorage, target: UUID, *, unread: Unread) -> dict[UUID, Tenant]:
    """The tenants of a target, each by the newest copy that opens. Raises StorageError."""
    found: dict[UUID, Tenant] = {}
    refused: dict[UUID, tuple[str, str]] = {}
    for info in storage.list(KEY_FOLDER):
        owner = copy_owner(info.key)
        if owner is None or owner[1] != target:
            continue
        try:
            copy = _copy(storage, info.key, info.size, owner)
            tenant = Tenant(copy, copy.unwrap(portal_keyring()))
        except (KeyringError, ValueError, ObjectNotFound, ObjectUnreadable) as error:
            refused[owner[0]] = (info.key, f"the copy of the key does not open: {error}")
            continue
        if owner[0] not in found or found[owner[0]].copy.kek < copy.kek:
            found[owner[0]] = tenant
    for tenant_id, (key, why) in refused.items():
        if tenant_id not in found:
            unread(key, why)
    return found


def targets_named(storage: RetryingStorage) -> set[UUID]:
    """The targets that the key copies in a storage name: the portal that stored them knew it as one of these."""
    owners = (copy_owner(info.key) for info in storage.list(KEY_FOLDER))
    return {owner[1] for owner in owners if owner is not None}


def _copy(storage: RetryingStorage, key: str, size: int, owner: tuple[UUID, UUID]) -> KeyCopy:
    if size > KEY_COPY_MAX:
        raise ValueError("no copy of a key")
    copy = copy_load(b"".join(storage.read(key)))
    if (copy.tenant, copy.target) != owner:
        raise ValueError("a copy of another key")
    return copy


def archives_find(
    storage: RetryingStorage, tenants: dict[UUID, Tenant], target: UUID, *, unread: Unread
) -> Iterator[Found]:
    """Every archive with a manifest. One without was deleted, or never became whole. Raises StorageError."""
    owners: dict[str, UUID] = {}
    for info in storage.list(ARCHIVE_FOLDER):
        key = info.key.removesuffix(MANIFEST_SUFFIX)
        if key == info.key or archive_backup(key) is None:
            continue
        try:
            if info.size > SEALED_SIZE_MAX:
                raise WrongKey("too large for a manifest")
            sealed = b"".join(storage.read(info.key))
            manifest = _manifest(sealed, key, tenants, target, owners)
            if storage.size(key) != manifest.stored_bytes:
                unread(key, "the archive has another size than its manifest says")
                continue
        except ObjectNotFound:
            unread(key, "there is a manifest, and no archive")
            continue
        except (SealError, ObjectUnreadable) as error:
            unread(info.key, f"the manifest does not open: {error}")
            continue
        yield _of_archive(manifest, listing_bytes=_size(storage, key + LISTING_SUFFIX))


def _manifest(
    sealed: bytes, key: str, tenants: dict[UUID, Tenant], target: UUID, owners: dict[str, UUID]
) -> ArchiveManifest:
    """Open a manifest with the key of its order's tenant, or try all. Raises SealError."""
    order = key.split("/")[1]
    tried = [owners[order]] if order in owners else list(tenants)
    said: SealError = WrongKey("no key opens it")
    for tenant in tried:
        data_key = tenants[tenant].data_key
        try:
            manifest = manifest_open(sealed, data_key=data_key, tenant=tenant, target=target, archive_key=key)
        except WrongKey:
            continue
        except SealError as error:
            said = error
            continue
        owners[order] = tenant
        return manifest
    raise said


def _size(storage: RetryingStorage, key: str) -> int | None:
    try:
        return storage.size(key)
    except ObjectNotFound:
        return None


def _of_archive(manifest: ArchiveManifest, *, listing_bytes: int | None) -> Found:
    return Found(
        tenant=manifest.tenant,
        tenant_name=manifest.tenant_name or str(manifest.tenant),
        order=manifest.order,
        order_name=manifest.order_name,
        provision=manifest.provision,
        provision_name=manifest.provision_name,
        backup=manifest.backup,
        backup_name=manifest.backup_name,
        created_at=manifest.created_at,
        completed_at=manifest.completed_at,
        key=manifest.archive_key,
        repository=None,
        source=manifest.source,
        sealed=manifest.sealed,
        # A manifest does not say it; a backup too many is better than one that goes by itself.
        is_safety=False,
        size_bytes=manifest.size_bytes,
        sha256=manifest.sha256,
        stored_bytes=manifest.stored_bytes,
        added_bytes=manifest.stored_bytes + (listing_bytes or 0),
        listing_bytes=listing_bytes,
        entries=manifest.entries,
        content_bytes=None,
        warnings=manifest.warnings,
        consistency="live" if manifest.consistency in (None, "crash") else str(manifest.consistency),
        read_whole=True,
    )


_PLACE_OF_REPOSITORY = re.compile(rf"{REPOSITORY_FOLDER}{UUID_PATTERN}/{UUID_PATTERN}/.+")


def repositories_find(storage: RetryingStorage) -> Iterator[tuple[UUID, UUID]]:
    """Tenant and id of each repository in a storage, once. Raises StorageError."""
    seen: set[tuple[UUID, UUID]] = set()
    for info in storage.list(REPOSITORY_FOLDER):
        match = _PLACE_OF_REPOSITORY.fullmatch(info.key)
        found = (UUID(match[1]), UUID(match[2])) if match else None
        if found is not None and found not in seen:
            seen.add(found)
            yield found


def snapshots_find(storage: RetryingStorage, tenant: Tenant, repository: UUID, *, unread: Unread) -> Iterator[Found]:
    """Every snapshot of a repository that is not deleted; of several for one backup the newest. Raises StorageError."""
    folder = f"{REPOSITORY_FOLDER}{tenant.copy.tenant}/{repository}/"
    newest: dict[UUID, Found] = {}
    try:
        opened = repository_open_with(storage, tenant=tenant.copy.tenant, repository=repository, key=tenant.data_key)
        for snapshot in roots_list(opened.objects):
            key = folder + SNAPSHOTS.key(snapshot)
            try:
                found = _of_snapshot(root_load(opened.objects, snapshot), tenant.copy.tenant, repository, key, storage)
            except (RepositoryError, ObjectNotFound) as error:
                unread(key, f"the snapshot cannot be read: {error}")
                continue
            except (KeyError, ValueError) as error:
                unread(key, f"its labels are not those of a backup: {error}")
                continue
            if found.backup not in newest or newest[found.backup].completed_at < found.completed_at:
                newest[found.backup] = found
    except RepositoryError as error:
        unread(folder, f"the repository does not open: {error}")
        return
    yield from newest.values()


def _of_snapshot(root: SnapshotRoot, tenant: UUID, repository: UUID, key: str, storage: RetryingStorage) -> Found:
    """Raises KeyError and ValueError for labels that are not those of a backup."""
    labels = root.labels
    completed_at = datetime.fromisoformat(root.created_at)
    return Found(
        tenant=tenant,
        tenant_name=labels["tenant_name"],
        order=UUID(labels["order"]),
        order_name=labels["order_name"][:NAME_MAX],
        provision=UUID(labels["provision"]),
        provision_name=labels["provision_name"][:NAME_MAX],
        backup=UUID(labels["backup"]),
        backup_name=labels["backup_name"][:NAME_MAX],
        created_at=_aware(labels["created_at"]),
        completed_at=completed_at,
        key=key,
        repository=repository,
        source=labels["source"],
        sealed=True,
        is_safety=labels["safety"] == "1",
        size_bytes=root.bytes,
        sha256=None,
        stored_bytes=storage.size(key),
        added_bytes=root.stored_bytes,
        listing_bytes=None,
        entries=max(0, root.entries - 1),
        content_bytes=root.bytes,
        # Skipped entries count with those that patterns left out: of these only the sum is known.
        warnings=root.warnings,
        consistency=labels.get("consistency", "live"),
        read_whole=root.parent is None,
    )


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment
