"""Files of a sidecar that are being read: what arrived of them, in the form in which a snapshot reads it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

from blake3 import blake3

from sidecar_client.errors import SourceFailed
from sidecar_client.snapshot.arrivals import Arrivals
from sidecar_client.snapshot.items import Item, Span
from trees.blocks import block_spans
from trees.hashes import HASH_SIZE
from trees.source import Changes, Wanted

_HEAD_BYTES: Final = 4096

Fetch = Callable[[Wanted], tuple[Arrivals, Item]]
"""Asks for something by a request of its own; closing the arrivals ends it."""


class RemoteFile:
    """A file, or a part of one, open while its context is entered. Every call may raise `SourceGone`.

    It is read once, from its start on; only the first 4 KiB may be read before that. What was fetched in another form
    than it is read in is fetched once more.
    """

    def __init__(self, arrivals: Arrivals, item: Item, fetch: Fetch, *, owned: bool = False) -> None:
        self._arrivals = arrivals
        self._item = item
        self._fetch = fetch
        self._own = [arrivals] if owned else []
        self._at = item.wanted.span[0]
        self._again = b""
        self._used = 0

    def __enter__(self) -> Self:
        try:
            self._arrivals.wait_open(self._item)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    @property
    def is_like_parent(self) -> bool:
        """Whether the sidecar sends only what changed of it."""
        return self._item.is_delta

    def data_ranges(self, start: int, stop: int) -> Iterator[Span]:
        """The ranges from `start` to `stop` that hold data, in order; the gaps between them are holes."""
        ranges = self._item.ranges
        first = max(0, bisect_right(ranges, (start, stop)) - 1)
        for low, high in ranges[first:]:
            if low >= stop:
                return
            if high > start:
                yield max(low, start), min(high, stop)

    def readinto(self, view: memoryview, offset: int) -> int:
        """Fill the view from that offset and return the bytes read: fewer than it has only at the end of the file."""
        item = self._item
        if item.is_small:
            start = offset - item.wanted.span[0]
            piece = item.pieces[0][1][start : start + len(view)] if item.pieces else b""
            view[: len(piece)] = piece
            return len(piece)
        if item.is_delta:
            if offset == 0 and len(view) <= _HEAD_BYTES:
                head = item.head[: len(view)]
                view[: len(head)] = head
                return len(head)
            self._refetch(item.wanted._replace(known=b"", header=0))
        if offset < self._at:
            self._refetch(self._item.wanted)
        if len(view) > _HEAD_BYTES or offset != self._item.wanted.span[0]:
            return self._read(view, offset)
        # The head decides how the file is cut, and is read once more with the rest.
        filled = self._read(view, offset)
        shown = [view[low - offset : high - offset] for low, high in self.data_ranges(offset, offset + filled)]
        self._again, self._at = b"".join([*shown, self._again]), offset
        return filled

    def changes(self, start: int, stop: int, *, header: int, known: bytes) -> Changes:
        """Compare the part from `start` to `stop` with the parent's, whose blocks have the `known` hashes."""
        if self._item.is_small and self._item.wanted.span == (start, stop):
            content = bytearray(stop - start)
            self.readinto(memoryview(content), start)
            return SmallChanges(memoryview(content), start, header=header, known=known)
        wanted = self._item.wanted._replace(span=(start, stop), header=header, known=known)
        if not self._item.is_delta or self._item.wanted != wanted:
            self._refetch(wanted._replace(in_place=True))
        return RemoteChanges(self._arrivals, self._item)

    def xattrs(self) -> dict[bytes, bytes] | None:
        """The `user.*` attributes, or None when there are none."""
        self._arrivals.wait_closed(self._item)
        return self._item.xattrs

    def changed(self) -> bool:
        """Whether size or times of the file differ from those that the scan found."""
        self._arrivals.wait_closed(self._item)
        return self._item.changed

    def _close(self) -> None:
        self._arrivals.drop(self._item)
        for arrivals in self._own:
            arrivals.close()

    def _refetch(self, wanted: Wanted) -> None:
        self._arrivals.drop(self._item)
        self._arrivals, self._item = self._fetch(wanted)
        self._own.append(self._arrivals)
        self._at, self._again, self._used = wanted.span[0], b"", 0
        self._arrivals.wait_open(self._item)

    def _read(self, view: memoryview, offset: int) -> int:
        """Fill the view, with zeros in holes. All data before `offset` that was not read is passed over."""
        while self._at < offset:
            passed = memoryview(bytearray(min(offset - self._at, _HEAD_BYTES)))
            self._fill(passed, self._at)
            self._at += len(passed)
        return self._fill(view, offset)

    def _fill(self, view: memoryview, offset: int) -> int:
        self._at, stop, filled = offset, offset + len(view), 0
        for low, high in self.data_ranges(offset, stop):
            view[filled : low - offset] = bytes(low - offset - filled)
            count = self._take(view[low - offset : high - offset])
            filled, self._at = low - offset + count, low + count
            if self._at < high:
                return filled
        end = min(stop, self._item.wanted.span[1])
        view[filled : end - offset] = bytes(max(0, end - offset - filled))
        self._at = max(self._at, end)
        return max(filled, end - offset)

    def _take(self, view: memoryview) -> int:
        """Fill the view with the next bytes of data; returns fewer than it has only at their end."""
        again = self._again[: len(view)]
        view[: len(again)] = again
        self._again, filled = self._again[len(again) :], len(again)
        while filled < len(view) and (found := self._arrivals.wait_piece(self._item)) is not None:
            piece = found[1][self._used : self._used + len(view) - filled]
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._used += len(piece)
            if self._used == len(found[1]):
                self._arrivals.taken(self._item)
                self._used = 0
        return filled


