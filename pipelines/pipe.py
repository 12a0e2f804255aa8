"""A bounded pipe between threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """Nobody takes any more what is put into the pipe."""


class TimedOut(Exception):
    """The time to wait is over, and nothing has happened."""


class Pipe(Generic[T]):
    """Items from the threads that put them to the one that takes them: in order, and at most `limit` of them waiting.

    They are put by threads that `feed` or `run` start, or by a thread of the caller's that ends with `finish`. The pipe
    has ended once each of them has, and every item was taken. The first failure of one ends the pipe for all: it is
    raised behind the items that were put before it, and again by every later `take`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._ended = False
        self._closed = False
        self._failure: BaseException | None = None

    def put(self, item: T, timeout: float | None = None) -> None:
        """Add an item when there is room. Raises `Closed`, and `TimedOut` after so many seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or len(self._items) < self._limit, timeout):
                raise TimedOut
            self.check()
            self._items.append(item)
            self._changed.notify_all()

    def check(self) -> None:
        """Raise `Closed` once nothing more can be put."""
        if self._closed:
            raise Closed

    def finish(self, failure: BaseException | None = None) -> None:
        """Nothing more is put, because of `failure` if there is one."""
        with self._changed:
            self._ended = True
            if failure is not None and not self._closed:
                self._failure, self._closed = failure, True
            self._changed.notify_all()

    def run(self, produce: Callable[[], object], *, name: str) -> None:
        """Start a thread that puts items by calling `put`; what it raises is its failure, but for `Closed`."""
        thread = threading.Thread(target=self._produce, args=(produce,), name=name, daemon=True)
        with self._changed:
            self._running += 1
            self._ended = self._closed
        self._threads.append(thread)
        thread.start()

    def feed(self, items: Iterable[T], *, name: str) -> None:
        """Start a thread that puts these items."""
        self.run(partial(self._put_all, items), name=name)

    def take(self, timeout: float | None = None) -> T | None:
        """The next item, or None at the end. Raises the failure, and `TimedOut` after so many seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._ended, timeout):
                raise TimedOut
            if self._items:
                self._changed.notify_all()
                return self._items.popleft()
            if self._failure is not None:
                raise self._failure
            return None

    def __iter__(self) -> Iterator[T]:
        while (item := self.take()) is not None:
            yield item

    def close(self) -> None:
        """Drop what was not taken, let whoever waits go on, and wait for the end of the threads that were started."""
        with self._changed:
            self._closed = self._ended = True
            self._items.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _put_all(self, items: Iterable[T]) -> None:
        for item in items:
            self.put(item)

    def _produce(self, produce: Callable[[], object]) -> None:
        failure: BaseException | None = None
        try:
            produce()
        except Closed:
            pass
        except BaseException as error:  # noqa: BLE001  # it belongs to the thread that takes
            failure = error
        with self._changed:
            self._running -= 1
            if failure is not None or not self._running:
                self.finish(failure)
