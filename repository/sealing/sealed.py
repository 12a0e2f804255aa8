"""Streaming writers of sealed objects, and readers that start at any offset."""

import secrets
from collections.abc import Iterator

from repository.sealing.frames import (
    FRAME_SIZE,
    HEADER_SIZE,
    SEALED_FRAME_SIZE,
    TAG_SIZE,
    Damaged,
    FrameCipher,
    SealContext,
    SealError,
    UnknownFormat,
    WrongKey,
    frame_count,
    frame_span,
    header_build,
    plain_size,
    sealed_size,
)
from repository.sealing.keys import SALT_SIZE
from repository.storage import Reads

__all__ = [
    "Damaged",
    "SealContext",
    "SealError",
    "SealReader",
    "SealWriter",
    "UnknownFormat",
    "WrongKey",
    "open_bytes",
    "plain_size",
    "seal_bytes",
    "sealed_size",
]


class SealWriter:
    """Turns a stream of plain bytes into a sealed object, one frame at a time, in two MiB of memory.

    Store every piece that `update` and `finish` yield, in order. A piece is valid until the next one is requested:
    its buffer is reused. Run each `update` to its end; otherwise the next call raises RuntimeError.
    """

    def __init__(self, *, data_key: bytes, context: SealContext) -> None:
        header = header_build(data_key, salt=secrets.token_bytes(SALT_SIZE))
        self._cipher = FrameCipher(data_key, context=context, header=header)
        self._header: bytes | None = header
        self._held = memoryview(bytearray(FRAME_SIZE))
        self._fill = 0
        self._out = memoryview(bytearray(SEALED_FRAME_SIZE))
        self._index = 0
        self._ready = True

    def update(self, data: bytes | bytearray | memoryview) -> Iterator[bytes | memoryview]:
        """Yield the sealed pieces that these bytes complete; the rest waits for more bytes."""
        self._occupy()
        return self._update(memoryview(data).cast("B"))

    def finish(self) -> Iterator[bytes | memoryview]:
        """Yield the sealed pieces up to the end of the object; the writer cannot be used afterwards."""
        self._occupy()
        yield from self._head()
        yield self._frame(self._held[: self._fill], last=True)

    def _update(self, view: memoryview) -> Iterator[bytes | memoryview]:
        yield from self._head()
        while len(view) > FRAME_SIZE - self._fill:
            # More bytes follow, so the frame that is full now is not the last. A frame whole in `view` is not copied.
            if self._fill:
                view = self._hold(view)
                self._fill = 0
                yield self._frame(self._held, last=False)
            else:
                frame, view = view[:FRAME_SIZE], view[FRAME_SIZE:]
                yield self._frame(frame, last=False)
        self._hold(view)
        self._ready = True

    def _hold(self, view: memoryview) -> memoryview:
        """Buffer the bytes that fit into the unfinished frame; returns the rest."""
        taken = min(FRAME_SIZE - self._fill, len(view))
        self._held[self._fill : self._fill + taken] = view[:taken]
        self._fill += taken
        return view[taken:]

    def _head(self) -> Iterator[bytes]:
        if self._header is not None:
            header, self._header = self._header, None
            yield header

    def _frame(self, plain: memoryview, *, last: bool) -> memoryview:
        out = self._out[: len(plain) + TAG_SIZE]
        self._cipher.seal_into(out, self._index, plain, last=last)
        self._index += 1
        return out

    def _occupy(self) -> None:
        """Refuse to go on after an abandoned update: the object would open without an error, but lack bytes."""
        if not self._ready:
            raise RuntimeError("the last update was not run to its end, or the object is finished")
        self._ready = False


