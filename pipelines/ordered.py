"""Bounded tasks whose results come in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

R = TypeVar("R")


class Ordered(Generic[R]):
    """Runs tasks in a pool and returns their results in the order of the tasks; at most `limit` are under way.

    One thread starts the tasks and takes the results. Several of these may share a pool.
    """

    def __init__(self, pool: Executor, *, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._tasks: deque[Future[R]] = deque()

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def is_full(self) -> bool:
        """Whether a result has to be taken before another task can begin."""
        return len(self._tasks) >= self._limit

    @property
    def is_ready(self) -> bool:
        """Whether `take` would not wait."""
        return bool(self._tasks) and self._tasks[0].done()

    def start(self, task: Callable[[], R]) -> None:
        """Submit a task. At the limit, first take the next result and discard it; raises as `take`."""
        if self.is_full:
            self.take()
        self._tasks.append(self._pool.submit(task))

    def take(self) -> R:
        """Wait for the next result. Raises the error of its task, and cancels the tasks behind it that wait."""
        try:
            return self._tasks.popleft().result()
        except BaseException:
            for task in self._tasks:
                task.cancel()
            raise

    def finish(self) -> None:
        """Wait for all tasks and discard their results; raises as `take`."""
        while self._tasks:
            self.take()

    def drop(self, count: int) -> None:
        """Cancel the next `count` tasks; wait for those that run already. Raises as `take`."""
        for _ in range(count):
            if self._tasks[0].cancel():
                self._tasks.popleft()
            else:
                self.take()
