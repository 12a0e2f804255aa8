"""A repository can be created once, even by two concurrent creators."""

from __future__ import annotations

import threading
from uuid import uuid4

from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.repository import Repository, repository_create, repository_open
from repository.errors import RepositoryExists
from tests.storage.memory import MemoryStorage

KEY = DataKey(bytes(range(32)))


class TogetherStorage(MemoryStorage):
    """Shows both creators an empty storage before either has written."""

    def __init__(self) -> None:
        super().__init__()
        self.both = threading.Barrier(2, timeout=30)

    def list(self, prefix):
        found = list(super().list(prefix))
        self.both.wait()
        return iter(found)


def test_one_of_two_concurrent_creations_is_refused():
    storage, tenant, repository = TogetherStorage(), uuid4(), uuid4()
    made: list[Repository] = []
    refused: list[RepositoryExists] = []

    def create() -> None:
        try:
            made.append(repository_create(storage, tenant=tenant, repository=repository, keys=KEY))
        except RepositoryExists as error:
            refused.append(error)

    creators = [threading.Thread(target=create) for _ in range(2)]
    for creator in creators:
        creator.start()
    for creator in creators:
        creator.join()
    assert (len(made), len(refused)) == (1, 1)
    assert len(storage.objects) == 1
    storage.both = threading.Barrier(1)
    opened = repository_open(storage, tenant=tenant, repository=repository, keys=KEY)
    assert opened.keys == made[0].keys
