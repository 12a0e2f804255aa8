"""A ring of a few reusable buffers between the thread that fills them and the thread that empties them."""

import os
from collections import deque
from dataclasses import dataclass
from typing import Final

from pipelines.pipe import Pipe

BUFFER_BYTES: Final = 1 << 20
BUFFERS: Final = 4


@dataclass(frozen=True, slots=True)
class Filled:
    """A buffer of which the first `size` bytes are filled."""

    buffer: bytearray
    size: int


class Ring(Pipe[Filled]):
    """A pipe of bytes in large, reused buffers; bytes read from files are not copied again.

    The producer calls `write` and `read_from`, and at the end `flush`. The consumer gives each buffer back before it
    takes the next.
    """

    _size: int

    def __init__(self) -> None:
        # One buffer is being filled, and one is being emptied.
        super().__init__(BUFFERS - 2)
        self._empty: deque[bytearray] = deque()
        self._begin()

    def write(self, data: bytes) -> None:
        """Append a copy of some bytes."""
        end = self._size + len(data)
        while end > BUFFER_BYTES:
            count = BUFFER_BYTES - self._size
            self._buffer[self._size :] = data[:count]
            self._size = BUFFER_BYTES
            self.flush()
            data = data[count:]
            end = len(data)
        self._buffer[self._size : end] = data
        self._size = end

    def read_from(self, descriptor: int, size: int) -> memoryview:
        """Append up to `size` bytes of an open file, none at its end. Return them, valid until the next call."""
        if self._size == BUFFER_BYTES:
            self.flush()
        start = self._size
        self._size += os.readv(descriptor, [self._view[start : start + size]])
        return self._view[start : self._size]

    def flush(self) -> None:
        """Hand the bytes over to the consumer. Raises `Closed`, as every method that appends."""
        if self._size:
            self.put(Filled(self._buffer, self._size))
            self._begin()

    def give_back(self, filled: Filled) -> None:
        """Return a buffer that `take` returned, for reuse."""
        self._empty.append(filled.buffer)

    def _begin(self) -> None:
        self._buffer = self._empty.popleft() if self._empty else bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._size = 0
