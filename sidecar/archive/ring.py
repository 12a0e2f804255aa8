"""A few reusable buffers that go round between the thread that fills them and the one that empties them."""

import os
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

BUFFER_BYTES: Final = 1 << 20
BUFFERS: Final = 4


class Stopped(Exception):
    """Nobody empties the buffers any more."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A buffer whose first `size` bytes count."""

    buffer: bytearray
    size: int


class Ring:
    """Bytes from one thread to another in large buffers; what is read from files is not copied again.

    One thread calls `write`, `write_zeros` and `read_from`, and in the end `close`. The other calls `take` and
    `give_back` until the end, or `stop` at any time.
    """

    def __init__(self) -> None:
        self._empty: SimpleQueue[bytearray] = SimpleQueue()
        for _ in range(BUFFERS):
            self._empty.put(bytearray(BUFFER_BYTES))
        self._full: SimpleQueue[Filled | BaseException | None] = SimpleQueue()
        self._buffer = self._empty.get()
        self._view = memoryview(self._buffer)
        self._size = 0
        self._stopped = False

    def write(self, data: bytes) -> None:
        """Append a copy of some bytes."""
        end = self._size + len(data)
        while end > BUFFER_BYTES:
            count = BUFFER_BYTES - self._size
            self._buffer[self._size :] = data[:count]
            self._size = BUFFER_BYTES
            self._hand_over()
            data = data[count:]
            end = len(data)
        self._buffer[self._size : end] = data
        self._size = end

    def write_zeros(self, size: int) -> None:
        """Append `size` zeros, however many."""
        while size:
            count = min(BUFFER_BYTES, size)
            self.write(bytes(count))
            size -= count

    def read_from(self, descriptor: int, size: int) -> memoryview:
        """Append up to `size` bytes of an open file; none at its end. Returns them, to be looked at before the next."""
        if self._size == BUFFER_BYTES:
            self._hand_over()
        start = self._size
        self._size += os.readv(descriptor, [self._view[start : start + size]])
        return self._view[start : self._size]

    def close(self, failure: BaseException | None = None) -> None:
        """Hand over what is left and say that no more comes, or why."""
        if self._size:
            self._full.put(Filled(self._buffer, self._size))
        self._full.put(failure)

    def check(self) -> None:
        """Raise `Stopped` once the other thread has stopped."""
        if self._stopped:
            raise Stopped

    def take(self, *, timeout: float) -> Filled | None:
        """The next bytes, or None at the end.

        Raises queue.Empty after `timeout` seconds, and the failure that the other thread closed with.
        """
        item = self._full.get(timeout=timeout)
        if isinstance(item, BaseException):
            raise item
        return item

    def give_back(self, filled: Filled) -> None:
        """The bytes that `take` returned have been used."""
        self._empty.put(filled.buffer)

    def stop(self) -> None:
        """Make the other thread end with `Stopped` at its next step."""
        self._stopped = True
        # Wakes it if it waits for a buffer; it looks at the flag before it uses this one.
        self._empty.put(bytearray())

    def _hand_over(self) -> None:
        self._full.put(Filled(self._buffer, self._size))
        self._buffer = self._empty.get()
        self.check()
        self._view = memoryview(self._buffer)
        self._size = 0
