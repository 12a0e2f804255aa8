"""The retrying storage: the calls it repeats, its pauses, and the errors it never retries."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from repository.retrying import HELD_SIZE_MAX, ONCE, Retry, RetryingStorage
from repository.storage import (
    ObjectExists,
    ObjectInfo,
    ObjectNotFound,
    ObjectWriter,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
)
from tests.storage.memory import Fault, FaultyStorage, MemoryStorage

MIB = 1 << 20
CONTENT = bytes(range(256)) * 9216  # three pieces of a read
PAUSES = [0.2, 0.4, 0.5, 0.3, 0.5, 0.5, 0.5, 0.1, *[0.5] * 6, 0.2]
"""Five pauses from 200 ms, doubling, none longer than half a second at a time."""
CALLS = [
    *("writer", "write", "write", "commit", "writer", "write", "commit", "read", "piece", "piece", "piece", "piece"),
    *("read", "piece", "piece", "size", "list", "entry", "entry", "entry", "delete", "sweep"),
]


class Cancelled(Exception):
    """Raised by a checkpoint."""


class Clock:
    """A clock that advances only by the storage's sleeps; a checkpoint raises at `cancel_at`, if given."""

    def __init__(self, cancel_at: float | None = None) -> None:
        self.pauses: list[float] = []
        self.cancel_at = cancel_at

    @property
    def now(self) -> float:
        return sum(self.pauses)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def retry(self, jitter: float = 0.5) -> Retry:
        return Retry(sleep=self.sleep, jitter=lambda: jitter, checkpoint=self.checkpoint)

    def checkpoint(self) -> None:
        if self.cancel_at is not None and self.now >= self.cancel_at:
            raise Cancelled


