"""A bounded pipe between threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """The pipe is closed: no item can be put any more."""


class TimedOut(Exception):
    """The timeout of `put` or `take` has passed."""


class Pipe(Generic[T]):
    """Carries items from producers to one consumer, in the order they are put; at most `limit` of them wait.

    Producers are the threads that `feed` and `run` start, or one thread of the caller's, which calls `put` and at last
    `finish`. The pipe ends with its last producer. The first failure of a producer ends it for all: `take` raises the
    failure after the items that were put before, and from then on.
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
        """Add an item, once there is room for it. Raises `Closed`, and `TimedOut` after `timeout` seconds."""
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
        """End the pipe after the items that were put, with `failure` if there is one."""
        with self._changed:
            self._ended = True
            if failure is not None and not self._closed:
                self._failure, self._closed = failure, True
            self._changed.notify_all()

    def run(self, produce: Callable[[], object], *, name: str) -> None:
        """Start a producer thread, in which `produce` calls `put`. Any error of it but `Closed` is a failure."""
        thread = threading.Thread(target=self._produce, args=(produce,), name=name, daemon=True)
        with self._changed:
            self._running += 1
            self._ended = self._closed
        try:
            thread.start()
        except RuntimeError as error:  # the system has no thread for us
            self._produced(error)
            raise
        self._threads.append(thread)

    def feed(self, items: Iterable[T], *, name: str) -> None:
        """Start a producer thread that puts these items."""
        self.run(partial(self._put_all, items), name=name)

    def take(self, timeout: float | None = None) -> T | None:
        """The next item, or None at the end. Raises the failure, and `TimedOut` after `timeout` seconds."""
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

    def close(self, *, wait: float | None = None) -> None:
        """Drop the items that were not taken, wake every thread that waits, and join the producer threads.

        wait: join each for so many seconds at most. A producer that stands in a call of its own ends with that call.
        """
        with self._changed:
            self._closed = self._ended = True
            self._items.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(wait)

    def _put_all(self, items: Iterable[T]) -> None:
        for item in items:
            self.put(item)

    def _produce(self, produce: Callable[[], object]) -> None:
        failure: BaseException | None = None
        try:
            produce()
        except Closed:
            pass
        except BaseException as error:  # noqa: BLE001  # the consumer raises it
            failure = error
        self._produced(failure)

    def _produced(self, failure: BaseException | None) -> None:
        with self._changed:
            self._running -= 1
            if failure is not None or not self._running:
                self.finish(failure)
