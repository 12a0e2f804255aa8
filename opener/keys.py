"""The data keys: given in a file, or unwrapped from the copies in the target with the installation's master keys."""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from common.key_copies import FOLDER, copy_load, copy_owner
from common.keyring import Keyring, KeyringError, KeyringInvalid
from opener.errors import Cannot
from repository.sealing.keys import DATA_KEY_SIZE
from repository.storage import Storage

KEY_FILE_SIZE_MAX = 64 << 10


@dataclass(frozen=True, slots=True)
class OwnedKey:
    """A data key, and the tenant and target whose objects it seals."""

    tenant: UUID
    target: UUID
    data_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keys:
    """The available keys.

    `loose` is a data key without a known owner; `refused` names the copies that did not open, with the reason.
    """

    owned: Sequence[OwnedKey]
    loose: bytes | None = field(default=None, repr=False)
    refused: Sequence[str] = ()

    def of_tenant(self, tenant: UUID) -> Sequence[bytes]:
        """The data keys that may be this tenant's."""
        found = [key.data_key for key in self.owned if key.tenant == tenant]
        return list(dict.fromkeys(found if self.loose is None else [*found, self.loose]))


def key_file_read(name: str) -> bytes:
    """The content of a key file, or of standard input for `-`. Raises `Cannot`."""
    try:
        if name == "-":
            content = sys.stdin.buffer.read(KEY_FILE_SIZE_MAX)
        else:
            with Path(name).open("rb") as file:
                content = file.read(KEY_FILE_SIZE_MAX)
    except OSError as error:
        raise Cannot(f"the file {name} cannot be read: {error.strerror}") from None
    if not content.strip():
        raise Cannot("standard input is empty" if name == "-" else f"the file {name} is empty")
    return content


def data_key_parse(content: bytes) -> bytes:
    """The data key in a file: 32 bytes as they are, in hexadecimal, or in base64; raises `Cannot`."""
    if len(content) == DATA_KEY_SIZE:
        return content
    text = content.strip().decode("ascii", errors="replace")
    for decode in (bytes.fromhex, _base64):
        try:
            key = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == DATA_KEY_SIZE:
            return key
    raise Cannot(f"the key file holds no data key: {DATA_KEY_SIZE} bytes, as they are, in hexadecimal or in base64")


def keys_given(data_key: bytes, storage: Storage, *, tenant: UUID | None, target: UUID | None) -> Keys:
    """Keys from a data key. Without `tenant` and `target`, its possible owners are those of the target's key copies."""
    if tenant is not None and target is not None:
        return Keys([OwnedKey(tenant, target, data_key)], loose=data_key)
    named = (copy_owner(info.key) for info in storage.list(FOLDER))
    owners = dict.fromkeys(owner for owner in named if owner is not None)
    return Keys([OwnedKey(*owner, data_key) for owner in owners if _is_asked(owner, tenant, target)], loose=data_key)


def keys_unwrapped(
    master_keys: bytes, storage: Storage, *, copies: Sequence[str], tenant: UUID | None, target: UUID | None
) -> Keys:
    """Keys from the master keys: of every copy in the target, or of the files `copies`. Raises `Cannot`."""
    try:
        ring = Keyring.parse(master_keys.decode("ascii", errors="replace"))
    except KeyringInvalid as error:
        raise Cannot(f"the file of the master keys is not valid: {error}") from None
    found: dict[tuple[UUID, UUID], OwnedKey] = {}
    refused: list[str] = []
    for name, content in _copies_read(storage, copies):
        try:
            copy = copy_load(content)
            key = OwnedKey(copy.tenant, copy.target, copy.unwrap(ring))
        except (KeyringError, ValueError) as error:
            refused.append(f"{name}: {error}" if isinstance(error, KeyringError) else f"{name} is no copy of a key")
        else:
            found[key.tenant, key.target] = key
    if not found:
        reason = refused[0] if refused else "the target has no copies of wrapped keys; give one with --keys-file"
        raise Cannot(f"key unavailable: {reason}")
    return Keys([key for owner, key in found.items() if _is_asked(owner, tenant, target)], refused=refused)


def _copies_read(storage: Storage, files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    if files:
        yield from ((name, key_file_read(name)) for name in files)
        return
    for info in list(storage.list(FOLDER)):
        if copy_owner(info.key) and info.size <= KEY_FILE_SIZE_MAX:
            yield info.key, b"".join(storage.read(info.key))


def _is_asked(owner: tuple[UUID, UUID], tenant: UUID | None, target: UUID | None) -> bool:
    return tenant in (None, owner[0]) and target in (None, owner[1])


def _base64(text: str) -> bytes:
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
