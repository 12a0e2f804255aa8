"""The sector map: tags for the sectors of a folder's in-place files, remembered from one snapshot to the next."""

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

# Rows wait in memory until there are this many, or this many bytes of tags; one transaction writes them.
_ROWS_A_WRITE: Final = 2000
_BYTES_A_WRITE: Final = 4 << 20
_KEYS_A_PAGE: Final = 1000

_FAILURES: Final = (sqlite3.Error, OSError, StoreTaken, StoreDamaged)

_Answer = TypeVar("_Answer")
_log = logging.getLogger(__name__)


class SectorMap:
    """A local file with one tag for each sector of the in-place files, as of one snapshot.

    The map is only an optimisation: no method raises. If it is damaged, locked, not writable, or describes another
    snapshot than the parent, every sector is unknown. New tags take effect at once in `commit`; an interrupted run
    leaves none. A keyed hash in each row binds its tags to that slice of that file. Methods may be called from several
    threads, `found` and `scanned` from one.
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
        """Begin a snapshot with that parent; discard the rows of an unfinished run."""
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
        """Note that the scan found this file; paths must come in the manifest's order, so skipped ones are gone."""
        key = _key(path)
        while self._key is not None and self._key <= key:
            if self._key != key:
                self._stage(StagedRow(self._key, OPENED, 0, None, None))
            else:
                self._tagged.add(key)
            self._key = next(self._keys, None)

    def scanned(self) -> None:
        """Note the end of the scan: files that it did not find are gone."""
        while self._key is not None:
            self._stage(StagedRow(self._key, OPENED, 0, None, None))
            self._key = next(self._keys, None)

    def superseded(self, path: bytes) -> None:
        """Discard everything known about a file: it is opened, but not in place."""
        # Most files never have tags, and each of a million files is opened once.
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
        """The tags of a file that is opened in place; tags known from before are discarded.

        Several openings add up, for example when each reads a part. If two of them read one slice, the later one's
        tags count. Returns None while the map is unusable.
        """
        with self._lock:
            if self._store is None:
                return None
            self._openings += 1
            self._tagged.add(_key(path))
            self._stage(StagedRow(_key(path), OPENED, self._openings, None, None))
            return FileTags(self, path, self._openings)

    def row(self, path: bytes, number: int) -> bytes:
        """The tags of a slice in the parent; empty when they are unknown."""
        if not self._usable:
            return b""
        key = _key(path)
        tags, proof = self._try(lambda store: store.row(key, number), None) or (None, None)
        if not isinstance(tags, bytes) or len(tags) > SLICE_TAGS_SIZE or proof != self._proof(key, number, tags):
            return b""
        return tags

    def row_stage(self, path: bytes, opening: int, number: int, tags: bytes | None) -> None:
        """Stage the tags of a slice for the next snapshot; None means that they equal the parent's."""
        key = _key(path)
        proof = None if tags is None else self._proof(key, number, tags)
        self._stage(StagedRow(key, number, opening, tags, proof))

    def commit(self, snapshot: bytes) -> None:
        """Make the map describe that snapshot, which is stored."""
        with self._lock:
            self._write()
            self._try(lambda store: store.commit(snapshot, keep=self._usable), None)
            self.close()

    def close(self) -> None:
        """Close the file and discard uncommitted tags."""
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
            _log.warning("The sector map is damaged and created anew: %s.", error)
            store_remove(self._path)
            return SectorStore(self._path)

    def _secret_take(self, secret: bytes) -> None:
        tag_key = blake3(secret, derive_key_context="savepoint sector map 2 tags").digest(TAGGER_KEY_SIZE)
        self.tagger = SectorTagger(tag_key)
        self._proof_key = blake3(secret, derive_key_context="savepoint sector map 1 proofs").digest()

    def _proof(self, key: bytes, number: int, tags: bytes) -> bytes:
        """A keyed hash that binds tags to their place: file, slice and length."""
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
        """Go on without the map. The next run replaces it if it is damaged."""
        _log.warning("The sector map cannot be used, changed blocks are stored whole: %s.", error)
        self.close()
        if is_damage(error):
            store_remove(self._path)


def _key(path: bytes) -> bytes:
    """The path as a key; keys sort in the manifest's order."""
    return path.replace(b"/", b"\0")