class SmallChanges:
    """The changed blocks of a part that is here as a whole."""

    def __init__(self, content: memoryview, start: int, *, header: int, known: bytes) -> None:
        self.hashes = b""
        self._content = content
        self._start = start
        self._header = header
        self._known = known

    def __iter__(self) -> Iterator[tuple[int, memoryview]]:
        """Yield the blocks in order: offset in the file, and bytes."""
        for low, high in block_spans(len(self._content), self._header):
            block = self._content[low:high]
            found = blake3(block).digest()
            before = self._known[len(self.hashes) : len(self.hashes) + HASH_SIZE]
            self.hashes += found
            if found != before:
                yield self._start + low, block


class RemoteChanges:
    """The runs of changed bytes of a part, which is iterated once.

    `hashes` is complete after that, and checked: against the bytes where runs cover a whole block, and against the
    parent's where none touches it. The rest is the sidecar's word, as the content of a file is.
    """

    def __init__(self, arrivals: Arrivals, item: Item) -> None:
        self.hashes = b""
        self._arrivals = arrivals
        self._item = item
        start, stop = item.wanted.span
        self._spans = [(start + low, start + high) for low, high in block_spans(stop - start, item.wanted.header)]
        self._touched = bytearray(len(self._spans))
        self._found: dict[int, bytes] = {}
        self._number = 0
        self._hasher, self._hashed = blake3(), start

    def __iter__(self) -> Iterator[tuple[int, memoryview]]:
        """Yield the runs in order: offset in the file, and bytes that are valid until the next one is asked for."""
        at, stop = self._item.wanted.span
        while (found := self._arrivals.wait_piece(self._item)) is not None:
            offset, view = found
            if not (at <= offset and offset + len(view) <= stop and view):
                raise SourceFailed("The sidecar sent changed bytes out of order.")
            self._note(offset, view)
            yield offset, view
            at = offset + len(view)
            self._arrivals.taken(self._item)
        self._check(self._item.hashes)
        self.hashes = self._item.hashes

    def _note(self, offset: int, view: memoryview) -> None:
        """Hash the run's blocks as far as they are whole; a block may come in several runs."""
        while view:
            while self._spans[self._number][1] <= offset:
                self._number += 1
            low, high = self._spans[self._number]
            piece, view = view[: high - offset], view[high - offset :]
            self._touched[self._number] = 1
            if offset == low:
                self._hasher, self._hashed = blake3(), low
            if offset == self._hashed:
                self._hasher.update(piece)
                offset = self._hashed = offset + len(piece)
                if offset == high:
                    self._found[self._number] = self._hasher.digest()
            else:
                offset += len(piece)

    def _check(self, hashes: bytes) -> None:
        known = self._item.wanted.known
        in_parent = len(known) // HASH_SIZE
        for number, touched in enumerate(self._touched):
            at = number * HASH_SIZE
            said = hashes[at : at + HASH_SIZE]
            right = self._found.get(number) if touched else known[at : at + HASH_SIZE]
            if (right is None and number >= in_parent) or (right is not None and right != said):
                raise SourceFailed("The sidecar sent hashes that do not match what it sent.")
