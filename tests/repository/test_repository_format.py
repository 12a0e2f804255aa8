"""The repository format of FORMAT.md: golden bytes of each part, and the independent reader on the same bytes."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path
from typing import Any
from uuid import UUID

import msgpack
import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from repository.chunked.chunks.chunk import ChunkCipher, ChunkType, Compression, Location, block_hashes
from repository.chunked.chunks.cipher import Suite, aead_open, hchacha20
from repository.chunked.chunks.repository_keys import ChunkerSizes, RepositoryKeys
from repository.chunked.index.table import Table
from repository.chunked.manifest.records import Content, Record, record_pack, records_unpack
from repository.chunked.objects import PACKS, Objects
from repository.chunked.pack_layout import directory_read, header, tail
from repository.errors import ManifestInvalid
from repository.retrying import RetryingStorage
from tests.repository import reader
from tests.repository.test_format import golden_plain
from tests.storage.memory import MemoryStorage
from trees.source import Kind
from trees.trust import Stat

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "repository-v1.json").read_text())
TENANT, REPOSITORY = UUID(GOLDEN["tenant"]), UUID(GOLDEN["repository"])
PACK, SALT = bytes.fromhex(GOLDEN["pack"]["id"]), bytes.fromhex(GOLDEN["salt"])
DERIVED = ("identity", "chunks", "objects", "chunker")
STAT = Stat(0o4750, 1000, 1001, 1767225600123456789, 1767225601000000000, 4242)
CONTENT = Content(golden_plain(64), (70000, 0, 5, 4096, -1, 0, 9, 1, 100), golden_plain(128)[32:], golden_plain(32))
RECORDS = {
    "folder": Record(Kind.FOLDER, b"", STAT),
    "file": Record(Kind.FILE, b"a/b \xff.mca", STAT, {b"user.a": b"\x00\x01"}, 74105, 8192, CONTENT, "changed"),
    "symlink": Record(Kind.SYMLINK, b"a/l", STAT, target=b"../\xfe"),
    "hardlink": Record(Kind.HARDLINK, b"a/z", target=b"a/b \xff.mca"),
    "part": Record(Kind.PART, b"world", content=CONTENT._replace(hash=None), number=3),
    "skipped": Record(Kind.SKIPPED, b"pipe", target=b"a FIFO"),
}


def keys_of(suite: int) -> RepositoryKeys:
    key = bytes.fromhex(GOLDEN["repository_key"])
    return RepositoryKeys(TENANT, REPOSITORY, key, Suite(suite), ChunkerSizes(), "2026-01-31T12:00:00.000000Z")


def reader_of(suite: int) -> reader.Repository:
    """The independent reader with the golden keys, without any storage."""
    made = object.__new__(reader.Repository)
    keys = keys_of(suite)
    made.tenant, made.repository, made.suite = TENANT.bytes, REPOSITORY.bytes, suite
    made.identity, made.chunk_key, made.object_key = map(keys.derive, ("identity", "chunks", "objects"))
    return made


def objects_of(storage: MemoryStorage) -> Objects:
    key = keys_of(1).derive("objects")
    return Objects(RetryingStorage(storage), tenant=TENANT, repository=REPOSITORY, object_key=key)


def sealed_chunk(cipher: ChunkCipher, plain: bytes, type_: ChunkType = ChunkType.DATA) -> tuple[bytes, bytes]:
    """Id and stored form of an uncompressed chunk."""
    chunk = cipher.chunk_id(type_, block_hashes(memoryview(plain)))
    out = memoryview(bytearray(len(plain) + cipher.overhead))
    cipher.seal_into(out, plain, chunk_id=chunk, type_=type_, compression=Compression.NONE, plain_size=len(plain))
    return chunk, bytes(out)


def pack_entries() -> tuple[list[tuple[bytes, Location]], bytes]:
    """The entries of the golden pack, and its first bytes up to the directory."""
    cipher, entries, stored = ChunkCipher(keys_of(1)), [], header(Suite.AES_256_GCM)
    for size in (10, 200):
        chunk, sealed = sealed_chunk(cipher, golden_plain(size))
        place = Location(PACK, len(stored), len(sealed), size, ChunkType.DATA, Compression.NONE)
        entries.append((chunk, place))
        stored += sealed
    return entries, stored


def test_the_keys_of_a_repository_never_change() -> None:
    keys = keys_of(1)
    assert {name: keys.derive(name).hex() for name in DERIVED} == GOLDEN["derived"]
    for name in DERIVED:
        info = f"savepoint/repository/1/{name}\0".encode()
        assert HKDF(SHA256(), 32, REPOSITORY.bytes, info).derive(keys.key).hex() == GOLDEN["derived"][name]
    assert keys.encoded().hex() == GOLDEN["keys_object"]
    assert RepositoryKeys.decode(keys.encoded()) == keys


@pytest.mark.parametrize("vector", GOLDEN["chunks"], ids=lambda vector: f"{vector['suite']}-{vector['plain_size']}")
def test_uncompressed_chunk_is_always_sealed_to_the_same_bytes(vector: dict[str, Any]) -> None:
    plain, type_ = golden_plain(vector["plain_size"]), ChunkType(vector["type"])
    chunk, stored = sealed_chunk(ChunkCipher(keys_of(vector["suite"])), plain, type_)
    assert (chunk.hex(), hashlib.sha256(stored).hexdigest()) == (vector["id"], vector["stored_sha256"])
    opened = reader_of(vector["suite"]).plain_chunk(vector["type"], chunk, 0, len(plain), stored)
    assert opened == plain


@pytest.mark.parametrize("vector", GOLDEN["compressed"], ids=lambda vector: f"suite {vector['suite']}")
def test_a_chunk_that_was_compressed_stays_readable(vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another library may compress to other bytes, under another nonce: the golden ones must open forever."""
    plain, stored, chunk = bytes(vector["plain_size"]), bytes.fromhex(vector["stored"]), bytes.fromhex(vector["id"])
    place = Location(PACK, 16, len(stored), len(plain), ChunkType.DATA, Compression.ZSTD)
    cipher = ChunkCipher(keys_of(vector["suite"]))
    assert cipher.open(memoryview(stored), chunk_id=chunk, location=place) == plain
    assert reader_of(vector["suite"]).plain_chunk(1, chunk, 1, len(plain), stored) == plain
    payload = bytes.fromhex(vector["payload"])
    monkeypatch.setattr(secrets, "token_bytes", lambda size: stored[:size])
    out = memoryview(bytearray(len(payload) + cipher.overhead))
    sealed = {"chunk_id": chunk, "type_": ChunkType.DATA, "compression": Compression.ZSTD, "plain_size": len(plain)}
    cipher.seal_into(out, payload, **sealed)
    assert bytes(out) == stored


