"""The ciphers among which a repository's suite byte selects."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

TAG_SIZE = 16


class Suite(IntEnum):
    """The cipher that seals a repository's chunks."""

    AES_256_GCM = 1
    XCHACHA20_POLY1305 = 2

    @property
    def nonce_size(self) -> int:
        """The nonce's size in bytes."""
        return 12 if self is Suite.AES_256_GCM else 24


class Aead(Protocol):
    """The interface of both ciphers of `cryptography`."""

    def encrypt_into(self, nonce: bytes, data: memoryview, associated_data: bytes, buf: memoryview) -> int:
        """Encrypt `data`; write ciphertext and tag into `buf`, which is 16 bytes longer than `data`."""

    def decrypt_into(self, nonce: bytes, data: memoryview, associated_data: bytes, buf: memoryview) -> int:
        """Decrypt `data` into `buf`, which is 16 bytes shorter; raises as `decrypt`."""

    def decrypt(self, nonce: bytes, data: memoryview, associated_data: bytes) -> bytes:
        """Decrypt and return `data`; raises cryptography's `InvalidTag`."""


def aead_open(suite: Suite, key: bytes, nonce: bytes) -> tuple[Aead, bytes]:
    """The cipher for one key and nonce, and the nonce to pass to it."""
    if suite is Suite.AES_256_GCM:
        return AESGCM(key), nonce
    # XChaCha20 is ChaCha20 under a key made from the first 16 bytes of the nonce (draft-irtf-cfrg-xchacha-03, 2.3).
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])), bytes(4) + nonce[16:]


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """HChaCha20 (draft-irtf-cfrg-xchacha-03, 2.2): derive a key of 32 bytes from a key of 32 and a nonce of 16.

    A block of ChaCha20's key stream is the permuted state plus the initial state. The initial state is known in the
    words that HChaCha20 returns, so subtracting it there leaves the permuted words.
    """
    block = Cipher(ChaCha20(key, nonce), mode=None).encryptor().update(bytes(64))
    words = struct.unpack("<16I", block)
    first = struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<4I", nonce)
    given = words[:4] + words[12:]
    return struct.pack("<8I", *((word - known) % 2**32 for word, known in zip(given, first, strict=True)))
