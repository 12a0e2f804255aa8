"""The layout of a sealed object (offsets: FORMAT.md): header, frames, sizes, and errors."""

import hmac
import re
import struct
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from repository.sealing.keys import KEY_CHECK_SIZE, SALT_SIZE, key_check, object_key

MAGIC = b"SVPTSEAL"
VERSION = 1
SUITE = 1  # HKDF-SHA256, AES-256-GCM frames in the STREAM construction
FRAME_SIZE = 1 << 20
TAG_SIZE = 16
SEALED_FRAME_SIZE = FRAME_SIZE + TAG_SIZE

_HEADER = struct.Struct(f">8sBBHI{SALT_SIZE}s{KEY_CHECK_SIZE}s8s")
_CHECKED = _HEADER.size - 8
HEADER_SIZE = _HEADER.size

_KIND = re.compile(r"[a-z][a-z-]{0,31}")
_OBJECT_ID_MAX = 1024


class SealError(Exception):
    """Base of all reasons why a sealed object does not open."""


class Damaged(SealError):
    """Bytes are missing, changed or out of place, or belong to another object."""


class WrongKey(SealError):
    """The object was sealed with another data key; its bytes may well be intact."""


class UnknownFormat(SealError):
    """The header is intact but names a version, suite or frame size that this release cannot read."""


@dataclass(frozen=True, slots=True)
class SealContext:
    """The identity of an object, bound into its key and every frame, so that it cannot pass for another object.

    `kind` is its type (`archive`, `manifest`, ...), `object_id` its name within tenant, target and kind.
    """

    tenant: UUID
    target: UUID
    kind: str
    object_id: str

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise ValueError("a kind is a lower-case word of up to 32 letters and hyphens")
        if not 0 < len(self.object_id.encode()) <= _OBJECT_ID_MAX:
            raise ValueError(f"an object id has 1 to {_OBJECT_ID_MAX} bytes")

    def encoded(self) -> bytes:
        """The context as unambiguous bytes: both UUIDs, then each text preceded by its two-byte length."""
        texts = (self.kind.encode(), self.object_id.encode())
        return self.tenant.bytes + self.target.bytes + b"".join(struct.pack(">H", len(t)) + t for t in texts)


def sealed_size(plain_size: int) -> int:
    """The size in storage of a sealed object with that many plain bytes."""
    if plain_size < 0:
        raise ValueError("a size is not negative")
    return HEADER_SIZE + plain_size + TAG_SIZE * frame_count(plain_size)


def plain_size(sealed_size: int) -> int:
    """The number of plain bytes in a sealed object of that size; raises `Damaged` when no object has that size."""
    body = sealed_size - HEADER_SIZE
    frames = -(-body // SEALED_FRAME_SIZE)
    last = body - (frames - 1) * SEALED_FRAME_SIZE
    # Only an empty object has an empty last frame: each size has exactly one layout.
    if frames < 1 or last < TAG_SIZE or (last == TAG_SIZE and frames > 1):
        raise Damaged("no sealed object has this size")
    return body - frames * TAG_SIZE


def frame_count(plain_size: int) -> int:
    """The number of frames for that many bytes; an empty object has one empty frame."""
    return max(1, -(-plain_size // FRAME_SIZE))


def frame_span(index: int, sealed_size: int) -> tuple[int, int]:
    """Start and end of frame `index` in the sealed object."""
    begin = HEADER_SIZE + index * SEALED_FRAME_SIZE
    return begin, min(begin + SEALED_FRAME_SIZE, sealed_size)


def header_build(data_key: bytes, *, salt: bytes) -> bytes:
    """The header of a new object; the salt must be random and never reused."""
    check = key_check(data_key, salt=salt)
    start = _HEADER.pack(MAGIC, VERSION, SUITE, 0, FRAME_SIZE, salt, check, b"")[:_CHECKED]
    return start + sha256(start).digest()[:8]


class FrameCipher:
    """Seals and opens one object's frames; reading the header may raise `Damaged`, `WrongKey` or `UnknownFormat`."""

    def __init__(self, data_key: bytes, *, context: SealContext, header: bytes) -> None:
        salt = _header_verify(header, data_key)
        encoded = context.encoded()
        self._aes = AESGCM(object_key(data_key, salt=salt, context=encoded))
        self._bound = header + encoded

    def seal_into(self, out: memoryview, index: int, plain: memoryview, *, last: bool) -> None:
        """Encrypt frame `index` into `out`, which is 16 bytes longer than `plain`."""
        self._aes.encrypt_into(_nonce(index, last=last), plain, self._bound, out)

    def open(self, index: int, sealed: memoryview, *, last: bool) -> bytes:
        """The plain bytes of frame `index`; raises `Damaged` if any byte differs from those sealed there."""
        try:
            return self._aes.decrypt(_nonce(index, last=last), sealed, self._bound)
        except InvalidTag:
            raise Damaged(f"frame {index} is not what was sealed there") from None


def _nonce(index: int, *, last: bool) -> bytes:
    """Counter and last-frame flag: STREAM (Hoang et al., CRYPTO 2015), laid out as in age v1."""
    return index.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _header_verify(header: bytes, data_key: bytes) -> bytes:
    """Return the salt. The checksum is verified first: a flipped bit is neither a wrong key nor a newer format."""
    if len(header) != HEADER_SIZE:
        raise Damaged("the object is shorter than its header")
    magic, version, suite, reserved, frame_size, salt, check, checksum = _HEADER.unpack(header)
    if magic != MAGIC or checksum != sha256(header[:_CHECKED]).digest()[:8]:
        raise Damaged("the header is not that of a sealed object")
    if (version, suite, reserved, frame_size) != (VERSION, SUITE, 0, FRAME_SIZE):
        raise UnknownFormat(f"version {version}, suite {suite}, frames of {frame_size} bytes")
    if not hmac.compare_digest(check, key_check(data_key, salt=salt)):
        raise WrongKey("the object was sealed with another key")
    return bytes(salt)
