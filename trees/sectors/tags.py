"""A short keyed tag for every sector of a file, which tells the unchanged sectors of a changed block."""

from __future__ import annotations

import threading
from threading import Lock
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from xxhash import xxh3_128_digest

SECTOR_SIZE: Final = 4096
TAG_SIZE: Final = 16
UNKNOWN: Final = bytes(TAG_SIZE)
"""Stands for the tag of a sector about which nothing is known."""

SLICE_SECTORS: Final = 1024
SLICE_TAGS_SIZE: Final = SLICE_SECTORS * TAG_SIZE

TAGGER_KEY_SIZE: Final = 16
_CIPHER_BLOCK: Final = 16
_UNIT_SIZE: Final = 1 << 20


class _Hidden(threading.local):
    """A thread's own encryptor, and a buffer for its output."""

    def __init__(self, cipher: Cipher[ECB]) -> None:
        self.encryptor = cipher.encryptor()
        self.buffer = memoryview(bytearray(_UNIT_SIZE + _CIPHER_BLOCK))
        self.sectors = [self.buffer[low : low + SECTOR_SIZE] for low in range(0, _UNIT_SIZE, SECTOR_SIZE)]


class SectorTagger:
    """Tags a sector by the XXH3-128 of its 16-byte blocks, encrypted by AES-128 with a secret key.

    XXH3 alone is weak against an attacker who chooses its input. Here its input is encrypted: the writer of a file
    neither knows nor controls it, and where two sectors differ, their encrypted blocks differ at random. Equal
    blocks stay equal (ECB), which leaks nothing, because no ciphertext leaves the sector map.
    """

    def __init__(self, key: bytes) -> None:
        # ECB is enough: only a permutation is needed, and its output stays secret.
        self._hidden = _Hidden(Cipher(AES(key), ECB()))  # noqa: S305

    def tags(self, data: memoryview) -> bytes:
        """The tags of the sectors of `data`, concatenated; the last sector may be shorter."""
        if len(data) <= _UNIT_SIZE:
            return self._unit(data)
        return b"".join([self._unit(data[low : low + _UNIT_SIZE]) for low in range(0, len(data), _UNIT_SIZE)])

    def _unit(self, data: memoryview) -> bytes:
        """The tags of up to one MiB, encrypted in one call: a call for each sector would cost more than its work."""
        whole, rest = divmod(len(data), SECTOR_SIZE)
        hidden = self._hidden
        size = hidden.encryptor.update_into(data[: len(data) - rest], hidden.buffer)
        tags = b"".join(map(xxh3_128_digest, hidden.sectors[:whole]))
        if not rest:
            return tags
        # Padded to whole cipher blocks; the length seeds the hash.
        last = bytes(data[-rest:]).ljust(-(-rest // _CIPHER_BLOCK) * _CIPHER_BLOCK, b"\0")
        hidden.encryptor.update_into(last, hidden.buffer[size:])
        return tags + xxh3_128_digest(hidden.buffer[size : size + len(last)], rest)


class TagRows(Protocol):
    """A store of the tags of files, in slices of `SLICE_SECTORS`."""

    tagger: SectorTagger

    def row(self, path: bytes, number: int) -> bytes:
        """The tags of a slice in the parent: empty when unknown, possibly shorter than a slice."""

    def row_stage(self, path: bytes, opening: int, number: int, tags: bytes | None) -> None:
        """Stage the tags of a slice for the next snapshot; None means that they equal the parent's."""


class FileTags:
    """The tags of one open file: `before` reads the parent's, `put` records those for the next snapshot.

    A slice leaves memory once all its sectors are known, so memory does not grow with the file.
    """

    def __init__(self, rows: TagRows, path: bytes, opening: int) -> None:
        self._rows = rows
        self._path = path
        self._opening = opening
        self._lock = Lock()
        self._old: dict[int, bytes] = {}
        self._new: dict[int, _Slice] = {}

    def read(self, data: memoryview, offset: int) -> None:
        """Record the tags of bytes read at that offset; a sector of which the beginning is missing stays unknown."""
        skipped = -offset % SECTOR_SIZE
        if skipped < len(data):
            self.put((offset + skipped) // SECTOR_SIZE, self.tags(data[skipped:]))

    def tags(self, data: memoryview) -> bytes:
        """The tags of these sectors."""
        return self._rows.tagger.tags(data)

    def before(self, first: int, count: int) -> bytes:
        """The parent's tags of `count` sectors, `UNKNOWN` where it has none."""
        with self._lock:
            found = [self._old_slice(number)[low:high] for number, low, high in _spans(first, count)]
        return found[0] if len(found) == 1 else b"".join(found)

    def put(self, first: int, tags: bytes | bytearray) -> None:
        """Record tags, the first of which is that of sector `first`."""
        view = memoryview(tags)
        with self._lock:
            for number, low, high in _spans(first, len(tags) // TAG_SIZE):
                taken, view = view[: high - low], view[high - low :]
                self._slice_put(number, low, taken)

    def close(self) -> None:
        """Stage the incomplete slices."""
        with self._lock:
            for number in list(self._new):
                self._stage(number)

    def _slice_put(self, number: int, low: int, tags: memoryview) -> None:
        if not bytes(tags).strip(b"\0"):
            return
        piece = self._new.setdefault(number, _Slice())
        piece.tags += bytes(max(0, low - len(piece.tags)))
        # A sector put twice is not counted: such a slice stays in memory until `close`.
        if not piece.tags[low : low + len(tags)].strip(b"\0"):
            piece.filled += len(tags)
        piece.tags[low : low + len(tags)] = tags
        if piece.filled >= SLICE_TAGS_SIZE:
            self._stage(number)

    def _stage(self, number: int) -> None:
        tags = bytes(self._new.pop(number).tags)
        # Compare the full length: tags of sectors that the file no longer has must go.
        kept = tags.ljust(SLICE_TAGS_SIZE, b"\0") == self._old.pop(number, b"")
        self._rows.row_stage(self._path, self._opening, number, None if kept else tags)

    def _old_slice(self, number: int) -> bytes:
        """A slice of the parent, always of full length; the last two are cached."""
        if number not in self._old:
            while len(self._old) > 1:
                del self._old[next(iter(self._old))]
            self._old[number] = self._rows.row(self._path, number).ljust(SLICE_TAGS_SIZE, b"\0")
        return self._old[number]


class _Slice:
    """The tags of a slice so far, and how many of its bytes were put once."""

    __slots__ = ("filled", "tags")

    def __init__(self) -> None:
        self.tags = bytearray()
        self.filled = 0


def _spans(first: int, count: int) -> list[tuple[int, int, int]]:
    """The slices that hold these sectors: number, and start and end within the slice's tags."""
    spans = []
    while count:
        number, sector = divmod(first, SLICE_SECTORS)
        taken = min(count, SLICE_SECTORS - sector)
        spans.append((number, sector * TAG_SIZE, (sector + taken) * TAG_SIZE))
        first, count = first + taken, count - taken
    return spans
