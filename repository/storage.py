"""The protocol of all storage targets, and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class StorageError(Exception):
    """Base of every storage failure.

    retryable: the same call may succeed later. after_seconds: the shortest pause before it that the target asks for.
    given_up: the request has had all its attempts, so no caller retries it.
    """

    retryable = False
    after_seconds = 0.0
    given_up = False


class ObjectNotFound(StorageError):
    """There is no object with that key."""


class ObjectUnreadable(StorageError):
    """The target is reachable, but cannot read these bytes of the object: a bad sector."""


class ObjectExists(StorageError):
    """The key is taken: keys are never reused."""


class StorageFull(StorageError):
    """The target has no room left."""


class StorageDenied(StorageError):
    """The target refused the credentials, or the bucket or folder does not exist."""


class StorageUnsupported(StorageError):
    """The target does not support this call; other calls work."""


class StorageUnavailable(StorageError):
    """The target could not be reached, or reported a temporary error."""

    retryable = True


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One listed object: its key and its size in bytes."""

    key: str
    size: int


class ObjectWriter(Protocol):
    """An object being written; its key is not listed before `commit` returns."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; the buffer may be reused as soon as this returns."""

    def commit(self) -> None:
        """Make the object appear whole and durable, or raise `ObjectExists` when its key is taken."""


class Reads(Protocol):
    """A place whose objects can be read."""

    def read(self, key: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop` (or the end) in pieces of at most 4 MiB.

        Raises `ObjectNotFound`, `ObjectUnreadable`.
        """


class Storage(Reads, Protocol):
    """A place for objects. Keys are relative paths of `[A-Za-z0-9._-]` segments. Every call may raise StorageError.

    A storage itself retries no call: `repository.retrying.RetryingStorage` does.
    """

    def writer(self, key: str, *, expected_size: int) -> AbstractContextManager[ObjectWriter]:
        """Open a new object of about `expected_size` bytes; leaving the block without `commit` leaves nothing."""

    def size(self, key: str) -> int:
        """The object's size in bytes; raises `ObjectNotFound`."""

    def delete(self, key: str) -> None:
        """Remove the object; a missing object is no error."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object whose key begins with `prefix`; raises rather than ending early."""

    def partials_sweep(self, *, older_than_seconds: float) -> int:
        """Remove partial objects of dead writers that are older; return their number."""
