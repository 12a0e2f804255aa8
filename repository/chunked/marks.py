"""Marks of running writers and prunes. A prune deletes nothing that a writer older than the condemnation may name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from repository.chunked.objects import MARKS, Objects, id_new
from repository.errors import ObjectDamaged, Overtaken
from repository.storage import ObjectNotFound, StorageError

# A writer gives up long before others consider it dead, so that clocks may differ by hours.
LIFE = timedelta(hours=48)
WRITER_SECONDS_MAX = 24 * 3600


class MarkKind(StrEnum):
    """The kind of process that set a mark."""

    SNAPSHOT = "snapshot"
    PRUNE = "prune"


@dataclass(frozen=True, slots=True)
class FoundMark:
    """A mark in storage."""

    name: bytes
    kind: MarkKind
    at: datetime


class Mark:
    """This process's own mark."""

    def __init__(self, objects: Objects, name: bytes) -> None:
        self.name = name
        self._objects = objects
        self._began = time.monotonic()

    def check(self) -> None:
        """Raise `Overtaken` when the mark is gone, or so old that another process may remove it."""
        try:
            self._objects.storage.size(self._objects.path(MARKS, self.name))
        except ObjectNotFound:
            raise Overtaken("the writer was considered dead") from None
        if time.monotonic() - self._began > WRITER_SECONDS_MAX:
            raise Overtaken("the writer took more than a day")


@contextmanager
def mark_set(objects: Objects, *, kind: MarkKind, at: str) -> Iterator[Mark]:
    """Keep a mark in storage for the length of the block. If it cannot be removed, it expires."""
    name = id_new()
    try:
        objects.put_map(MARKS, name, {"kind": kind.value, "at": at})
        yield Mark(objects, name)
    finally:
        _mark_remove(objects, name)


def _mark_remove(objects: Objects, name: bytes) -> None:
    """Remove a mark. A cancelled writer's storage refuses calls, so retry: a leftover mark stops prunes for days."""
    try:
        with suppress(StorageError):
            objects.delete(MARKS, name)
    except Exception:  # noqa: BLE001  # the cancellation, which may also arrive only now
        with suppress(StorageError):
            objects.storage.discard(objects.path(MARKS, name))


def marks_list(objects: Objects) -> Iterator[FoundMark]:
    """Every mark; an incomplete listing raises."""
    for name, _ in objects.list(MARKS):
        try:
            found = objects.get_map(MARKS, name)
        except ObjectNotFound:
            continue
        try:
            yield FoundMark(name, MarkKind(found["kind"]), datetime.fromisoformat(found["at"]))
        except (KeyError, ValueError, TypeError):
            raise ObjectDamaged(f"{MARKS.key(name)} has invalid content") from None
