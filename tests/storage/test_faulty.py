"""The wrapper with scripted failures, on which other tests build."""

from __future__ import annotations

import pytest

from repository.storage import StorageFull, StorageUnavailable
from tests.storage.memory import FaultyStorage, MemoryStorage

CALLS = ["writer", "write", "commit", "read", "piece", "piece", "size", "list", "entry", "entry", "delete", "sweep"]


def use(storage: FaultyStorage) -> None:
    with storage.writer("key", expected_size=4) as writer:
        writer.write(b"data")
        writer.commit()
    assert b"".join(storage.read("key")) == b"data"
    assert storage.size("key") == 4
    assert [info.key for info in storage.list("")] == ["key"]
    storage.delete("key")
    assert storage.partials_sweep(older_than_seconds=0) == 0


def test_without_a_fault_every_call_is_passed_on_and_named() -> None:
    storage = FaultyStorage(MemoryStorage(), at=0)
    use(storage)
    assert storage.calls == CALLS


@pytest.mark.parametrize("at", range(1, len(CALLS) + 1))
def test_the_call_that_was_chosen_fails_and_nothing_else(at: int) -> None:
    inner = MemoryStorage()
    storage = FaultyStorage(inner, at=at, error=StorageFull)
    with pytest.raises(StorageFull, match=f"call {at}, {CALLS[at - 1]}"):
        use(storage)
    assert storage.calls == CALLS[:at]
    assert list(inner.objects) == (["key"] if 3 < at < 12 else [])
    inner.objects.clear()
    use(storage)


def test_a_fault_for_ever_does_not_pass() -> None:
    storage = FaultyStorage(MemoryStorage(), at=2, fault="forever")
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            use(storage)
    assert storage.calls == ["writer", "write", "writer"]


@pytest.mark.parametrize(("at", "left"), [(3, ["key"]), (11, [])])
def test_a_lost_reply_comes_after_the_deed(at: int, left: list[str]) -> None:
    inner = MemoryStorage()
    with pytest.raises(StorageUnavailable, match="lost"):
        use(FaultyStorage(inner, at=at, fault="reply_lost"))
    assert list(inner.objects) == left
