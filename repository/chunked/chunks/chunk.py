"""A chunk: its id, its payload, and the stored form, as FORMAT.md lays them down."""

from __future__ import annotations

import secrets
import struct
import threading
from dataclasses import dataclass
from enum import IntEnum

import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidTag

from repository.chunked.chunks.cipher import TAG_SIZE, aead_open
from repository.chunked.chunks.repository_keys import RepositoryKeys
from repository.errors import ObjectDamaged
from trees.hashes import BLOCK_SIZE

CHUNK_SIZE_MAX = 8 << 20
ROOM_LEAST = 1 << 20
_LABEL = b"savepoint/chunk/1\x00"
_BOUND = struct.Struct(">BBB32sI")
# Measured on 1 MiB chunks of region files, databases, logs and jars (docs/decisions/0017).
LEVEL_FAST = -7
LEVEL = 1
WORTH_MORE = 0.65


class ChunkType(IntEnum):
    """The content of a chunk: file data or records of a manifest."""

    DATA = 1
    MANIFEST = 2


class Compression(IntEnum):
    """The compression of a payload."""

    NONE = 0
    ZSTD = 1


@dataclass(frozen=True, slots=True)
class Location:
    """The place of a chunk: its pack, and its bytes there."""

    pack: bytes
    offset: int
    stored_size: int
    plain_size: int
    type: ChunkType
    compression: Compression


def block_hashes(view: memoryview) -> bytes:
    """The hashes of the 64 KiB blocks, 32 bytes each, concatenated."""
    if 0 < len(view) <= BLOCK_SIZE:  # as most files are
        return blake3(view).digest()
    return b"".join([blake3(view[at : at + BLOCK_SIZE]).digest() for at in range(0, len(view), BLOCK_SIZE)])


class Compressor:
    """Compresses payloads; one instance for each thread.

    A fast first pass finds out whether compression pays: most of a game's data is compressed already, and in a region
    file only the padding is not. A payload that shrinks well is compressed again at a better level, and the next
    payload, most likely similar, is compressed at that level at once.
    """

    def __init__(self, level: int = LEVEL) -> None:
        self._fast = _zstd(LEVEL_FAST)
        self._better = _zstd(level)
        self._was_worth = False

    def payload(self, plain: memoryview) -> tuple[Compression, memoryview | bytes]:
        """The payload, compressed if that saves at least a 64th."""
        first = self._better if self._was_worth else self._fast
        packed = first.compress(plain)
        is_worth = len(packed) < len(plain) * WORTH_MORE
        if is_worth and not self._was_worth:
            packed = self._better.compress(plain)
        self._was_worth = is_worth
        if len(packed) <= len(plain) - len(plain) // 64 - 1:
            return Compression.ZSTD, packed
        return Compression.NONE, plain


def _zstd(level: int) -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=level, write_checksum=False, write_content_size=True)


