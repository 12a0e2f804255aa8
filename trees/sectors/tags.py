"""A short keyed tag for every sector of a file: what tells which sectors of a changed block are as they were."""

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
"""In the place of a tag: nothing is known of that sector."""

SLICE_SECTORS: Final = 1024
SLICE_TAGS_SIZE: Final = SLICE_SECTORS * TAG_SIZE

TAGGER_KEY_SIZE: Final = 16
_CIPHER_BLOCK: Final = 16
_UNIT_SIZE: Final = 1 << 20


class _Hidden(threading.local):
    """A thread's own encryptor, and room for what it makes of the sectors."""

    def __init__(self, cipher: Cipher[ECB]) -> None:
        self.encryptor = cipher.encryptor()
        self.buffer = memoryview(bytearray(_UNIT_SIZE + _CIPHER_BLOCK))
        self.sectors = [self.buffer[low : low + SECTOR_SIZE] for low in range(0, _UNIT_SIZE, SECTOR_SIZE)]


class SectorTagger:
    """Tags sectors by the XXH3-128 of what AES-128 with a secret key makes of their blocks of 16 bytes.

    XXH3 alone claims nothing against who chooses what it hashes. Here it only sees blocks that whoever writes the
    files neither knows nor steers: of two sectors that differ, these differ at random. That equal blocks stay equal
    (ECB) tells nobody anything, since nothing of it leaves the sector map.
    """

    def __init__(self, key: bytes) -> None:
        # A permutation is wanted, and nobody sees its results.
        self._hidden = _Hidden(Cipher(AES(key), ECB()))  # noqa: S305

    def tags(self, data: memoryview) -> bytes:
        """The tags of the sectors that the data is made of, one after the other; the last sector may be shorter."""
        if len(data) <= _UNIT_SIZE:
            return self._unit(data)
        return b"".join([self._unit(data[low : low + _UNIT_SIZE]) for low in range(0, len(data), _UNIT_SIZE)])

    def _unit(self, data: memoryview) -> bytes:
        """The tags of up to one MiB, encrypted at once: a call for each sector would cost more than its work."""
        whole, rest = divmod(len(data), SECTOR_SIZE)
        hidden = self._hidden
        size = hidden.encryptor.update_into(data[: len(data) - rest], hidden.buffer)
        tags = b"".join(map(xxh3_128_digest, hidden.sectors[:whole]))
        if not rest:
            return tags
        # Padded to whole cipher blocks; its length is told beside it.
        last = bytes(data[-rest:]).ljust(-(-rest // _CIPHER_BLOCK) * _CIPHER_BLOCK, b"\0")
        hidden.encryptor.update_into(last, hidden.buffer[size:])
        return tags + xxh3_128_digest(hidden.buffer[size : size + len(last)], rest)


class TagRows(Protocol):
    """Where the tags of files are kept, in slices of `SLICE_SECTORS`."""

    tagger: SectorTagger

    def row(self, path: bytes, number: int) -> bytes:
        """What the parent's slice holds; empty when nothing is known. It may be shorter than a slice."""

    def row_stage(self, path: bytes, opening: int, number: int, tags: bytes | None) -> None:
        """What the next snapshot's slice holds; None says that it is the parent's."""


class FileTags:
    """The tags of one open file: `before` in the parent snapshot, and those `put` for the next one.

    A slice leaves memory when all its sectors are known, so that a file of any size takes little.
    """

    def __init__(self, rows: TagRows, path: bytes, opening: int) -> None:
        self._rows = rows
        self._path = path
        self._opening = opening
        self._lock = Lock()
        self._old: dict[int, bytes] = {}
        self._new: dict[int, _Slice] = {}

    def read(self, data: memoryview, offset: int) -> None:
        """Take the tags of bytes read at that offset; a sector that is not begun at its start is not known."""
        skipped = -offset % SECTOR_SIZE
        if skipped < len(data):
            self.put((offset + skipped) // SECTOR_SIZE, self.tags(data[skipped:]))

    def tags(self, data: memoryview) -> bytes:
        """The tags of these sectors."""
        return self._rows.tagger.tags(data)

    def before(self, first: int, count: int) -> bytes:
        """The parent's tags of `count` sectors, `UNKNOWN` where there is none."""
        with self._lock:
            found = [self._old_slice(number)[low:high] for number, low, high in _spans(first, count)]
        return found[0] if len(found) == 1 else b"".join(found)

    def put(self, first: int, tags: bytes | bytearray) -> None:
        """These are the tags from sector `first` on."""
        view = memoryview(tags)
        with self._lock:
            for number, low, high in _spans(first, len(tags) // TAG_SIZE):
                taken, view = view[: high - low], view[high - low :]
                self._slice_put(number, low, taken)

    def close(self) -> None:
        """Stage what is known of slices that are not whole."""
        with self._lock:
            for number in list(self._new):
                self._stage(number)

    def _slice_put(self, number: int, low: int, tags: memoryview) -> None:
        if not bytes(tags).strip(b"\0"):
            return
        piece = self._new.setdefault(number, _Slice())
        piece.tags += bytes(max(0, low - len(piece.tags)))
        # What is put twice is not counted at all: such a slice waits for the end.
        if not piece.tags[low : low + len(tags)].strip(b"\0"):
            piece.filled += len(tags)
        piece.tags[low : low + len(tags)] = tags
        if piece.filled >= SLICE_TAGS_SIZE:
            self._stage(number)

    def _stage(self, number: int) -> None:
        tags = bytes(self._new.pop(number).tags)
        # Equal in full: tags of sectors that the file no longer has must not stay.
        kept = tags.ljust(SLICE_TAGS_SIZE, b"\0") == self._old.pop(number, b"")
        self._rows.row_stage(self._path, self._opening, number, None if kept else tags)

    def _old_slice(self, number: int) -> bytes:
        """A slice of the parent, always of full length; a few stay at hand."""
        if number not in self._old:
            while len(self._old) > 1:
                del self._old[next(iter(self._old))]
            self._old[number] = self._rows.row(self._path, number).ljust(SLICE_TAGS_SIZE, b"\0")
        return self._old[number]


class _Slice:
    """The tags of a slice so far, and how many bytes of them were put once."""

    __slots__ = ("filled", "tags")

    def __init__(self) -> None:
        self.tags = bytearray()
        self.filled = 0


def _spans(first: int, count: int) -> list[tuple[int, int, int]]:
    """The slices that sectors lie in: number, and from and to where in the slice's tags."""
    spans = []
    while count:
        number, sector = divmod(first, SLICE_SECTORS)
        taken = min(count, SLICE_SECTORS - sector)
        spans.append((number, sector * TAG_SIZE, (sector + taken) * TAG_SIZE))
        first, count = first + taken, count - taken
    return spans