class Beside(MemoryStorage):
    """A storage that records the buffers it was given to write."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[object] = []

    @contextmanager
    def writer(self, key: str, *, expected_size: int) -> Iterator[ObjectWriter]:
        with super().writer(key, expected_size=expected_size) as writer:
            write = writer.write
            writer.write = lambda data: (self.given.append(data), write(data))  # type: ignore[method-assign]
            yield writer


def retrying(
    *,
    at: int,
    fault: Fault = "once",
    error: type[BaseException] = StorageUnavailable,
    inner: MemoryStorage | None = None,
    clock: Clock | None = None,
    jitter: float = 0.5,
) -> tuple[RetryingStorage, FaultyStorage, Clock]:
    clock = clock or Clock()
    faulty = FaultyStorage(inner or MemoryStorage(), at=at, fault=fault, error=error)
    storage = RetryingStorage(faulty, clock.retry(jitter))
    return storage, faulty, clock


def use(storage: RetryingStorage) -> None:
    storage.put("a/put", [b"one", memoryview(b"two")])
    with storage.writer("a/written", expected_size=len(CONTENT)) as writer:
        writer.write(CONTENT[:10])
        writer.write(CONTENT[10:])
        writer.commit()
    assert [len(piece) for piece in storage.read("a/written")] == [MIB, MIB, len(CONTENT) - 2 * MIB]
    assert storage.get("a/put", 1, 5) == b"netw"
    assert storage.size("a/written") == len(CONTENT)
    assert list(storage.list("a/")) == [ObjectInfo("a/put", 6), ObjectInfo("a/written", len(CONTENT))]
    storage.delete("a/put")
    assert storage.partials_sweep(older_than_seconds=0) == 0


def test_without_a_fault_every_call_is_made_once() -> None:
    storage, faulty, clock = retrying(at=0)
    use(storage)
    assert faulty.calls == CALLS
    assert clock.pauses == []


@pytest.mark.parametrize("fault", ["once", "reply_lost"])
@pytest.mark.parametrize("at", range(1, len(CALLS) + 1))
def test_one_failure_at_any_call_is_retried_successfully(at: int, fault: Fault) -> None:
    inner = MemoryStorage()
    storage, faulty, clock = retrying(at=at, fault=fault, inner=inner)
    use(storage)
    assert inner.objects == {"a/written": CONTENT}
    assert clock.pauses == PAUSES[:1]
    assert len(faulty.calls) > len(CALLS)


@pytest.mark.parametrize("at", range(1, len(CALLS) + 1))
def test_permanent_failure_at_any_call_is_raised_after_five_retries(at: int) -> None:
    storage, faulty, clock = retrying(at=at, fault="forever")
    with pytest.raises(StorageUnavailable, match="scripted"):
        use(storage)
    assert clock.pauses == pytest.approx(PAUSES)
    assert len(faulty.calls) == at + 5


@pytest.mark.parametrize("error", [StorageFull, StorageDenied, ObjectNotFound, StorageError, RuntimeError])
@pytest.mark.parametrize("at", range(1, len(CALLS) + 1))
def test_final_error_is_raised_at_once(at: int, error: type[Exception]) -> None:
    storage, faulty, clock = retrying(at=at, error=error)
    with pytest.raises(error, match=f"scripted: call {at}"):
        use(storage)
    assert faulty.calls == CALLS[:at]
    assert clock.pauses == []


@pytest.mark.parametrize(("jitter", "first", "total"), [(0.0, 0.1, 3.1), (1.0, 0.3, 9.3)])
def test_a_pause_is_up_to_half_shorter_or_longer(jitter: float, first: float, total: float) -> None:
    storage, _, clock = retrying(at=1, fault="forever", jitter=jitter)
    with pytest.raises(StorageUnavailable):
        storage.size("key")
    assert clock.pauses[0] == pytest.approx(first)
    assert clock.now == pytest.approx(total)


def test_a_read_that_gets_on_has_all_its_tries_again() -> None:
    class Stumbling(MemoryStorage):
        def read(self, key: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
            starts.append(start)
            pieces = super().read(key, start=start, stop=stop)
            if len(starts) % 5:
                raise StorageUnavailable("not this time")
            yield next(pieces)
            if start + MIB < (stop or 0):
                raise StorageUnavailable("not all of it")

    starts: list[int] = []
    inner, clock = Stumbling(), Clock()
    inner.objects["key"] = CONTENT
    storage = RetryingStorage(inner, clock.retry())
    assert b"".join(storage.read("key", start=5, stop=len(CONTENT) - 5)) == CONTENT[5:-5]
    assert starts == [*[5] * 5, *[5 + MIB] * 5, *[5 + 2 * MIB] * 5]
    assert clock.pauses[:9] == pytest.approx([*PAUSES[:8], 0.2])


@pytest.mark.parametrize("cancel_at", [0.1, 0.5, 1.0, 2.0, 3.2, 6.1])
@pytest.mark.parametrize(
    "call",
    [
        lambda storage: storage.size("key"),
        lambda storage: storage.put("key", [b"data"]),
        lambda storage: storage.get("key"),
        lambda storage: list(storage.list("")),
    ],
)
def test_a_cancel_is_heard_within_a_second(call: Callable[[RetryingStorage], object], cancel_at: float) -> None:
    clock = Clock(cancel_at)
    storage, _, _ = retrying(at=1, fault="forever", clock=clock)
    with pytest.raises(Cancelled):
        call(storage)
    assert cancel_at <= clock.now <= cancel_at + 1


def test_cancelled_caller_makes_no_call() -> None:
    storage, faulty, _ = retrying(at=0, clock=Clock(cancel_at=0))
    for call in (lambda: use(storage), lambda: storage.get("key"), lambda: list(storage.list(""))):
        with pytest.raises(Cancelled):
            call()
    assert faulty.calls == []


def test_a_long_list_can_be_cancelled() -> None:
    clock, inner = Clock(), MemoryStorage()
    inner.objects = {f"key{number}": b"" for number in range(2500)}
    storage, faulty, _ = retrying(at=0, inner=inner, clock=clock)
    found = storage.list("")
    call = faulty.call

    def cancelled_on_the_way(name, action):  # type: ignore[no-untyped-def]
        if len(faulty.calls) == 1200:
            clock.cancel_at = 0
        return call(name, action)

    faulty.call = cancelled_on_the_way  # type: ignore[method-assign]
    with pytest.raises(Cancelled):
        next(found)
    assert 1200 <= len(faulty.calls) < 2100


@pytest.mark.parametrize("other", [b"other", b"data and more", b""])
def test_key_taken_by_another_writer_meanwhile_is_taken(other: bytes) -> None:
    class Overtaken(Clock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            inner.objects["key"] = other

    inner = MemoryStorage()
    storage, _, clock = retrying(at=3, inner=inner, clock=Overtaken())
    with pytest.raises(ObjectExists):
        storage.put("key", [b"da", b"ta!"])
    assert clock.pauses == PAUSES[:1]
    assert inner.objects == {"key": other}


def test_a_taken_key_is_no_success_though_it_holds_the_same() -> None:
    inner = MemoryStorage()
    inner.objects["key"] = b"data"
    storage, faulty, _ = retrying(at=0, inner=inner)
    with pytest.raises(ObjectExists):
        storage.put("key", [b"data"])
    assert faulty.calls == ["writer", "write", "commit"]


def test_unreadable_object_is_not_taken_for_a_successful_write() -> None:
    storage, faulty, _ = retrying(at=3, fault="reply_lost")
    call = faulty.call

    def unreadable(name, action):  # type: ignore[no-untyped-def]
        if name == "piece":
            raise StorageUnavailable("unreadable")
        return call(name, action)

    faulty.call = unreadable  # type: ignore[method-assign]
    with pytest.raises(StorageUnavailable, match="unreadable"):
        storage.put("key", [b"data"])


def test_buffers_are_stored_as_they_are() -> None:
    inner = Beside()
    with mmap.mmap(-1, MIB) as buffer:
        with memoryview(buffer) as whole, whole[:5] as part:
            RetryingStorage(inner).put("key", [b"1", part])
            assert [memoryview(data).obj for data in inner.given] == [b"1", buffer]
            inner.given.clear()
        assert inner.objects == {"key": b"1" + bytes(5)}


@pytest.mark.parametrize("expected_size", [0, 5, HELD_SIZE_MAX, HELD_SIZE_MAX + 2])
def test_object_too_large_to_hold_is_streamed(expected_size: int) -> None:
    inner = MemoryStorage()
    storage, faulty, _ = retrying(at=0, inner=inner)
    with storage.writer("key", expected_size=expected_size) as writer:
        writer.write(bytes(HELD_SIZE_MAX))
        assert faulty.calls == ([] if expected_size <= HELD_SIZE_MAX else ["writer", "write"])
        writer.write(b"1")
        writer.write(b"2")
        assert faulty.calls == ["writer", *["write"] * 3]
        writer.commit()
        with pytest.raises(ValueError, match="committed"):
            writer.write(b"3")
    assert inner.objects == {"key": bytes(HELD_SIZE_MAX) + b"12"}


@pytest.mark.parametrize("expected_size", [0, HELD_SIZE_MAX + 1])
def test_streamed_object_retries_only_its_opening(expected_size: int) -> None:
    for at, calls in ((1, 5), (2, 2), (4, 4)):
        storage, faulty, clock = retrying(at=at)
        with suppress(StorageUnavailable), storage.writer("key", expected_size=expected_size) as writer:
            for _ in range(2):
                writer.write(bytes(HELD_SIZE_MAX))
            writer.commit()
        assert (len(faulty.calls), clock.pauses) == (calls, PAUSES[:1] if at == 1 else [])


def test_nested_policies_do_not_multiply() -> None:
    clock, faulty = Clock(), FaultyStorage(MemoryStorage(), at=1, fault="forever")
    inner = RetryingStorage(faulty, clock.retry())
    storage = RetryingStorage(RetryingStorage(inner, ONCE), clock.retry())
    for call in (lambda: storage.size("key"), lambda: storage.put("key", [b"1"]), lambda: list(storage.read("key"))):
        faulty.calls.clear()
        faulty.calls.append("one before")
        with pytest.raises(StorageUnavailable) as caught:
            call()
        assert caught.value.given_up
        assert len(faulty.calls) == 1 + 6


def test_single_attempt_below_a_policy_is_retried_by_it() -> None:
    faulty = FaultyStorage(MemoryStorage(), at=1, fault="forever")
    storage = RetryingStorage(RetryingStorage(faulty, ONCE), Clock().retry())
    with pytest.raises(StorageUnavailable):
        storage.delete("key")
    assert len(faulty.calls) == 6


@pytest.mark.parametrize(("asked", "pause"), [(0.0, 0.2), (0.1, 0.2), (3.0, 3.0), (120.0, 8.0)])
def test_pause_is_as_long_as_the_target_asks(asked: float, pause: float) -> None:
    def busy() -> None:
        if clock.pauses:
            return
        error = StorageUnavailable("busy")
        error.after_seconds = asked
        raise error

    clock = Clock()
    clock.retry().call("size", busy)
    assert clock.now == pytest.approx(pause)


def test_long_list_is_held_only_at_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repository.retrying.HELD_ENTRIES_MAX", 3)
    inner = MemoryStorage()
    inner.objects = {f"key{number}": b"" for number in range(5)}
    storage, faulty, _ = retrying(at=4, inner=inner)
    found = storage.list("")
    assert next(found).key == "key0"
    assert faulty.calls == [*["list", "entry", "entry", "entry"] * 2]
    assert [entry.key for entry in found] == [f"key{number}" for number in range(1, 5)]
    storage, _, clock = retrying(at=5, inner=inner)
    with pytest.raises(StorageUnavailable):
        list(storage.list(""))
    assert clock.pauses == []
