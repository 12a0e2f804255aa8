"""Damaged copies of chunks: recorded in the repository, so that no new snapshot relies on them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress

from repository.chunked.objects import DAMAGED, ID_SIZE, PACKS, Objects, id_new
from repository.errors import ObjectDamaged, RepositoryUnknown
from repository.storage import ObjectNotFound, StorageError

log = logging.getLogger(__name__)

COPY_SIZE = ID_SIZE + 32
# 4.8 MB of record: small enough for several copies in memory while one is sealed.
COPIES_PER_OBJECT = 100_000

Copy = bytes
"""A copy of a chunk: the id of its pack, then that of the chunk."""


def damaged_copies(objects: Objects) -> set[Copy]:
    """Every recorded copy. A record that does not open is ignored: its damage will be found again.

    Raises `StorageError`.
    """
    return {copy for _, copies in _records(objects) for copy in copies}


def damage_consolidate(objects: Objects) -> None:
    """Merge the records, without the copies in deleted packs. The caller needs `alone`. Raises `StorageError`."""
    records = dict(_records(objects))
    if not records:
        return
    # List packs after the records are read: a pack that is missing now never comes back.
    there = {pack for pack, _ in objects.list(PACKS)}
    known = set().union(*records.values())
    kept = {copy for copy in known if copy[:ID_SIZE] in there}
    if len(records) == -(-len(known) // COPIES_PER_OBJECT) and kept == known:
        return
    _write(objects, kept)
    for name in records:
        objects.delete(DAMAGED, name)


class DamageLedger:
    """Records copies that do not open; thread-safe.

    The first copy is recorded at once, later ones in batches that grow, so that a lost disk does not cause one object
    for each chunk. If the storage refuses a record, reading goes on: the same damage will be found again. Without
    `is_kept`, for a tool that only reads, nothing is recorded.
    """

    def __init__(self, objects: Objects, *, is_kept: bool = True) -> None:
        self._objects = objects
        self._is_kept = is_kept
        self._noted: set[Copy] = set()
        self._pending: set[Copy] = set()
        self._lock = threading.Lock()

    def note(self, chunk: bytes, pack: bytes) -> None:
        """Note that the copy of a chunk in that pack does not open."""
        copy = pack + chunk
        with self._lock:
            if not self._is_kept or copy in self._noted:
                return
            self._pending.add(copy)
            self._noted.add(copy)
            if len(self._pending) * 2 > len(self._noted):
                self._record()

    def settle(self) -> None:
        """Record all copies noted so far."""
        with self._lock:
            if self._pending:
                self._record()

    def _record(self) -> None:
        objects = self._objects
        copies, self._pending = self._pending, set()
        try:
            # A deleted pack needs no record: writers see that it is not listed.
            gone = {pack for pack in {copy[:ID_SIZE] for copy in copies} if not _is_there(objects, pack)}
            _write(objects, {copy for copy in copies if copy[:ID_SIZE] not in gone} - damaged_copies(objects))
        except StorageError as error:
            log.warning("Damage was found and could not be recorded; the next verification finds it again: %s.", error)


def _is_there(objects: Objects, pack: bytes) -> bool:
    try:
        objects.storage.size(objects.path(PACKS, pack))
    except ObjectNotFound:
        return False
    return True


def _records(objects: Objects) -> Iterator[tuple[bytes, set[Copy]]]:
    for name, _ in objects.list(DAMAGED):
        with suppress(ObjectNotFound, ObjectDamaged, RepositoryUnknown):
            copies = objects.get_map(DAMAGED, name).get("copies")
            if isinstance(copies, bytes):
                yield name, {copies[at : at + COPY_SIZE] for at in range(0, len(copies), COPY_SIZE)}


def _write(objects: Objects, copies: Iterable[Copy]) -> None:
    ordered = sorted(copies)
    for at in range(0, len(ordered), COPIES_PER_OBJECT):
        objects.put_map(DAMAGED, id_new(), {"copies": b"".join(ordered[at : at + COPIES_PER_OBJECT])})
