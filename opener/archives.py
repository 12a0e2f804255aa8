"""Archives: found by name, described by their manifests, and verified to the last byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

from opener.errors import Cannot
from opener.keys import Keys, OwnedKey
from repository.archive.manifest import SEALED_SIZE_MAX, ArchiveManifest, manifest_open
from repository.archive.object_keys import (
    MANIFEST_SUFFIX,
    archive_backup,
    archive_context,
    archive_folder,
    archive_name,
)
from repository.sealing.frames import MAGIC, Damaged, SealError, WrongKey
from repository.sealing.sealed import SealReader
from repository.storage import ObjectNotFound, Storage

READERS = 8


@dataclass(frozen=True, slots=True)
class Archive:
    """The known facts of one archive.

    `stored_bytes`: None when only the manifest exists. `damage`: the damage known before the archive is read.
    `locked`: none of the keys opens it.
    """

    key: str
    stored_bytes: int | None
    manifest: ArchiveManifest | None
    owner: OwnedKey | None
    sealed: bool
    damage: str | None
    locked: bool

    @property
    def name(self) -> str:
        """The backup's id, with the number of the attempt when it was not the first."""
        return archive_name(self.key)

    @property
    def size(self) -> int | None:
        """The size of the unsealed archive in bytes, None when unknown."""
        return self.manifest.size_bytes if self.manifest else self.stored_bytes


def archives_find(storage: Storage, keys: Keys, *, order: UUID | None, names: Sequence[str]) -> list[Archive]:
    """List the archives of the place, oldest first; with `names`, those whose names begin so. Raises `StorageError`."""
    sizes = {info.key: info.size for info in storage.list(archive_folder(order))}
    found = {key.removesuffix(MANIFEST_SUFFIX) for key in sizes}
    wanted = sorted(key for key in found if archive_backup(key) and name_matches(archive_name(key), key, names))
    with ThreadPoolExecutor(READERS) as pool:
        return sorted(pool.map(lambda key: _archive_look(storage, keys, key, sizes), wanted), key=_age)


def name_matches(name: str, key: str, wanted: Sequence[str]) -> bool:
    """Whether a backup was selected by name; without names all are."""
    return not wanted or any(name.startswith(begun) or key == begun for begun in wanted)


def archive_content(storage: Storage, archive: Archive) -> Iterator[bytes]:
    """Yield the archive's bytes; raises `Damaged` at the end unless their size and hash are right.

    Raises `Cannot` when the keys do not open it, and `StorageError`.
    """
    if archive.locked:
        raise Cannot(f"key unavailable: none of the keys is that of {archive.name}")
    if archive.stored_bytes is None:
        raise Damaged(archive.damage or "the archive is missing")
    content, size = hashlib.sha256(), 0
    try:
        for piece in _pieces(storage, archive):
            content.update(piece)
            size += len(piece)
            yield piece
    except ObjectNotFound:
        raise Damaged("the archive is missing") from None
    manifest = archive.manifest
    if manifest is not None and (size, content.hexdigest()) != (manifest.size_bytes, manifest.sha256):
        raise Damaged(f"size or SHA-256 are not those of the manifest ({size} bytes, {content.hexdigest()})")


def _pieces(storage: Storage, archive: Archive) -> Iterator[bytes]:
    if not archive.sealed:
        return storage.read(archive.key)
    if archive.owner is None or archive.stored_bytes is None:
        raise Damaged(archive.damage or "the archive is missing")
    # With the manifest's size, the rest of a truncated archive can be read.
    stored = archive.manifest.stored_bytes if archive.manifest else archive.stored_bytes
    return _reader(storage, archive.key, archive.owner, stored).read()


def _archive_look(storage: Storage, keys: Keys, key: str, sizes: dict[str, int]) -> Archive:
    stored, manifest_size = sizes.get(key), sizes.get(key + MANIFEST_SUFFIX)
    try:
        if manifest_size is None:
            raise Damaged("it is missing")
        opened = _manifest_look(storage, keys.owned, key, manifest_size)
    except SealError as error:
        damage = f"its manifest cannot be used: {error}"
        if stored is None:
            return Archive(key, None, None, None, sealed=True, damage=damage, locked=False)
        return _unmanifested(storage, keys, key, stored, damage)
    if opened is None:
        return Archive(key, stored, None, None, sealed=True, damage=None, locked=True)
    owner, manifest = opened
    damage_seen = None
    if stored is None:
        damage_seen = "the archive is missing, only its manifest is there"
    elif stored != manifest.stored_bytes:
        damage_seen = f"the archive takes {stored} bytes in storage, not {manifest.stored_bytes}"
    return Archive(key, stored, manifest, owner, sealed=manifest.sealed, damage=damage_seen, locked=False)


def _manifest_look(
    storage: Storage, owned: Sequence[OwnedKey], key: str, size: int
) -> tuple[OwnedKey, ArchiveManifest] | None:
    """The manifest and the owner of the key that opened it; None when no key opens it.

    Raises `SealError`.
    """
    if size > SEALED_SIZE_MAX:
        raise Damaged("too large for a manifest")
    try:
        sealed = b"".join(storage.read(key + MANIFEST_SUFFIX))
    except ObjectNotFound:
        raise Damaged("it is gone") from None
    said: SealError | None = None
    for owner in owned:
        try:
            manifest = manifest_open(
                sealed, data_key=owner.data_key, tenant=owner.tenant, target=owner.target, archive_key=key
            )
        except WrongKey:
            continue
        except SealError as error:
            # A key is tried for several tenants and targets, and opens the manifest for one of them.
            said = error
        else:
            return owner, manifest
    if said is not None:
        raise said
    return None


def _unmanifested(storage: Storage, keys: Keys, key: str, stored: int, damage: str) -> Archive:
    """An archive without a manifest: only its seal identifies it, and nothing does when it is plain."""
    if b"".join(storage.read(key, stop=len(MAGIC))) != MAGIC:
        damage = f"{damage}, and nothing else tells whether its content is right"
        return Archive(key, stored, None, None, sealed=False, damage=damage, locked=False)
    locked = True
    for owner in keys.owned:
        try:
            # The key that opens the first frame is the owner's, even if later frames are damaged.
            list(_reader(storage, key, owner, stored).read(0, 1))
        except WrongKey:
            continue
        except SealError as error:
            locked, damage = False, f"{damage}, and the archive is, too: {error}"
        else:
            return Archive(key, stored, None, owner, sealed=True, damage=damage, locked=False)
    return Archive(key, stored, None, None, sealed=True, damage=damage, locked=locked)


def _reader(storage: Storage, key: str, owner: OwnedKey, stored_bytes: int) -> SealReader:
    context = archive_context(tenant=owner.tenant, target=owner.target, key=key)
    return SealReader(data_key=owner.data_key, context=context, storage=storage, key=key, sealed_size=stored_bytes)


def _age(archive: Archive) -> tuple[str, str]:
    return (archive.manifest.created_at.isoformat() if archive.manifest else "", archive.key)