class ChunkCipher:
    """Computes the ids of one repository's chunks, and seals and opens them; thread-safe."""

    def __init__(self, keys: RepositoryKeys) -> None:
        self._identity = keys.derive("identity")
        self._chunks = keys.derive("chunks")
        self.suite = keys.suite
        self._bound = _LABEL + keys.tenant.bytes + keys.repository.bytes
        self._nonce_size = keys.suite.nonce_size
        self.overhead = keys.suite.nonce_size + TAG_SIZE

    def chunk_id(self, type_: ChunkType, hashes: bytes) -> bytes:
        """The id of the chunk whose blocks have these hashes; 32 bytes."""
        return blake3(bytes((type_,)) + hashes, key=self._identity).digest()

    def seal_into(
        self,
        out: memoryview,
        payload: memoryview | bytes,
        *,
        chunk_id: bytes,
        type_: ChunkType,
        compression: Compression,
        plain_size: int,
    ) -> None:
        """Write the stored form into `out`, which is `overhead` bytes longer than the payload."""
        key = self._key(chunk_id, compression)
        # The id determines the plain bytes, but not the compressor's output: that needs a random nonce.
        is_named = compression is Compression.NONE
        nonce = bytes(self._nonce_size) if is_named else secrets.token_bytes(self._nonce_size)
        cipher, inner = aead_open(self.suite, key, nonce)
        out[: self._nonce_size] = nonce
        bound = self._associated(type_, compression, chunk_id, plain_size)
        cipher.encrypt_into(inner, memoryview(payload), bound, out[self._nonce_size :])

    def open(self, stored: memoryview, *, chunk_id: bytes, location: Location) -> bytes:
        """The plain bytes; raises `ObjectDamaged` unless they match the id."""
        payload = self._payload(stored, chunk_id, location)
        is_packed = location.compression is Compression.ZSTD
        plain = _decompress(payload, location.plain_size) if is_packed else bytes(payload)
        if len(plain) != location.plain_size:
            raise ObjectDamaged("a chunk has another size")
        if self.chunk_id(location.type, block_hashes(memoryview(plain))) != chunk_id:
            raise ObjectDamaged("a chunk is not what its id names")
        return plain

    def payload(self, stored: memoryview, *, chunk_id: bytes, location: Location) -> bytes:
        """The payload as it was sealed: the plain bytes, or fewer bytes that are a Zstandard frame of them.

        The id is not compared: whoever decompresses the payload has to check its hashes. Raises `ObjectDamaged`.
        """
        payload = bytes(self._payload(stored, chunk_id, location, shared=False))
        if location.compression is Compression.NONE:
            if len(payload) != location.plain_size:
                raise ObjectDamaged("a chunk has another size")
        elif len(payload) >= location.plain_size:  # no writer of ours stores it so
            return self.open(stored, chunk_id=chunk_id, location=location)
        return payload

    def _payload(
        self, stored: memoryview, chunk_id: bytes, location: Location, *, shared: bool = True
    ) -> bytes | memoryview:
        """The sealed payload. With `shared`, a compressed one is in a buffer, valid until this thread opens the next
        chunk.
        """
        if len(stored) != location.stored_size or len(stored) < self.overhead:
            raise ObjectDamaged("a pack ends before a chunk does")
        key = self._key(chunk_id, location.compression)
        cipher, inner = aead_open(self.suite, key, bytes(stored[: self._nonce_size]))
        bound = self._associated(location.type, location.compression, chunk_id, location.plain_size)
        sealed = stored[self._nonce_size :]
        try:
            if not shared or location.compression is Compression.NONE:
                return cipher.decrypt(inner, sealed, bound)
            payload = _unpacking.room(len(sealed) - TAG_SIZE)
            cipher.decrypt_into(inner, sealed, bound, payload)
        except InvalidTag:
            raise ObjectDamaged("a chunk is not what was sealed there") from None
        return payload

    def _key(self, chunk_id: bytes, compression: Compression) -> bytes:
        return blake3(chunk_id + bytes((self.suite, compression)), key=self._chunks).digest()

    def _associated(self, type_: ChunkType, compression: Compression, chunk_id: bytes, plain_size: int) -> bytes:
        return self._bound + _BOUND.pack(type_, self.suite, compression, chunk_id, plain_size)


class _Unpacking(threading.local):
    """A thread's decompressor and buffer: creating them for each chunk would cost more than some chunks."""

    def __init__(self) -> None:
        self.decompressor = zstandard.ZstdDecompressor()
        self._room = memoryview(b"")

    def room(self, size: int) -> memoryview:
        """A buffer of that size, reused by the next call."""
        if len(self._room) < size:
            self._room = memoryview(bytearray(max(size, ROOM_LEAST)))
        return self._room[:size]


_unpacking = _Unpacking()


def _decompress(payload: bytes | memoryview, plain_size: int) -> bytes:
    """Decompress at most `plain_size` bytes; a frame that states another size is damaged."""
    try:
        if zstandard.frame_content_size(payload) != plain_size:
            raise ObjectDamaged("a chunk states another size")
        return _unpacking.decompressor.decompress(payload, max_output_size=plain_size)
    except zstandard.ZstdError:
        raise ObjectDamaged("a chunk does not decompress") from None
