"""Tasks in a pool, their results in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from pipelines.ordered import Ordered

LIMIT = 4
HANGS = 60


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Held:
    """A task that ends when it is let."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.begun, self.let = threading.Event(), threading.Event()

    def __call__(self) -> int:
        self.begun.set()
        assert self.let.wait(HANGS)
        return self.number


class OnDemand(Executor):
    """Does a task when its result is waited for."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, task: Callable[[], Any], /) -> Future[Any]:  # type: ignore[override]
        future: Future[Any] = Future()
        result = future.result

        def demanded() -> Any:
            future.set_result(task())
            return result()

        future.result = demanded  # type: ignore[method-assign]
        self.futures.append(future)
        return future


def failing() -> int:
    raise KeyError("reason")


def test_results_arrive_in_the_order_of_their_tasks(pool: ThreadPoolExecutor) -> None:
    tasks: Ordered[int] = Ordered(pool, limit=LIMIT)
    first, second = Held(1), Held(2)
    tasks.start(first)
    tasks.start(second)
    second.let.set()
    assert not tasks.is_ready
    first.let.set()
    assert [tasks.take(), tasks.take()] == [1, 2]
    assert len(tasks) == 0


def test_start_beyond_the_limit_waits_for_the_oldest_task() -> None:
    ended: list[int] = []
    tasks: Ordered[None] = Ordered(OnDemand(), limit=LIMIT)
    for number in range(LIMIT):
        assert not tasks.is_full
        tasks.start(partial(ended.append, number))
    assert (tasks.is_full, len(tasks), ended) == (True, LIMIT, [])
    tasks.start(partial(ended.append, LIMIT))
    assert (len(tasks), ended) == (LIMIT, [0])
    tasks.finish()
    assert (len(tasks), ended) == (0, list(range(LIMIT + 1)))


def test_first_error_cancels_later_tasks(pool: ThreadPoolExecutor) -> None:
    tasks: Ordered[int] = Ordered(pool, limit=LIMIT)
    one, other = Held(1), Held(2)
    begun = []
    tasks.start(failing)
    tasks.start(one)
    tasks.start(other)
    assert one.begun.wait(HANGS)
    assert other.begun.wait(HANGS)
    tasks.start(lambda: begun.append(1) or 3)
    with pytest.raises(KeyError, match="reason"):
        tasks.take()
    one.let.set()
    other.let.set()
    pool.shutdown()
    assert begun == []


@pytest.mark.parametrize("end", [Ordered.finish, Ordered.take])
def test_error_is_raised_in_place_of_the_result(pool: ThreadPoolExecutor, end: object) -> None:
    tasks: Ordered[int] = Ordered(pool, limit=LIMIT)
    tasks.start(failing)
    with pytest.raises(KeyError, match="reason"):
        end(tasks)  # type: ignore[operator]


def test_drop_cancels_waiting_tasks_and_waits_for_running_ones() -> None:
    ended: list[int] = []
    pool = OnDemand()
    tasks: Ordered[None] = Ordered(pool, limit=LIMIT)
    for number in range(3):
        tasks.start(partial(ended.append, number))
    pool.futures[0].set_running_or_notify_cancel()
    tasks.drop(2)
    assert ended == [0]
    tasks.finish()
    assert ended == [0, 2]
