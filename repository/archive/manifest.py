"""The small sealed record beside an archive, from which a lost catalogue can be rebuilt."""

import json
import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

from repository.archive.object_keys import FORMATS
from repository.key_grammar import key_is_valid
from repository.sealing.frames import SealContext, SealError, sealed_size
from repository.sealing.sealed import open_bytes, seal_bytes

KIND = "manifest"
VERSION = 1
SOURCES = ("files",)
# “crash” is the former name of “live”: manifests with it stay readable, but none is written.
CONSISTENCIES = ("quiesced", "stopped", "live", "crash")
# Far above the size of any manifest: a writer to the bucket must not control the reader's memory.
SEALED_SIZE_MAX = 64 << 10
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ArchiveManifestInvalid(SealError):
    """The content is no manifest that this release can read, or it describes another archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveManifest:
    """The facts about one archive. Raises ManifestInvalid when the values contradict each other.

    `size_bytes` and `sha256` are those of the archive that the customer downloads; `stored_bytes` is that in storage.
    """

    tenant: UUID
    tenant_name: str | None
    order: UUID
    order_name: str
    provision: UUID
    provision_name: str
    backup: UUID
    backup_name: str
    created_at: datetime
    completed_at: datetime
    archive_key: str
    format: str
    source: str
    sealed: bool
    size_bytes: int
    sha256: str
    stored_bytes: int
    entries: int
    warnings: int
    consistency: str | None

    def __post_init__(self) -> None:
        for name, holds in self._rules().items():
            if not holds:
                raise ArchiveManifestInvalid(f"the manifest's {name} cannot be right")

    def _rules(self) -> dict[str, bool]:
        stored = sealed_size(self.size_bytes) if self.sealed and self.size_bytes >= 0 else self.size_bytes
        return {
            "created_at": self.created_at.tzinfo is not None,
            "completed_at": self.completed_at.tzinfo is not None,
            "archive_key": key_is_valid(self.archive_key),
            "format": self.archive_key.endswith(f".{self.format}") and self.format in FORMATS,
            "source": self.source in SOURCES,
            "size_bytes": self.size_bytes >= 0,
            "sha256": _SHA256.fullmatch(self.sha256) is not None,
            "stored_bytes": self.stored_bytes == stored,
            "entries": self.entries >= 0,
            "warnings": self.warnings >= 0,
            "consistency": self.consistency is None or self.consistency in CONSISTENCIES,
        }

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted names, no spaces, UTF-8, times in UTC; equal manifests give equal bytes."""
        content = {field.name: _to_json(getattr(self, field.name)) for field in fields(self)}
        content["version"] = VERSION
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ArchiveManifest":
        """Decode a manifest; raises ManifestInvalid unless `to_bytes` could have written these bytes."""
        try:
            content = json.loads(data)
            if content["version"] != VERSION:
                raise ArchiveManifestInvalid("a manifest of an unknown version")
            manifest = cls(**{field.name: _from_json(field.type, content[field.name]) for field in fields(cls)})
            canonical = manifest.to_bytes()
        except (ValueError, KeyError, TypeError):
            raise ArchiveManifestInvalid("not a manifest") from None
        # This catches unknown and repeated names, and any other spelling of a number, an id or a time.
        if canonical != data:
            raise ArchiveManifestInvalid("the manifest is not in canonical form")
        return manifest


def manifest_context(*, tenant: UUID, target: UUID, archive_key: str) -> SealContext:
    """The context that binds a manifest to its archive's key."""
    return SealContext(tenant=tenant, target=target, kind=KIND, object_id=archive_key)


def manifest_seal(manifest: ArchiveManifest, *, data_key: bytes, target: UUID) -> bytes:
    """Seal the object to store beside the archive, under the tenant's data key for that target."""
    context = manifest_context(tenant=manifest.tenant, target=target, archive_key=manifest.archive_key)
    return seal_bytes(manifest.to_bytes(), data_key=data_key, context=context)


def manifest_open(sealed: bytes, *, data_key: bytes, tenant: UUID, target: UUID, archive_key: str) -> ArchiveManifest:
    """Open the manifest stored beside that archive; raises ManifestInvalid or another `SealError`."""
    if len(sealed) > SEALED_SIZE_MAX:
        raise ArchiveManifestInvalid("too large for a manifest")
    context = manifest_context(tenant=tenant, target=target, archive_key=archive_key)
    manifest = ArchiveManifest.from_bytes(open_bytes(sealed, data_key=data_key, context=context))
    if (manifest.tenant, manifest.archive_key) != (tenant, archive_key):
        raise ArchiveManifestInvalid("the manifest describes another archive")
    return manifest


def _to_json(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value


def _from_json(kind: object, value: object) -> Any:
    """Convert a JSON value to a field's annotation; types are strict, so True is not a number."""
    written = str if kind in (UUID, datetime) else kind
    if type(value) not in (get_args(written) or (written,)):
        raise TypeError("a value of another type")
    if kind is UUID:
        return UUID(str(value))
    return datetime.fromisoformat(str(value)) if kind is datetime else value
