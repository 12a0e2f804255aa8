"""The format of FORMAT.md: golden objects, and a second implementation that shares no code with the first."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from repository.sealing.sealed import SealContext, SealReader, open_bytes, seal_bytes
from tests.storage.memory import MemoryStorage

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "sealed-v1.json").read_text())
KEY, SALT = bytes.fromhex(GOLDEN["data_key"]), bytes.fromhex(GOLDEN["salt"])
CONTEXT = SealContext(
    tenant=UUID(GOLDEN["tenant"]), target=UUID(GOLDEN["target"]), kind=GOLDEN["kind"], object_id=GOLDEN["object_id"]
)


def golden_plain(size: int) -> bytes:
    """SHA-256 of 0, 1, 2, ... in eight bytes each, concatenated."""
    return b"".join(hashlib.sha256(n.to_bytes(8, "big")).digest() for n in range(-(-size // 32)))[:size]


def sealed_by_the_book(plain: bytes) -> bytes:
    """Seal an object step by step as FORMAT.md says."""

    def derived(info: bytes, length: int) -> bytes:
        extracted = hmac.digest(SALT, KEY, "sha256")
        return hmac.digest(extracted, info + b"\x01", "sha256")[:length]

    kind, object_id = CONTEXT.kind.encode(), CONTEXT.object_id.encode()
    texts = len(kind).to_bytes(2, "big") + kind + len(object_id).to_bytes(2, "big") + object_id
    context = CONTEXT.tenant.bytes + CONTEXT.target.bytes + texts
    header = b"SVPTSEAL" + bytes([1, 1, 0, 0]) + (1048576).to_bytes(4, "big") + SALT
    header += derived(b"savepoint/sealed/1/key-check\0", 16)
    header += hashlib.sha256(header).digest()[:8]
    aes = AESGCM(derived(b"savepoint/sealed/1/frames\0" + context, 32))
    frames = [plain[at : at + 1048576] for at in range(0, len(plain), 1048576)] or [b""]
    nonces = [number.to_bytes(11, "big") + bytes([number == len(frames) - 1]) for number in range(len(frames))]
    sealed = [aes.encrypt(nonce, frame, header + context) for nonce, frame in zip(nonces, frames, strict=True)]
    return header + b"".join(sealed)


@pytest.mark.parametrize("vector", GOLDEN["vectors"], ids=lambda vector: str(vector["plain_size"]))
def test_the_format_of_version_1_never_changes(vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_bytes", lambda size: SALT[:size])
    plain = golden_plain(vector["plain_size"])
    sealed = seal_bytes(plain, data_key=KEY, context=CONTEXT)
    assert hashlib.sha256(sealed).hexdigest() == vector["sealed_sha256"]
    assert sealed == sealed_by_the_book(plain)


@pytest.mark.parametrize("vector", [vector for vector in GOLDEN["vectors"] if "sealed" in vector])
def test_objects_of_version_1_stay_readable(vector: dict[str, Any]) -> None:
    sealed = bytes.fromhex(vector["sealed"])
    assert hashlib.sha256(sealed).hexdigest() == vector["sealed_sha256"]
    assert open_bytes(sealed, data_key=KEY, context=CONTEXT) == golden_plain(vector["plain_size"])
    storage = MemoryStorage()
    storage.objects["object"] = sealed
    reader = SealReader(data_key=KEY, context=CONTEXT, storage=storage, key="object", sealed_size=len(sealed))
    assert b"".join(reader.read()) == golden_plain(vector["plain_size"])
