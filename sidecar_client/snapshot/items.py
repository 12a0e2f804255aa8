"""One thing that was wanted, and what arrived of it; none of what arrives is believed unchecked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from sidecar_client.errors import SourceFailed
from trees.blocks import block_count
from trees.hashes import HASH_SIZE
from trees.source import Kind, Left, Wanted
from wire.contract import SMALL_FILE_BYTES
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

_HEAD_BYTES: Final = 4096
_ATTRIBUTES_BYTES: Final = 2 << 20
_USER: Final = b"user."
_LEFT: Final = frozenset(left.value for left in Left)

Span = tuple[int, int]


class Item:
    """The items that have arrived so far.

    `is_small`: it arrives as one answer. `is_open`: the first of it is there. `is_closed`: all of it is there. `gone`:
    why there is nothing, or no more. `ranges`: the spans with data. `pieces`: what was not taken yet, with the offsets
    of runs if it `is_delta`.
    """

    __slots__ = (
        "changed",
        "gone",
        "hashes",
        "head",
        "is_closed",
        "is_delta",
        "is_dropped",
        "is_open",
        "is_small",
        "pieces",
        "ranges",
        "room",
        "wanted",
        "xattrs",
    )

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.is_open = self.is_closed = self.is_delta = self.is_dropped = self.changed = False
        start, stop = wanted.span
        self.is_small = wanted.entry.kind is Kind.FOLDER or stop - start <= SMALL_FILE_BYTES
        self.gone = ""
        self.ranges: list[Span] = []
        self.room = 0
        self.head = b""
        self.hashes = b""
        self.xattrs: dict[bytes, bytes] | None = None
        self.pieces: deque[tuple[int, memoryview]] = deque()

    def answer(self, data: memoryview, note: wire.ReadTreeReply.Small.Note | None) -> None:
        """Take the answer of a small one. Raises `SourceFailed`, as the other methods."""
        start, stop = self.wanted.span
        if not self.is_small or len(data) > stop - start:
            raise SourceFailed("The sidecar sent more than it was asked for.")
        self.is_open = self.is_closed = True
        if note is not None:
            self.gone, self.changed, self.xattrs = _gone(note.gone), note.changed, attributes(note.xattrs)
        self.ranges = [(start, stop)] if stop > start else []
        if data:
            self.pieces.append((start, data))

    def open(self, opened: wire.ReadTreeReply.Opened) -> None:
        """Take the beginning of a larger one."""
        wanted = self.wanted
        self.gone, flat = _gone(opened.gone), opened.ranges
        self.is_open, self.is_closed = True, bool(self.gone)
        self.ranges = list(zip(flat[::2], flat[1::2], strict=False))
        self.is_delta = opened.delta
        may_be_delta = bool(wanted.known) and self.ranges == [wanted.span]
        at, stop = wanted.span
        for low, high in self.ranges:
            if not at <= low < high <= stop:
                raise SourceFailed("The sidecar sent ranges that a part cannot have.")
            at = high
        # Of other files the sidecar decides, by how much of them changed.
        is_wrong = may_be_delta != opened.delta if wanted.in_place else opened.delta > may_be_delta
        if is_wrong or self.is_small or len(flat) % 2 or len(opened.head) > _HEAD_BYTES:
            raise SourceFailed("The sidecar opened a part otherwise than it was asked for.")
        self.head = opened.head
        self.room = sum(high - low for low, high in self.ranges)

    def content(self, data: memoryview) -> None:
        """Take the next bytes of data."""
        self.room -= len(data)
        if self.is_delta or self.room < 0:
            raise SourceFailed("The sidecar sent more than it announced.")
        self.pieces.append((0, data))

    def run(self, offset: int, data: memoryview) -> None:
        """Take changed bytes; `RemoteChanges` checks their places when it comes to them."""
        self.room -= len(data)
        if not self.is_delta or self.room < 0:
            raise SourceFailed("The sidecar sent more than it announced.")
        self.pieces.append((offset, data))

    def close(self, closed: wire.ReadTreeReply.Closed) -> None:
        """Take the end."""
        self.gone, self.changed, self.xattrs = _gone(closed.gone), closed.changed, attributes(closed.xattrs)
        start, stop = self.wanted.span
        self.hashes, self.is_closed = closed.hashes, True
        blocks = block_count(stop - start, self.wanted.header) if self.is_delta and not self.gone else 0
        if len(self.hashes) != blocks * HASH_SIZE:
            raise SourceFailed("The sidecar sent another number of hashes than the part has blocks.")


def attributes(found: Iterable[wire.ReadTreeReply.Attribute]) -> dict[bytes, bytes] | None:
    """The `user.*` attributes, None without any. Raises `SourceFailed` for others, and for too many."""
    xattrs = {attribute.name: attribute.content for attribute in found}
    if not xattrs:
        return None
    if not all(name.startswith(_USER) for name in xattrs) or sum(map(len, xattrs.values())) > _ATTRIBUTES_BYTES:
        raise SourceFailed("The sidecar sent attributes that no backup has.")
    return xattrs


def _gone(word: str) -> str:
    if word and word not in _LEFT:
        raise SourceFailed("The sidecar sent a reason that the portal does not know.")
    return word
