"""Derivations from a tenant's data key by HKDF-SHA256: each object's key, and a check of the data key."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

DATA_KEY_SIZE = 32
SALT_SIZE = 32
KEY_CHECK_SIZE = 16

# Separate labels: the value that recognises a key must reveal nothing about the encryption key.
_FRAMES_LABEL = b"savepoint/sealed/1/frames\x00"
_CHECK_LABEL = b"savepoint/sealed/1/key-check\x00"


def object_key(data_key: bytes, *, salt: bytes, context: bytes) -> bytes:
    """The AES-256 key of one object: 32 bytes, unique to salt, context and data key."""
    return _derive(data_key, salt=salt, info=_FRAMES_LABEL + context, length=32)


def key_check(data_key: bytes, *, salt: bytes) -> bytes:
    """16 bytes that tell a wrong key from damage; salted, so that objects of one key cannot be linked."""
    return _derive(data_key, salt=salt, info=_CHECK_LABEL, length=KEY_CHECK_SIZE)


def _derive(data_key: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    if len(data_key) != DATA_KEY_SIZE:
        raise ValueError(f"a data key has {DATA_KEY_SIZE} bytes")
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(data_key)
