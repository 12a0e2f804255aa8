"""Sealing of chunks: no key and nonce pair is used twice, and no chunk opens in another's place, in either suite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
import zstandard

from repository.chunked.chunks import chunk as chunk_module
from repository.chunked.chunks.chunk import ChunkCipher, ChunkType, Compression, Compressor, block_hashes
from repository.chunked.chunks.cipher import Suite, hchacha20
from repository.chunked.index.index import Index
from repository.chunked.objects import PACKS
from repository.chunked.pack_layout import Entry, directory_read
from repository.chunked.restoring.restore import snapshot_restore
from repository.errors import ObjectDamaged
from tests.repository.snapshots.kept import Kept
from tests.repository.snapshots.trees import edit, kept_picture, picture, region

SINGLE_CHUNK = 200_000
"""More than a bundle takes, and less than the least cut of the chunker."""
Sealed = tuple[bytes, bytes, bytes]
"""Key, nonce and the sealed payload."""


@pytest.fixture
def seals(monkeypatch: pytest.MonkeyPatch) -> list[Sealed]:
    """Record every use of a chunk's key from now on."""
    used: list[Sealed] = []
    opened = chunk_module.aead_open

    class Watched:
        def __init__(self, suite: Suite, key: bytes, nonce: bytes) -> None:
            self.inner, self.nonce = opened(suite, key, nonce)
            self.used = (key, nonce)

        def encrypt_into(self, nonce: bytes, data: memoryview, bound: bytes, out: memoryview) -> int:
            used.append((*self.used, bytes(data) + bound))
            return self.inner.encrypt_into(nonce, data, bound, out)

        def decrypt(self, nonce: bytes, data: memoryview, bound: bytes) -> bytes:
            return self.inner.decrypt(nonce, data, bound)

        def decrypt_into(self, nonce: bytes, data: memoryview, bound: bytes, out: memoryview) -> int:
            return self.inner.decrypt_into(nonce, data, bound, out)

    def watched(suite: Suite, key: bytes, nonce: bytes) -> tuple[Watched, bytes]:
        made = Watched(suite, key, nonce)
        return made, made.nonce

    monkeypatch.setattr(chunk_module, "aead_open", watched)
    return used


def fill(root: Path) -> None:
    random = Random(1)  # noqa: S311
    (root / "r.mca").write_bytes(region(2 << 20, random))
    (root / "log.txt").write_bytes(b"a line of a log\n" * 60_000)
    (root / "small").write_bytes(b"small" * 100)


@pytest.mark.parametrize("suite", list(Suite))
def test_no_key_and_nonce_ever_seal_two_things(
    kept: Kept, seals: list[Sealed], suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(kept.root)
    kept = Kept(kept.root, suite=suite)
    kept.snapshot()
    edit(kept.root / "r.mca", 100_000, b"edited")
    # Everything is stored again, by a library that compresses differently.
    objects = kept.opened().objects
    for pack in kept.names(PACKS):
        objects.delete(PACKS, pack)
    once = len(seals)
    monkeypatch.setattr(Compressor, "payload", lambda self, plain: (Compression.ZSTD, packed(plain, 19)))
    kept.snapshot()
    for pack in kept.names(PACKS):
        objects.delete(PACKS, pack)
    monkeypatch.setattr(Compressor, "payload", lambda self, plain: (Compression.NONE, plain))
    kept.snapshot()
    assert len(seals) > 2 * once
    payloads: dict[tuple[bytes, bytes], bytes] = {}
    for key, nonce, payload in seals:
        assert payloads.setdefault((key, nonce), payload) == payload
    # It sealed other payloads of the same chunks.
    assert len({payload for *_, payload in seals}) > len({key for key, *_ in seals})


def packed(plain: memoryview, level: int) -> bytes:
    return zstandard.ZstdCompressor(level=level, write_content_size=True).compress(plain)


def entries(kept: Kept) -> Iterator[tuple[str, list[Entry]]]:
    """Each pack's key in storage, and its entries."""
    objects = kept.opened().objects
    for pack, size in kept.names(PACKS).items():
        yield objects.path(PACKS, pack), directory_read(objects, pack, size)


def chunk_ids(kept: Kept) -> set[bytes]:
    return {chunk for _, found in entries(kept) for chunk, _ in found}


def test_two_repositories_name_the_same_data_differently(kept: Kept) -> None:
    fill(kept.root)
    other = Kept(kept.root, repository=UUID(int=3))
    same = Kept(kept.root)
    for made in (kept, other, same):
        made.snapshot()
    # Even a repository of the same name has another key.
    assert not chunk_ids(kept) & chunk_ids(other)
    assert not chunk_ids(kept) & chunk_ids(same)
    assert len(chunk_ids(kept)) == len(chunk_ids(same))


def test_the_type_is_part_of_a_chunks_name(kept: Kept) -> None:
    cipher = kept.opened().cipher
    hashes = block_hashes(memoryview(b"the same bytes"))
    assert cipher.chunk_id(ChunkType.DATA, hashes) != cipher.chunk_id(ChunkType.MANIFEST, hashes)


def test_two_chunks_in_each_others_place_are_refused(kept: Kept) -> None:
    for name in "ab":
        (kept.root / name).write_bytes(os.urandom(SINGLE_CHUNK))
    root = kept.snapshot()
    (key, found), *_ = [(key, found) for key, found in entries(kept) if found[0][1].type is ChunkType.DATA]
    (_, one), (_, two) = found
    data = bytearray(kept.storage.objects[key])
    assert one.stored_size == two.stored_size
    first, second = data[one.offset :][: one.stored_size], data[two.offset :][: two.stored_size]
    data[one.offset : two.offset + two.stored_size] = second + first
    kept.storage.objects[key] = bytes(data)
    with pytest.raises(ObjectDamaged):
        kept_picture(kept.opened(), root.snapshot)


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": UUID(int=9)},
        {"repository": UUID(int=9)},
        {"key": b"?" * 32},
        {"suite": Suite.XCHACHA20_POLY1305},
    ],
)
def test_a_chunk_of_elsewhere_is_refused(kept: Kept, change: dict[str, UUID | bytes | Suite]) -> None:
    repository = kept.opened()
    plain = b"some bytes" * 1000
    chunk = repository.cipher.chunk_id(ChunkType.DATA, block_hashes(memoryview(plain)))
    elsewhere = ChunkCipher(replace(repository.keys, **change))  # type: ignore[arg-type]
    sealed = {}
    for cipher in (repository.cipher, elsewhere):
        out = bytearray(len(plain) + cipher.overhead)
        cipher.seal_into(
            memoryview(out),
            plain,
            chunk_id=chunk,
            type_=ChunkType.DATA,
            compression=Compression.NONE,
            plain_size=len(plain),
        )
        sealed[cipher] = bytes(out)
    place = chunk_module.Location(b"p" * 16, 16, 0, len(plain), ChunkType.DATA, Compression.NONE)

    def opened(stored: bytes) -> bytes:
        at = replace(place, stored_size=len(stored))
        return repository.cipher.open(memoryview(stored), chunk_id=chunk, location=at)

    assert opened(sealed[repository.cipher]) == plain
    with pytest.raises(ObjectDamaged):
        opened(sealed[elsewhere])


