"""Items from one thread to another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import count

import pytest

from pipelines.pipe import Closed, Pipe, TimedOut
from tests.faults import raising

LIMIT = 3
# Nobody waits as long as this: it ends a test that would hang.
HANGS = 60


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


class Counted:
    """Numbers without end that count how many were made, and can be waited for."""

    def __init__(self) -> None:
        self.made = 0
        self._more = threading.Semaphore(0)

    def __iter__(self) -> Iterator[int]:
        for self.made in count(1):
            self._more.release()
            yield self.made

    def wait(self, number: int) -> None:
        for _ in range(number):
            assert self._more.acquire(timeout=HANGS)


def test_items_arrive_in_order_and_the_end_repeats() -> None:
    with closing(Pipe[int](LIMIT)) as pipe:
        pipe.feed(range(1000), name="counting")
        assert list(pipe) == list(range(1000))
        assert [pipe.take(), pipe.take(HANGS)] == [None, None]


def test_error_arrives_after_earlier_items_and_repeats() -> None:
    def items() -> Iterator[int]:
        yield from range(10)
        raise KeyError("reason")

    with closing(Pipe[int](LIMIT)) as pipe:
        pipe.feed(items(), name="failing")
        assert [pipe.take() for _ in range(10)] == list(range(10))
        for _ in range(2):
            with pytest.raises(KeyError, match="reason"):
                pipe.take(HANGS)


def test_slow_consumer_limits_the_items_made() -> None:
    numbers = Counted()
    with closing(Pipe[int](LIMIT)) as pipe:
        pipe.feed(numbers, name="counting")
        for taken in range(1, 20):
            assert pipe.take() == taken
        numbers.wait(19 + LIMIT + 1)
    assert numbers.made == 19 + LIMIT + 1, "those that wait, and the one that has no room yet"


def test_consumer_waits_for_a_slow_producer() -> None:
    goes_on = threading.Semaphore(0)

    def items() -> Iterator[int]:
        for number in range(3):
            assert goes_on.acquire(timeout=HANGS)
            yield number

    with closing(Pipe[int](LIMIT)) as pipe:
        pipe.feed(items(), name="slow")
        for number in range(3):
            with pytest.raises(TimedOut):
                pipe.take(0)
            goes_on.release()
            assert pipe.take(HANGS) == number
        assert pipe.take() is None


def test_put_waits_for_room_up_to_its_timeout() -> None:
    pipe = Pipe[int](LIMIT)
    for number in range(LIMIT):
        pipe.put(number)
    with pytest.raises(TimedOut):
        pipe.put(LIMIT, 0)
    assert pipe.take() == 0
    pipe.put(LIMIT, 0)
    pipe.finish()
    assert list(pipe) == [1, 2, 3]


def test_close_ends_a_producer_that_waits_for_room() -> None:
    ended: list[type[BaseException]] = []
    numbers = Counted()
    pipe = Pipe[int](LIMIT)

    def produce() -> None:
        try:
            for number in numbers:
                pipe.put(number)
        except Closed as error:
            ended.append(type(error))
            raise

    with closing(pipe):
        pipe.run(produce, name="counting")
        numbers.wait(LIMIT + 1)
    assert ended == [Closed]
    assert pipe.take() is None, "what was not taken is gone"
    with pytest.raises(Closed):
        pipe.put(1)


def test_close_waits_no_longer_than_it_is_told_for_a_producer_that_stands() -> None:
    stands, goes_on = threading.Event(), threading.Event()

    def produce() -> None:
        stands.set()
        goes_on.wait(20)

    pipe: Pipe[int] = Pipe(1)
    pipe.run(produce, name="stands")
    assert stands.wait(20)
    pipe.close(wait=0.01)
    assert not goes_on.is_set()
    goes_on.set()
    pipe.close()


def test_close_ends_a_consumer_that_waits_for_an_item() -> None:
    requests = Pipe[int](LIMIT)
    seen = Pipe[int](LIMIT)

    def take() -> None:
        for number in requests:
            seen.put(number)

    with closing(seen):
        seen.run(take, name="taking")
        requests.put(1)
        assert seen.take(HANGS) == 1
        requests.close()
        assert seen.take(HANGS) is None


def test_failing_consumer_ends_the_producer() -> None:
    numbers = Counted()

    def take() -> None:
        with closing(Pipe[int](LIMIT)) as pipe:
            pipe.feed(numbers, name="counting")
            for number in pipe:
                1 / (number - 10)

    with pytest.raises(ZeroDivisionError):
        take()
    assert 10 <= numbers.made <= 10 + LIMIT + 1


def test_pipe_ends_with_its_last_producer() -> None:
    goes_on = threading.Semaphore(0)

    def slow(number: int) -> Iterator[int]:
        assert goes_on.acquire(timeout=HANGS)
        yield number

    with closing(Pipe[int](LIMIT)) as pipe:
        pipe.feed(slow(2), name="second")
        pipe.feed([1], name="first")
        assert pipe.take() == 1
        goes_on.release()
        assert list(pipe) == [2]
        pipe.feed(slow(3), name="third")
        with pytest.raises(TimedOut):
            pipe.take(0)
        goes_on.release()
        assert list(pipe) == [3], "one that begins later is waited for, too"


def test_failure_of_one_producer_ends_the_others() -> None:
    def failing() -> Iterator[int]:
        raise KeyError("reason")
        yield 0

    numbers = Counted()
    with closing(Pipe[int](LIMIT)) as pipe:
        pipe.feed(numbers, name="counting")
        pipe.feed(failing(), name="failing")
        with pytest.raises(KeyError, match="reason"):
            list(pipe)
        goes_on = threading.Semaphore(0)
        pipe.run(partial(goes_on.acquire, timeout=HANGS), name="later")
        with pytest.raises(KeyError, match="reason"):
            pipe.take(0)
        goes_on.release()


def test_unused_pipe_can_be_closed() -> None:
    pipe = Pipe[int](LIMIT)
    pipe.close()
    pipe.close()
    with pytest.raises(Closed):
        pipe.put(1)


def test_many_producers_lose_no_item() -> None:
    with closing(Pipe[int](1)) as pipe:
        for begin in range(8):
            pipe.run(partial(put_all, pipe, range(begin, 800, 8)), name="counting")
        assert sorted(pipe) == list(range(800))


def put_all(pipe: Pipe[int], numbers: range) -> None:
    for number in numbers:
        pipe.put(number)


def test_producer_that_does_not_start_ends_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = RuntimeError("can't start new thread")
    monkeypatch.setattr(threading.Thread, "start", raising(refused))
    pipe: Pipe[int] = Pipe(LIMIT)
    with pytest.raises(RuntimeError, match="start new thread"), closing(pipe):
        pipe.feed([1], name="none")
    with pytest.raises(Closed):
        pipe.put(1)
