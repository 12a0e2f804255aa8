"""The keyring of key-encrypting keys (KEKs): wraps tenant keys and secret columns; rotation only re-wraps.

A wrapped blob, numbers big-endian:

    offset  bytes
    0       1      format, 1
    1       4      KEK version
    5       8      KEK check: tells another key of the same version from damage
    13      12     random nonce
    25      n      AES-256-GCM ciphertext
    25 + n  16     its tag; associated data: "savepoint/wrap/1" NUL, bytes 0-12, the caller's context
"""

import base64
import binascii
import re
import secrets
import struct
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEK_SIZE = 32
_FORMAT = 1
_HEAD = struct.Struct(">BI8s")
_NONCE_SIZE = 12
_TAG_SIZE = 16
_LABEL = b"savepoint/wrap/1\x00"
_VERSION_MAX = 2**32 - 1
_ENTRY = re.compile(r"([1-9][0-9]{0,9}):([A-Za-z0-9_-]+)(=?)")


class KeyringError(Exception):
    """Base of the keyring's failures; no message holds a key."""


class KeyringInvalid(KeyringError):
    """The text is no keyring; the message says which entry is wrong, by its position."""


class KekUnavailable(KeyringError):
    """The KEK that wrapped this is not in the keyring. Says nothing about the wrapped bytes."""


class WrapDamaged(KeyringError):
    """The wrapped bytes were changed, cut, or belong to another context."""


@dataclass(frozen=True, slots=True)
class _Kek:
    aes: AESGCM
    check: bytes


@dataclass(frozen=True, slots=True)
class Keyring:
    """KEKs by version; the highest version wraps, every version unwraps."""

    _keks: dict[int, _Kek] = field(repr=False)
    current_version: int

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """The keyring in `2:<base64url of 32 bytes>,1:<...>`; raises KeyringInvalid."""
        keys: dict[int, bytes] = {}
        for position, entry in enumerate(text.strip().split(","), start=1):
            version, key = _entry_parse(entry.strip(), f"entry {position} of the keyring")
            if version in keys:
                raise KeyringInvalid(f"version {version} is in the keyring twice")
            if key in keys.values():
                raise KeyringInvalid(f"version {version} of the keyring repeats the key of another version")
            keys[version] = key
        return cls({version: _Kek(AESGCM(key), _check(key)) for version, key in keys.items()}, max(keys))

    def wrap(self, key: bytes, *, context: bytes) -> bytes:
        """The bytes encrypted under the current KEK; they open only with the same context."""
        kek = self._keks[self.current_version]
        head = _HEAD.pack(_FORMAT, self.current_version, kek.check)
        nonce = secrets.token_bytes(_NONCE_SIZE)
        return head + nonce + kek.aes.encrypt(nonce, key, _LABEL + head + context)

    def unwrap(self, blob: bytes, *, context: bytes) -> bytes:
        """The bytes that `wrap` was given; raises KekUnavailable or WrapDamaged."""
        version, check = _head_read(blob)
        kek = self._keks.get(version)
        if kek is None:
            raise KekUnavailable(f"version {version} is not in the keyring")
        if kek.check != check:
            raise KekUnavailable(f"version {version} in the keyring is another key than the one that wrapped this")
        head, nonce, sealed = (
            blob[: _HEAD.size],
            blob[_HEAD.size :][:_NONCE_SIZE],
            blob[_HEAD.size + _NONCE_SIZE :],
        )
        try:
            return kek.aes.decrypt(nonce, sealed, _LABEL + head + context)
        except InvalidTag:
            raise WrapDamaged("the wrapped bytes were changed or belong to another context") from None

    def rewrap(self, blob: bytes, *, context: bytes) -> bytes:
        """The same bytes under the current KEK; the blob itself if it already is. Raises as `unwrap` does."""
        plain = self.unwrap(blob, context=context)
        return blob if self.version_of(blob) == self.current_version else self.wrap(plain, context=context)

    @staticmethod
    def version_of(blob: bytes) -> int:
        """The version of the KEK that wrapped this; raises WrapDamaged."""
        return _head_read(blob)[0]


def kek_generate() -> str:
    """A new random KEK in base64url, to be put behind its version in the keyring's text."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEK_SIZE)).decode().rstrip("=")


def _entry_parse(entry: str, where: str) -> tuple[int, bytes]:
    match = _ENTRY.fullmatch(entry)
    if match is None or int(match[1]) > _VERSION_MAX:
        raise KeyringInvalid(f"{where} is not of the form VERSION:KEY with a base64url key")
    try:
        key = base64.urlsafe_b64decode(match[2] + "=" * (-len(match[2]) % 4))
    except binascii.Error:
        key = b""
    # A spelling that decodes but is not the one spelling of these bytes was mistyped or cut.
    if len(key) != KEK_SIZE or base64.urlsafe_b64encode(key).decode().rstrip("=") != match[2]:
        raise KeyringInvalid(f"{where} does not hold a key of {KEK_SIZE} bytes in base64url")
    return int(match[1]), key


def _check(key: bytes) -> bytes:
    """Eight bytes that recognise a KEK; from 32 random bytes, a hash gives nothing away."""
    return sha256(b"savepoint/kek-check/1\x00" + key).digest()[:8]


def _head_read(blob: bytes) -> tuple[int, bytes]:
    if len(blob) < _HEAD.size + _NONCE_SIZE + _TAG_SIZE:
        raise WrapDamaged("too short for wrapped bytes")
    number, version, check = _HEAD.unpack_from(blob)
    if number != _FORMAT:
        raise WrapDamaged("not wrapped bytes of a known format")
    return version, check