def test_everything_that_is_bound_is_bound(kept: Kept) -> None:
    fill(kept.root)
    kept.snapshot()
    repository = kept.opened()
    chunk, at = next(iter(repository.chunks().index.entries()))
    stored = repository.objects.get_raw(PACKS, at.pack, at.offset, at.offset + at.stored_size)
    view = memoryview(stored)
    assert repository.cipher.open(view, chunk_id=chunk, location=at)
    flipped = bytes([chunk[0] ^ 1]) + chunk[1:]
    other_type = ChunkType.DATA if at.type is ChunkType.MANIFEST else ChunkType.MANIFEST
    other_compression = Compression.NONE if at.compression is Compression.ZSTD else Compression.ZSTD
    for name, location in [
        (flipped, at),
        (chunk, replace(at, type=other_type)),
        (chunk, replace(at, compression=other_compression)),
        (chunk, replace(at, plain_size=at.plain_size + 1)),
        (chunk, replace(at, stored_size=at.stored_size - 1)),
    ]:
        with pytest.raises(ObjectDamaged):
            repository.cipher.open(view[: location.stored_size], chunk_id=name, location=location)
    for position in range(0, len(stored), 7):
        damaged = bytearray(stored)
        damaged[position] ^= 0x10
        with pytest.raises(ObjectDamaged):
            repository.cipher.open(memoryview(damaged), chunk_id=chunk, location=at)


def test_xchacha_works_from_end_to_end(kept: Kept, tmp_path: Path) -> None:
    fill(kept.root)
    kept = Kept(kept.root, suite=Suite.XCHACHA20_POLY1305)
    first = kept.snapshot()
    edit(kept.root / "r.mca", 100_000, b"edited")
    second = kept.snapshot(parent=first.snapshot)
    assert second.added_bytes < 80_000
    assert kept_picture(kept.opened(), second.snapshot) == picture(kept.root)
    report = snapshot_restore(kept.opened(), snapshot=second.snapshot, target=tmp_path / "back", durable=False)
    assert report.failed == []
    assert {path: thing.content for path, thing in picture(tmp_path / "back").items()} == {
        path: thing.content for path, thing in picture(kept.root).items()
    }
    assert {at.stored_size - at.plain_size for _, at in Index.load(kept.opened().objects).entries()} & {40}


def test_hchacha20_is_that_of_the_draft() -> None:
    """draft-irtf-cfrg-xchacha-03, 2.2.1."""
    nonce = bytes.fromhex("000000090000004a0000000031415927")
    expected = "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    assert hchacha20(bytes(range(32)), nonce).hex() == expected
