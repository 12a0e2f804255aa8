"""The keys of a repository: a random repository key, wrapped by the tenant's data key, and keys derived from it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from repository.chunked.chunks.cipher import Suite
from repository.sealing.frames import Damaged, SealContext, UnknownFormat, WrongKey
from repository.sealing.sealed import open_bytes, seal_bytes

KEY_SIZE = 32
VERSION = 1
KIB = 1 << 10
MIB = 1 << 20
_LABEL = b"savepoint/repository/1/"


class KeyWrap(Protocol):
    """Wraps the repository key: with a data key today, with a key service tomorrow."""

    def wrap(self, plain: bytes, *, context: SealContext) -> bytes:
        """Seal the bytes; they can be opened in that context only."""

    def unwrap(self, wrapped: bytes, *, context: SealContext) -> bytes:
        """Open the bytes; raises `WrongKey`, `Damaged`, `UnknownFormat` of `repository.sealing.frames`."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """Wraps with the tenant's data key, as a sealed object."""

    key: bytes = field(repr=False)

    def wrap(self, plain: bytes, *, context: SealContext) -> bytes:
        """Seal the bytes as an object."""
        return seal_bytes(plain, data_key=self.key, context=context)

    def unwrap(self, wrapped: bytes, *, context: SealContext) -> bytes:
        """Open the bytes; raises `WrongKey`, `Damaged`, `UnknownFormat`."""
        return open_bytes(wrapped, data_key=self.key, context=context)


@dataclass(frozen=True, slots=True)
class ChunkerSizes:
    """The least, average and greatest size in bytes of a content-defined chunk."""

    least: int = 256 * KIB
    average: int = MIB
    most: int = 4 * MIB


@dataclass(frozen=True, slots=True)
class RepositoryKeys:
    """The repository key, the parameters that are fixed for the repository's life, and the keys derived from it."""

    tenant: UUID
    repository: UUID
    key: bytes = field(repr=False)
    suite: Suite
    chunker: ChunkerSizes
    created_at: str

    @classmethod
    def generate(cls, *, tenant: UUID, repository: UUID, suite: Suite, created_at: str) -> RepositoryKeys:
        """Generate the keys of a new repository."""
        return cls(tenant, repository, secrets.token_bytes(KEY_SIZE), suite, ChunkerSizes(), created_at)

    def derive(self, name: str) -> bytes:
        """The key for a purpose: `identity`, `chunks`, `objects` or `chunker`; 32 bytes."""
        info = _LABEL + name.encode() + b"\x00"
        return HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=self.repository.bytes, info=info).derive(self.key)

    def encoded(self) -> bytes:
        """The plain bytes of a `keys/` object."""
        found = {
            "version": VERSION,
            "tenant": str(self.tenant),
            "repository": str(self.repository),
            "key": self.key.hex(),
            "suite": int(self.suite),
            "chunker": [self.chunker.least, self.chunker.average, self.chunker.most],
            "created_at": self.created_at,
        }
        return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def decode(cls, plain: bytes) -> RepositoryKeys:
        """Decode the plain bytes of a `keys/` object; raises `Damaged`, `UnknownFormat`."""
        try:
            found = json.loads(plain)
            if found["version"] != VERSION or found["suite"] not in list(Suite):
                raise UnknownFormat(f"repository version {found['version']}, suite {found['suite']}")
            keys = cls(
                tenant=UUID(found["tenant"]),
                repository=UUID(found["repository"]),
                key=bytes.fromhex(found["key"]),
                suite=Suite(found["suite"]),
                chunker=ChunkerSizes(*found["chunker"]),
                created_at=str(found["created_at"]),
            )
            sizes = (keys.chunker.least, keys.chunker.average, keys.chunker.most)
            if not 0 < sizes[0] <= sizes[1] <= sizes[2]:
                raise Damaged("a key object has invalid content")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Damaged("a key object has invalid content") from None
        if len(keys.key) != KEY_SIZE:
            raise Damaged("a repository key has another size")
        return keys


__all__ = ["ChunkerSizes", "DataKey", "KeyWrap", "RepositoryKeys", "WrongKey"]
