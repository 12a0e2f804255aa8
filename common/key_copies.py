"""Copies of wrapped keys that lie beside the objects: with the KEK they alone open everything. Knows no Django.

One object for each tenant, target and KEK version, `keys/{tenant}/{target}.{version}.json`; bytes are base64:

    {"version": 1, "tenant": id, "target": id, "kek": version, "tenant_key": wrapped by the KEK,
     "data_key": wrapped by the tenant key}
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from uuid import UUID

from common.keyring import Keyring

FOLDER = "keys/"
VERSION = 1
_UUID = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_NAME = re.compile(rf"{FOLDER}{_UUID}/{_UUID}\.[0-9]+\.json")


def tenant_key_context(tenant: UUID) -> bytes:
    """The context under which the KEK wraps a tenant key."""
    return f"tenant key {tenant}".encode()


def data_key_context(tenant: UUID, target: UUID) -> bytes:
    """The context under which the tenant key wraps a data key."""
    return f"data key {tenant} {target}".encode()


def tenant_ring(tenant_key: bytes) -> Keyring:
    """The keyring of a tenant's own key, 32 bytes."""
    return Keyring.parse(f"1:{base64.urlsafe_b64encode(tenant_key).decode()}")


def copy_name(*, tenant: UUID, target: UUID, kek: int) -> str:
    """The object key of a copy whose tenant key that KEK version wraps."""
    return f"{FOLDER}{tenant}/{target}.{kek}.json"


def copy_owner(name: str) -> tuple[UUID, UUID] | None:
    """Tenant and target of the copy under an object key; None for a key that names no copy."""
    match = _NAME.fullmatch(name)
    return (UUID(match[1]), UUID(match[2])) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCopy:
    """One copy. kek: the version that wraps `tenant_key`; `data_key` is wrapped by the tenant key."""

    tenant: UUID
    target: UUID
    kek: int
    tenant_key: bytes = field(repr=False)
    data_key: bytes = field(repr=False)

    def dump(self) -> bytes:
        """The copy as it is stored."""
        content = {
            "version": VERSION,
            "tenant": str(self.tenant),
            "target": str(self.target),
            "kek": self.kek,
            "tenant_key": base64.b64encode(self.tenant_key).decode(),
            "data_key": base64.b64encode(self.data_key).decode(),
        }
        return json.dumps(content, sort_keys=True).encode()

    def unwrap(self, ring: Keyring) -> bytes:
        """The data key, 32 bytes. Raises KeyringError."""
        tenant_key = ring.unwrap(self.tenant_key, context=tenant_key_context(self.tenant))
        return tenant_ring(tenant_key).unwrap(self.data_key, context=data_key_context(self.tenant, self.target))


def copy_load(content: bytes) -> KeyCopy:
    """Read a copy. Raises ValueError for other bytes, and for a copy of a later release."""
    try:
        copy = json.loads(content)
        if copy["version"] != VERSION:
            raise ValueError("a copy of a later release")
        return KeyCopy(
            tenant=UUID(copy["tenant"]),
            target=UUID(copy["target"]),
            kek=copy["kek"],
            tenant_key=base64.b64decode(copy["tenant_key"]),
            data_key=base64.b64decode(copy["data_key"]),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("no copy of a key") from error
