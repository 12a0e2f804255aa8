"""The sector map: what a local folder remembers of the sectors of its in-place files from one snapshot to the next."""

from __future__ import annotations

import logging
import secrets
import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import RLock
from typing import Final, TypeVar

from blake3 import blake3

from trees.sectors.store import (
    OPENED,
    SECRET_SIZE,
    SectorStore,
    StagedRow,
    StoreDamaged,
    StoreTaken,
    is_damage,
    store_remove,
)
from trees.sectors.tags import SLICE_TAGS_SIZE, TAG_SIZE, TAGGER_KEY_SIZE, FileTags, SectorTagger

# Rows wait in memory until so many, or so many bytes of tags, are written in one transaction.
_ROWS_A_WRITE: Final = 2000
_BYTES_A_WRITE: Final = 4 << 20
_KEYS_A_PAGE: Final = 1000

_FAILURES: Final = (sqlite3.Error, OSError, StoreTaken, StoreDamaged)

_Answer = TypeVar("_Answer")
_log = logging.getLogger(__name__)


class SectorMap:
    """A local file with one tag for each sector of the in-place files, as they were in one snapshot.

    It only ever saves work. A map that describes another snapshot than the parent, that is damaged, locked or
    cannot be written says "unknown" of every sector; no method raises. What is learnt takes effect in `commit`, at
    once, and of a run that ended before nothing is left. Every row proves by a keyed hash that it is what was
    written of that slice of that file. Methods may be called from several threads, `found` and `scanned` from one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = RLock()
        self._store: SectorStore | None = None
        self._usable = False
        self._openings = 0
        self._waiting: list[StagedRow] = []
        self._waiting_bytes = 0
        self._superseded: list[tuple[bytes, int]] = []
        self._tagged: set[bytes] = set()
        self._keys: Iterator[bytes] = iter(())
        self._key: bytes | None = None
        self._secret_take(secrets.token_bytes(SECRET_SIZE))

    def begin(self, parent: bytes | None) -> None:
        """A snapshot with that parent begins; what an unfinished one left is dropped."""
        with self._lock:
            self.close()
            try:
                self._store = self._open()
            except _FAILURES as error:
                self._lose(error)
                return
            self._secret_take(self._store.secret)
            self._usable = parent is not None and self._store.snapshot == parent
            self._tagged = set()
            self._keys = self._stored_keys() if self._usable else iter(())
            self._key = next(self._keys, None)

    def found(self, path: bytes) -> None:
        """The scan came to that file; called in the manifest's order, so files passed over are gone."""
        key = _key(path)
        while self._key is not None and self._key <= key:
            if self._key != key:
                self._stage(StagedRow(self._key, OPENED, 0, None, None))
            else:
                self._tagged.add(key)
            self._key = next(self._keys, None)

    def scanned(self) -> None:
        """The scan came to its end: files that it did not find are gone."""
        while self._key is not None:
            self._stage(StagedRow(self._key, OPENED, 0, None, None))
            self._key = next(self._keys, None)

    def superseded(self, path: bytes) -> None:
        """That file is opened, but not in place: what was known or learnt of it until now holds no longer."""
        # Most files never have tags, and each of a million is opened once.
        if _key(path) not in self._tagged:
            return
        with self._lock:
            if self._store is None:
                return
            self._openings += 1
            self._superseded.append((_key(path), self._openings))
            if len(self._superseded) >= _ROWS_A_WRITE:
                self._write()

    def file_tags(self, path: bytes) -> FileTags | None:
        """That file is opened in place: only what is learnt of it from now on holds.

        Several openings add up, as when each reads a part; of a slice that two of them read, the later one's tags
        count. None while the map cannot be used.
        """
        with self._lock:
            if self._store is None:
                return None
            self._openings += 1
            self._tagged.add(_key(path))
            self._stage(StagedRow(_key(path), OPENED, self._openings, None, None))
            return FileTags(self, path, self._openings)

    def row(self, path: bytes, number: int) -> bytes:
        """The tags of a slice in the parent; empty when nothing is known."""
        if not self._usable:
            return b""
        key = _key(path)
        tags, proof = self._try(lambda store: store.row(key, number), None) or (None, None)
        if not isinstance(tags, bytes) or len(tags) > SLICE_TAGS_SIZE or proof != self._proof(key, number, tags):
            return b""
        return tags

    def row_stage(self, path: bytes, opening: int, number: int, tags: bytes | None) -> None:
        """The tags of a slice in the next snapshot; None: those it has in the parent."""
        key = _key(path)
        proof = None if tags is None else self._proof(key, number, tags)
        self._stage(StagedRow(key, number, opening, tags, proof))

    def commit(self, snapshot: bytes) -> None:
        """The snapshot is stored: the map describes it now."""
        with self._lock:
            self._write()
            self._try(lambda store: store.commit(snapshot, keep=self._usable), None)
            self.close()

    def close(self) -> None:
        """Let go of the file; what was not committed has no effect."""
        with self._lock:
            store, self._store = self._store, None
            self._usable = False
            self._waiting, self._waiting_bytes, self._superseded = [], 0, []
            self._keys, self._key = iter(()), None
            if store is not None:
                try:
                    store.close()
                except sqlite3.Error as error:
                    _log.warning("The sector map could not be closed: %s.", error)

    def _open(self) -> SectorStore:
        try:
            return SectorStore(self._path)
        except _FAILURES as error:
            if not is_damage(error):
                raise
            _log.warning("The sector map is damaged and begun anew: %s.", error)
            store_remove(self._path)
            return SectorStore(self._path)

    def _secret_take(self, secret: bytes) -> None:
        tag_key = blake3(secret, derive_key_context="savepoint sector map 2 tags").digest(TAGGER_KEY_SIZE)
        self.tagger = SectorTagger(tag_key)
        self._proof_key = blake3(secret, derive_key_context="savepoint sector map 1 proofs").digest()

    def _proof(self, key: bytes, number: int, tags: bytes) -> bytes:
        """Binds tags to their place: file, slice and length."""
        said = struct.pack(">IQI", len(key), number, len(tags)) + key + tags
        return blake3(said, key=self._proof_key).digest(TAG_SIZE)

    def _stage(self, row: StagedRow) -> None:
        with self._lock:
            if self._store is None:
                return
            self._waiting.append(row)
            self._waiting_bytes += len(row.tags or b"")
            if len(self._waiting) >= _ROWS_A_WRITE or self._waiting_bytes >= _BYTES_A_WRITE:
                self._write()

    def _write(self) -> None:
        rows, self._waiting, self._waiting_bytes = self._waiting, [], 0
        superseded, self._superseded = self._superseded, []
        if rows or superseded:
            self._try(lambda store: store.stage(rows, superseded), None)

    def _stored_keys(self) -> Iterator[bytes]:
        page = self._keys_after(b"")
        while page:
            yield from page
            page = self._keys_after(page[-1])

    def _keys_after(self, key: bytes) -> list[bytes]:
        return self._try(lambda store: store.keys(key, _KEYS_A_PAGE), [])

    def _try(self, ask: Callable[[SectorStore], _Answer], otherwise: _Answer) -> _Answer:
        with self._lock:
            if self._store is None:
                return otherwise
            try:
                return ask(self._store)
            except _FAILURES as error:
                self._lose(error)
                return otherwise

    def _lose(self, error: Exception) -> None:
        """Go on without the map; one that is damaged is begun anew next time."""
        _log.warning("The sector map cannot be used, changed blocks are kept whole: %s.", error)
        self.close()
        if is_damage(error):
            store_remove(self._path)


def _key(path: bytes) -> bytes:
    """The path such that the order of keys is the manifest's."""
    return path.replace(b"/", b"\0")