class _Pieces:
    """Cuts a stream of pieces of any length into exact amounts."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def fill(self, target: memoryview) -> None:
        """Fill the whole target; raises `Damaged` when the pieces run out."""
        while target:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    raise Damaged("the object ends before its size")
                self._rest = memoryview(piece)
            taken = min(len(target), len(self._rest))
            target[:taken] = self._rest[:taken]
            target, self._rest = target[taken:], self._rest[taken:]


class SealReader:
    """A sealed object in storage, opened at any offset; `size` is the number of plain bytes in it.

    `sealed_size` is the object's size in storage; raises `Damaged` when no object has that size.
    """

    def __init__(self, *, data_key: bytes, context: SealContext, storage: Reads, key: str, sealed_size: int) -> None:
        self.size = plain_size(sealed_size)
        self._sealed_size = sealed_size
        self._data_key = data_key
        self._context = context
        self._storage = storage
        self._key = key
        self._cipher: FrameCipher | None = None

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop` (or the end), in verified pieces of at most 1 MiB.

        Only the frames in that range are read. A read up to the end always opens the last frame, so that it detects a
        truncated object even when no byte is left to yield. Raises `Damaged`, `WrongKey`, `UnknownFormat`, and the
        storage's own errors.
        """
        if start < 0:
            raise ValueError("a start is not negative")
        end = self.size if stop is None else min(stop, self.size)
        if start >= end and end < self.size:
            return
        first = min(start // FRAME_SIZE, frame_count(self.size) - 1)
        until = max(first, (end - 1) // FRAME_SIZE)
        for index, plain in self._frames(first, until):
            offset = index * FRAME_SIZE
            low, high = max(0, start - offset), end - offset
            if low < min(high, len(plain)):
                yield plain[low:high]

    def _frames(self, first: int, until: int) -> Iterator[tuple[int, bytes]]:
        """Open frames `first` to `until` with one request to storage (two if the header lies elsewhere)."""
        begin, _ = frame_span(first, self._sealed_size)
        _, end = frame_span(until, self._sealed_size)
        cipher = self._cipher
        if cipher is None and first > 0:
            cipher = self._header_open(_Pieces(self._storage.read(self._key, start=0, stop=HEADER_SIZE)))
        source = _Pieces(self._storage.read(self._key, start=0 if cipher is None else begin, stop=end))
        cipher = self._cipher = cipher or self._header_open(source)
        buffer = memoryview(bytearray(min(SEALED_FRAME_SIZE, end - begin)))
        for index in range(first, until + 1):
            low, high = frame_span(index, self._sealed_size)
            sealed = buffer[: high - low]
            source.fill(sealed)
            yield index, cipher.open(index, sealed, last=high == self._sealed_size)

    def _header_open(self, source: _Pieces) -> FrameCipher:
        header = bytearray(HEADER_SIZE)
        source.fill(memoryview(header))
        return FrameCipher(self._data_key, context=self._context, header=bytes(header))


def seal_bytes(plain: bytes, *, data_key: bytes, context: SealContext) -> bytes:
    """Seal a small object in memory."""
    header = header_build(data_key, salt=secrets.token_bytes(SALT_SIZE))
    cipher = FrameCipher(data_key, context=context, header=header)
    size = sealed_size(len(plain))
    sealed, view = memoryview(bytearray(size)), memoryview(plain)
    sealed[:HEADER_SIZE] = header
    for index in range(frame_count(len(plain))):
        low, high = frame_span(index, size)
        frame = view[index * FRAME_SIZE : (index + 1) * FRAME_SIZE]
        cipher.seal_into(sealed[low:high], index, frame, last=high == size)
    return bytes(sealed)


def open_bytes(sealed: bytes, *, data_key: bytes, context: SealContext) -> bytes:
    """Open a small sealed object in memory; raises `Damaged`, `WrongKey`, `UnknownFormat`."""
    size = len(sealed)
    frames = frame_count(plain_size(size))
    cipher = FrameCipher(data_key, context=context, header=sealed[:HEADER_SIZE])
    spans = [frame_span(index, size) for index in range(frames)]
    view = memoryview(sealed)
    return b"".join(cipher.open(index, view[low:high], last=high == size) for index, (low, high) in enumerate(spans))
