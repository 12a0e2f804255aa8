"""Rotation of a repository's key: after a failure at any call either key opens it, and a second call completes."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from uuid import UUID

import pytest

from repository.chunked.chunks.repository_keys import DataKey, RepositoryKeys
from repository.chunked.objects import KEYS, prefix_of
from repository.chunked.repository import Repository, repository_create, repository_keys_rotate, repository_open
from repository.errors import ObjectDamaged, RepositoryError, RepositoryKeyWrong
from repository.retrying import Retry, RetryingStorage
from repository.sealing.frames import SealContext
from repository.storage import Storage, StorageDenied, StorageError, StorageUnavailable
from tests.storage.memory import Fault, FaultyStorage, MemoryStorage

TENANT, REPOSITORY = UUID(int=1), UUID(int=2)
OLD, NEW, OTHER = (DataKey(bytes(range(first, first + 32))) for first in range(3))
PREFIX = prefix_of(TENANT, REPOSITORY)
SNAPSHOT = PREFIX + "snapshots/" + "0" * 32


def pause(seconds: float) -> None:
    """Retry without a pause."""


def opened(storage: Storage, key: DataKey) -> Repository:
    return repository_open(storage, tenant=TENANT, repository=REPOSITORY, keys=key)


def rotate(storage: Storage, old: DataKey = OLD, new: DataKey = NEW) -> None:
    retrying = RetryingStorage(storage, Retry(sleep=pause))
    repository_keys_rotate(retrying, tenant=TENANT, repository=REPOSITORY, old=old, new=new)


def opens(storage: Storage, key: DataKey, expected: bytes) -> bool:
    """Whether that key opens the repository; asserts that the repository key is the expected one."""
    try:
        found = opened(storage, key).keys.key
    except RepositoryKeyWrong:
        return False
    assert found == expected
    return True


@pytest.fixture
def made() -> tuple[MemoryStorage, bytes]:
    """A repository with two wraps under the old key, as after an interrupted rotation, and its key."""
    storage = MemoryStorage()
    keys = repository_create(storage, tenant=TENANT, repository=REPOSITORY, keys=OLD).keys
    storage.objects[PREFIX + KEYS.key(bytes(16))] = wrapped(keys, OLD, KEYS.key(bytes(16)))
    storage.objects[SNAPSHOT] = b"not to be touched"
    return storage, keys.key


def wrapped(keys: RepositoryKeys, key: DataKey, name: str) -> bytes:
    return key.wrap(keys.encoded(), context=SealContext(TENANT, REPOSITORY, KEYS.kind, name))


def test_the_old_wraps_are_gone_and_nothing_else_is_touched(made: tuple[MemoryStorage, bytes]) -> None:
    storage, key = made
    before = set(storage.objects)
    rotate(storage)
    assert opens(storage, NEW, key)
    assert not opens(storage, OLD, key)
    assert before & set(storage.objects) == {SNAPSHOT}
    assert len(storage.objects) == 2


def test_rotating_to_the_same_key_is_a_rotation(made: tuple[MemoryStorage, bytes]) -> None:
    storage, key = made
    before = set(storage.objects)
    rotate(storage, OLD, OLD)
    assert opens(storage, OLD, key)
    assert before & set(storage.objects) == {SNAPSHOT}


def test_without_either_key_nothing_is_changed(made: tuple[MemoryStorage, bytes]) -> None:
    storage, _ = made
    before = dict(storage.objects)
    with pytest.raises(RepositoryKeyWrong):
        rotate(storage, OTHER, NEW)
    assert storage.objects == before


@pytest.mark.parametrize("error", [StorageUnavailable, StorageDenied])
@pytest.mark.parametrize("fault", ["once", "forever", "reply_lost"])
def test_failure_at_any_call_leaves_a_valid_key_and_a_retry_completes(
    made: tuple[MemoryStorage, bytes], fault: Fault, error: type[StorageError]
) -> None:
    storage, key = made
    base = dict(storage.objects)
    rotate(counted := FaultyStorage(storage, at=0))
    assert counted.calls.count("delete") == 2
    failed = 0
    for at in range(1, len(counted.calls) + 1):
        storage.objects = dict(base)
        try:
            rotate(FaultyStorage(storage, at=at, fault=fault, error=error))
        except (StorageError, RepositoryError):
            failed += 1
            assert opens(storage, OLD, key) | opens(storage, NEW, key)
        rotate(storage)
        assert opens(storage, NEW, key)
        assert not opens(storage, OLD, key)
        assert not storage.objects.keys() & (base.keys() - {SNAPSHOT})
        assert len(storage.objects) == 2
    if (fault, error) in {("forever", StorageUnavailable), ("forever", StorageDenied), ("once", StorageDenied)}:
        assert failed == len(counted.calls)


class Spoiling(MemoryStorage):
    """Stores other bytes than given, or none."""

    def __init__(self, objects: dict[str, bytes], spoil: Callable[[str, bytes], bytes | None]) -> None:
        super().__init__()
        self.objects = dict(objects)
        self._spoil = spoil

    def _put(self, key: str, data: bytes) -> None:
        spoiled = self._spoil(key, data)
        if spoiled is not None:
            super()._put(key, spoiled)


def of_another_release(stored: bytes) -> bytes:
    start = stored[:8] + b"\x09" + stored[9:64]
    return start + sha256(start).digest()[:8] + stored[72:]


def of_another_repository(key: str) -> bytes:
    keys = repository_create(MemoryStorage(), tenant=TENANT, repository=REPOSITORY, keys=NEW).keys
    return wrapped(keys, NEW, key.removeprefix(PREFIX))


SPOILED: dict[str, Callable[[str, bytes], bytes | None]] = {
    "flipped": lambda key, data: data[:-1] + bytes([data[-1] ^ 1]),
    "cut short": lambda key, data: data[:-1],
    "empty": lambda key, data: b"",
    "not there": lambda key, data: None,
    "of another release": lambda key, data: of_another_release(data),
    "sealed with another key": lambda key, data: OTHER.wrap(
        b"{}", context=SealContext(TENANT, REPOSITORY, KEYS.kind, key.removeprefix(PREFIX))
    ),
    "no key in it": lambda key, data: NEW.wrap(
        b"{}", context=SealContext(TENANT, REPOSITORY, KEYS.kind, key.removeprefix(PREFIX))
    ),
    "another repository's key": lambda key, data: of_another_repository(key),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_new_wrap_that_does_not_read_back_leaves_the_old_ones(
    made: tuple[MemoryStorage, bytes], spoil: Callable[[str, bytes], bytes | None]
) -> None:
    storage, key = made
    spoiling = Spoiling(storage.objects, spoil)
    with pytest.raises(ObjectDamaged, match="does not read back"):
        rotate(spoiling)
    assert storage.objects.items() <= spoiling.objects.items()
    assert opens(spoiling, OLD, key)
    storage.objects = spoiling.objects
    rotate(storage)  # leftovers are no obstacle
    assert opens(storage, NEW, key)
    assert len(storage.objects) == 2
