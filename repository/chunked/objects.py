"""The objects of one repository in storage: their keys, and the sealing and opening of small ones."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgpack

from repository.errors import ObjectDamaged, RepositoryUnknown
from repository.retrying import RetryingStorage
from repository.sealing.frames import Damaged, SealContext, UnknownFormat, WrongKey
from repository.sealing.sealed import open_bytes, seal_bytes
from repository.storage import ObjectUnreadable

ID_SIZE = 16
VERSION = 1
_NAME = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class ObjectFolder:
    """One kind of object: its folder, and the kind that is bound into its seal."""

    name: str
    kind: str
    spread: bool = False

    def key(self, object_id: bytes) -> str:
        """The key of an object, relative to the repository."""
        name = object_id.hex()
        return f"{self.name}/{name[:2]}/{name}" if self.spread else f"{self.name}/{name}"


KEYS = ObjectFolder("keys", "repository-key")
PACKS = ObjectFolder("packs", "repository-pack", spread=True)
INDEX = ObjectFolder("index", "repository-index")
SNAPSHOTS = ObjectFolder("snapshots", "repository-snapshot")
TOMBSTONES = ObjectFolder("tombstones", "repository-tombstone")
CONDEMNED = ObjectFolder("condemned", "repository-condemned")
DAMAGED = ObjectFolder("damaged", "repository-damaged")
MARKS = ObjectFolder("marks", "repository-mark")


def id_new() -> bytes:
    """The id of a new object."""
    return secrets.token_bytes(ID_SIZE)


class Objects:
    """The objects below `repositories/{tenant}/{repository}/`; every call may raise `StorageError`."""

    def __init__(self, storage: RetryingStorage, *, tenant: UUID, repository: UUID, object_key: bytes) -> None:
        self.storage = storage
        self._prefix = prefix_of(tenant, repository)
        self._tenant = tenant
        self._repository = repository
        self._object_key = object_key

    def path(self, folder: ObjectFolder, object_id: bytes) -> str:
        """The object's full key in storage."""
        return self._prefix + folder.key(object_id)

    def list(self, folder: ObjectFolder) -> Iterator[tuple[bytes, int]]:
        """Ids and sizes in bytes of the objects in a folder; an incomplete listing raises."""
        for found in self.storage.list(f"{self._prefix}{folder.name}/"):
            name = found.key.rpartition("/")[2]
            if _NAME.fullmatch(name) and found.key == self._prefix + folder.key(bytes.fromhex(name)):
                yield bytes.fromhex(name), found.size

    def seal(self, folder: ObjectFolder, object_id: bytes, plain: bytes) -> bytes:
        """Seal the bytes as the object of that name."""
        return seal_bytes(plain, data_key=self._object_key, context=self._context(folder, object_id))

    def unseal(self, folder: ObjectFolder, object_id: bytes, sealed: bytes) -> bytes:
        """The plain bytes; raises `ObjectDamaged`, `RepositoryUnknown`.

        The object key belongs to this repository alone: an object sealed with another key comes from elsewhere.
        """
        name = folder.key(object_id)
        try:
            return open_bytes(sealed, data_key=self._object_key, context=self._context(folder, object_id))
        except Damaged as error:
            raise ObjectDamaged(f"{name}: {error}") from None
        except WrongKey:
            raise ObjectDamaged(f"{name} was sealed with another key") from None
        except UnknownFormat as error:
            raise RepositoryUnknown(f"{name}: {error}") from None

    def put(self, folder: ObjectFolder, object_id: bytes, plain: bytes) -> int:
        """Seal and store an object; returns its size in storage."""
        sealed = self.seal(folder, object_id, plain)
        self.storage.put(self.path(folder, object_id), [sealed])
        return len(sealed)

    def put_raw(self, folder: ObjectFolder, object_id: bytes, pieces: Sequence[memoryview | bytes]) -> None:
        """Store an object unchanged; the buffers must not change during the call."""
        self.storage.put(self.path(folder, object_id), pieces)

    def get(self, folder: ObjectFolder, object_id: bytes) -> bytes:
        """The plain bytes of a sealed object; raises `ObjectNotFound` and the errors of `unseal`."""
        return self.unseal(folder, object_id, self.get_raw(folder, object_id))

    def get_raw(self, folder: ObjectFolder, object_id: bytes, start: int = 0, stop: int | None = None) -> bytes:
        """Stored bytes of an object; fewer if it ends before `stop`.

        Raises `ObjectNotFound`, and `ObjectDamaged` when the target has the bytes but cannot read them.
        """
        try:
            return self.storage.get(self.path(folder, object_id), start, stop)
        except ObjectUnreadable as error:
            raise ObjectDamaged(f"{folder.key(object_id)}: {error}") from error

    def delete(self, folder: ObjectFolder, object_id: bytes) -> None:
        """Delete an object; a missing one is no error."""
        self.storage.delete(self.path(folder, object_id))

    def put_map(self, folder: ObjectFolder, object_id: bytes, content: dict[str, Any]) -> int:
        """Store a MessagePack map with the format's version; returns its size in storage."""
        return self.put(folder, object_id, msgpack.packb({"version": VERSION, **content}, use_bin_type=True))

    def get_map(self, folder: ObjectFolder, object_id: bytes) -> dict[str, Any]:
        """Decode a map; raises the errors of `get`, and `ObjectDamaged` when the object is not a map."""
        plain = self.get(folder, object_id)
        try:
            found = msgpack.unpackb(plain, raw=False, strict_map_key=True)
        except (ValueError, msgpack.UnpackException):
            raise ObjectDamaged(f"{folder.key(object_id)} is not a map") from None
        if not isinstance(found, dict) or found.get("version") != VERSION:
            raise RepositoryUnknown(f"{folder.key(object_id)} has another version")
        return found

    def _context(self, folder: ObjectFolder, object_id: bytes) -> SealContext:
        return SealContext(self._tenant, self._repository, folder.kind, folder.key(object_id))


def prefix_of(tenant: UUID, repository: UUID) -> str:
    """The prefix of all keys of a repository."""
    return f"repositories/{tenant}/{repository}/"