def test_a_pack_is_laid_out_as_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(secrets, "token_bytes", lambda size: SALT[:size])
    storage = MemoryStorage()
    objects = objects_of(storage)
    entries, stored = pack_entries()
    pack = stored + tail(objects, PACK, entries)
    assert pack.hex() == GOLDEN["pack"]["stored"]
    storage.objects[objects.path(PACKS, PACK)] = pack
    assert directory_read(objects, PACK, len(pack)) == entries
    independent = reader_of(1)
    independent.folder = tmp_path
    (tmp_path / PACKS.key(PACK)).parent.mkdir(parents=True)
    (tmp_path / PACKS.key(PACK)).write_bytes(pack)
    records = [(chunk, 1, 0, at.offset, at.stored_size, at.plain_size) for chunk, at in entries]
    assert independent.directory(PACK.hex()) == records


def test_an_index_has_the_same_bytes_as_ever() -> None:
    entries, _ = pack_entries()
    encoded = Table.build(entries, {PACK: 1234}).encoded()
    assert encoded.hex() == GOLDEN["index"]
    independent = reader_of(1)
    independent.places = {}
    independent.read_index(encoded)
    places = {(1, chunk): [(PACK.hex(), 0, at.offset, at.stored_size, at.plain_size)] for chunk, at in entries}
    assert independent.places == places
    assert sorted(Table.decode(encoded)) == sorted(entries)


@pytest.mark.parametrize("name", RECORDS)
def test_the_records_of_a_manifest_have_the_same_bytes_as_ever(name: str) -> None:
    packed = record_pack(RECORDS[name])
    assert packed.hex() == GOLDEN["records"][name]
    assert list(records_unpack(packed)) == [RECORDS[name]._replace(raw=packed)]


@pytest.mark.parametrize(
    ("mtime", "packed"),
    [
        (2**64 - 1, "cfffffffffffffffff"),
        (2**64, "d80100000000000000010000000000000000"),
        (-(2**63), "d38000000000000000"),
        (-(2**63) - 1, "d801ffffffffffffffff7fffffffffffffff"),
    ],
)
def test_a_time_of_more_than_64_bits_is_an_extension(mtime: int, packed: str) -> None:
    record = Record(Kind.FOLDER, b"a", STAT._replace(mtime_ns=mtime))
    raw = record_pack(record)
    assert bytes.fromhex(packed) in raw
    assert list(records_unpack(raw)) == [record._replace(raw=raw)]
    independent = reader_of(1)
    independent.chunk = lambda _kind, _name: raw
    assert next(independent.records({"chunks": bytes(32), "hash": blake3(raw).digest()}))[2][3] == mtime


@pytest.mark.parametrize("wide", [msgpack.ExtType(1, bytes(16)), msgpack.ExtType(1, b"\1" * 8), msgpack.Timestamp(1)])
def test_an_extension_that_no_writer_writes_is_refused(wide: object) -> None:
    with pytest.raises(ManifestInvalid):
        list(records_unpack(msgpack.packb([0, b"a", [0o755, 0, 0, wide, 0, 0, None]])))


def test_xchacha20_is_that_of_the_draft() -> None:
    """draft-irtf-cfrg-xchacha-03: HChaCha20 in 2.2.1, the AEAD in A.3.1."""
    key, nonce = bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927")
    for derive in (hchacha20, reader.hchacha20):
        derived = derive(key, nonce)
        assert derived.hex() == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    plain = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen "
        b"would be it."
    )
    bound, key, nonce = bytes.fromhex("50515253c0c1c2c3c4c5c6c7"), bytes(range(128, 160)), bytes(range(64, 88))
    sealed = bytes.fromhex(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
        "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
        "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
        "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49"
    )
    cipher, inner = aead_open(Suite.XCHACHA20_POLY1305, key, nonce)
    out = memoryview(bytearray(len(plain) + 16))
    cipher.encrypt_into(inner, memoryview(plain), bound, out)
    assert bytes(out) == sealed
    assert reader.open_chunk(2, key, nonce + sealed, bound) == plain
