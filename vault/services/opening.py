"""Opens targets, and archives and listings in them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from common.errors import KeyUnavailable
from repository.archive.object_keys import LISTING_SUFFIX, archive_context, listing_context
from repository.checkpoint import Checkpoint, go_on
from repository.retrying import Retry, RetryingStorage
from repository.sealing.frames import SealError, UnknownFormat, WrongKey
from repository.sealing.sealed import SealReader
from repository.storage import ObjectNotFound, ObjectUnreadable, Storage, StorageError, StorageFull
from targets.kinds import NOT_VALID, OptionInvalid
from targets.registry import kind_named, storage_open
from vault.errors import (
    ArchiveDamagedError,
    RepositoryUnknownError,
    StorageFullError,
    StorageUnavailableError,
)
from vault.models import Asset, StorageTarget
from vault.services.keys import data_key_get

log = logging.getLogger(__name__)


def target_settings(target: StorageTarget) -> Any:
    """The settings of a target, as its kind has them. Raises OptionInvalid."""
    kind = kind_named(target.kind)
    # Do not decrypt secrets for a kind without any.
    stored = (target.secrets if any(option.secret for option in kind.options) else None) or "{}"
    try:
        secrets = json.loads(stored)
    except ValueError:
        raise OptionInvalid("secrets", NOT_VALID) from None
    return kind.read(options=target.options, secrets=secrets)


def target_open(target: StorageTarget, *, checkpoint: Checkpoint = go_on) -> RetryingStorage:
    """Return the storage of a target, with retries. Opens no connection.

    checkpoint: raises to cancel a call; it is called from any thread. Raises StorageUnavailableError for stored options
    that are not valid, such as those of another release.
    """
    try:
        kind, settings = kind_named(target.kind), target_settings(target)
    except OptionInvalid as error:
        log.warning("target %s cannot be opened: %s", target.id, error)
        raise StorageUnavailableError from error
    return storage_open(kind, settings, Retry(checkpoint=checkpoint))


@contextmanager
def storage_errors() -> Iterator[None]:
    """Translate errors of storage and seal into the product's own."""
    try:
        yield
    except StorageFull as error:
        raise StorageFullError from error
    except (ObjectNotFound, ObjectUnreadable) as error:
        raise ArchiveDamagedError from error
    except StorageError as error:
        raise StorageUnavailableError from error
    except WrongKey as error:
        raise KeyUnavailable from error
    except UnknownFormat as error:
        raise RepositoryUnknownError from error
    except SealError as error:
        raise ArchiveDamagedError from error


class Digest(Protocol):
    """A running SHA-256, like hashlib's."""

    def update(self, data: bytes, /) -> object:
        """Take the next bytes."""

    def hexdigest(self) -> str:
        """The hash of all bytes so far."""


class AssetReader:
    """The unsealed bytes of an archive or a listing, from any offset, in bounded memory; `size` is their number."""

    def __init__(
        self, *, key: str, size: int, storage: Storage, sealed: SealReader | None, sha256: str | None = None
    ) -> None:
        self.size = size
        self._key = key
        self._sha256 = sha256
        self._storage = storage
        self._sealed = sealed

    @property
    def resumable(self) -> bool:
        """Whether each piece is verified by itself, so that a download may resume at any offset."""
        return self._sealed is not None

    def read(self, start: int = 0, stop: int | None = None, *, digest: Digest | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop` in pieces of at most 4 MiB.

        When all bytes are read, the last piece is yielded only if their hash matches the stored one. A part of a
        plain archive is not verified. digest: computes that hash; the default does so in the caller's thread. Raises
        ArchiveDamagedError, StorageUnavailableError, KeyUnavailable.
        """
        whole = start == 0 and (stop is None or stop >= self.size)
        with storage_errors():
            if self._sealed is not None:
                pieces = self._sealed.read(start, stop)
            else:
                pieces = self._storage.read(self._key, start=start, stop=stop)
            yield from self._verified(pieces, digest or hashlib.sha256()) if whole and self._sha256 else pieces

    def _verified(self, pieces: Iterator[bytes], digest: Digest) -> Iterator[bytes]:
        left = self.size
        for piece in pieces:
            digest.update(piece)
            left -= len(piece)
            if left < 0 or (not left and digest.hexdigest() != self._sha256):
                raise ArchiveDamagedError
            yield piece
        if left:
            raise ArchiveDamagedError


def listing_open(asset: Asset, *, stored_bytes: int, checkpoint: Checkpoint = go_on) -> AssetReader:
    """Open the listing beside an asset, given its stored size. Raises as `asset_open`."""
    storage, key = target_open(asset.target, checkpoint=checkpoint), asset.key + LISTING_SUFFIX
    with storage_errors():
        if storage.size(key) != stored_bytes:
            raise ArchiveDamagedError
        if not asset.sealed:
            return AssetReader(key=key, size=stored_bytes, storage=storage, sealed=None)
        reader = SealReader(
            data_key=data_key_get(customer=asset.customer, target=asset.target),
            context=listing_context(tenant=asset.customer_id, target=asset.target_id, key=asset.key),
            storage=storage,
            key=key,
            sealed_size=stored_bytes,
        )
    return AssetReader(key=key, size=reader.size, storage=storage, sealed=reader)


def asset_open(asset: Asset, *, checkpoint: Checkpoint = go_on) -> AssetReader:
    """Open an asset. Its object is checked first, so that a missing one raises before the first byte.

    Raises ArchiveDamagedError when the object is gone or has another size, StorageUnavailableError, KeyUnavailable,
    RepositoryUnknownError for one that a later release has sealed.
    """
    storage = target_open(asset.target, checkpoint=checkpoint)
    with storage_errors():
        if storage.size(asset.key) != asset.stored_bytes:
            raise ArchiveDamagedError
        if not asset.sealed:
            size, sha256 = asset.measured()
            return AssetReader(key=asset.key, size=size, storage=storage, sealed=None, sha256=sha256)
        reader = SealReader(
            data_key=data_key_get(customer=asset.customer, target=asset.target),
            context=archive_context(tenant=asset.customer_id, target=asset.target_id, key=asset.key),
            storage=storage,
            key=asset.key,
            sealed_size=asset.stored_bytes,
        )
        if reader.size != asset.size_bytes:
            raise ArchiveDamagedError
    return AssetReader(key=asset.key, size=reader.size, storage=storage, sealed=reader, sha256=asset.sha256)
