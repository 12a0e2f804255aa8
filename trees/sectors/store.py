"""The SQLite file of a sector map: never torn, and never a mixture of two runs."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

SECRET_SIZE: Final = 32
OPENED: Final = -1
"""The number of the row that records the opening of a file, which invalidates its earlier tags."""

_VERSION: Final = 2
_APPLICATION: Final = int.from_bytes(b"SVSM", "big")
_BUSY_SECONDS: Final = 2
_RUN_SIZE: Final = 16
_SCHEMA: Final = f"""
CREATE TABLE map (
    id INTEGER PRIMARY KEY CHECK (id = 1), secret BLOB NOT NULL, snapshot BLOB, run BLOB
);
CREATE TABLE tags (
    key BLOB NOT NULL, number INTEGER NOT NULL, tags BLOB NOT NULL, proof BLOB NOT NULL, PRIMARY KEY (key, number)
);
CREATE TABLE staged (
    key BLOB NOT NULL, number INTEGER NOT NULL, opening INTEGER NOT NULL, tags BLOB, proof BLOB,
    PRIMARY KEY (key, number)
);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
"""

# The row OPENED holds the first opening whose slices count.
_DROP_SUPERSEDED: Final = """
DELETE FROM tags WHERE rowid IN (
    SELECT old.rowid FROM staged AS opened JOIN tags AS old ON old.key = opened.key
    WHERE opened.number = -1 AND NOT EXISTS (
        SELECT 1 FROM staged AS kept WHERE kept.key = old.key AND kept.number = old.number
        AND kept.opening >= opened.opening AND kept.tags IS NULL
    )
)
"""
_TAKE_STAGED: Final = """
INSERT OR REPLACE INTO tags (key, number, tags, proof)
SELECT new.key, new.number, new.tags, new.proof
FROM staged AS opened JOIN staged AS new ON new.key = opened.key AND new.opening >= opened.opening
WHERE opened.number = -1 AND new.number >= 0 AND new.tags IS NOT NULL
"""

# Each part of a file may be read in an opening of its own: keep the row OPENED of the first.
_STAGE: Final = """
INSERT INTO staged (key, number, opening, tags, proof) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET opening = excluded.opening, tags = excluded.tags, proof = excluded.proof WHERE number >= 0
"""
# A file without rows needs no row OPENED: most files of a folder are never opened in place.
_SUPERSEDE: Final = """
INSERT INTO staged (key, number, opening)
SELECT ?1, -1, ?2
WHERE EXISTS (SELECT 1 FROM tags WHERE key = ?1) OR EXISTS (SELECT 1 FROM staged WHERE key = ?1)
ON CONFLICT DO UPDATE SET opening = excluded.opening WHERE excluded.opening > opening
"""

_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})


class StoreTaken(Exception):
    """The file belongs to a run that began later, or to another program."""


class StoreDamaged(Exception):
    """The file is not a sector map of this version."""


class StagedRow(NamedTuple):
    """The tags of a slice that a run has read or, with the number `OPENED`, a record that it opened the file.

    `opening` counts the openings of files. Tags of None mean that the slice equals the parent's.
    """

    key: bytes
    number: int
    opening: int
    tags: bytes | None
    proof: bytes | None


def is_damage(error: Exception) -> bool:
    """Whether the file itself is damaged, so that only a new one helps."""
    return isinstance(error, StoreDamaged) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def store_remove(path: Path) -> None:
    """Remove the file and SQLite's companion files; errors are ignored."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink()


class SectorStore:
    """The open file, with a new run begun. Every call may raise sqlite3.Error, OSError, StoreTaken, StoreDamaged."""

    def __init__(self, path: Path) -> None:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self._run = secrets.token_bytes(_RUN_SIZE)
        # The caller serializes access from several threads.
        self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._begin()
        except BaseException:
            self._connection.close()
            raise

    def row(self, key: bytes, number: int) -> tuple[Any, Any] | None:
        """Tags and proof of a slice; in a damaged file they may be of any type."""
        query = "SELECT tags, proof FROM tags WHERE key = ? AND number = ?"
        found: tuple[Any, Any] | None = self._connection.execute(query, (key, number)).fetchone()
        return found

    def keys(self, after: bytes, count: int) -> list[bytes]:
        """The next keys that have tags, in order."""
        query = "SELECT DISTINCT key FROM tags WHERE key > ? ORDER BY key LIMIT ?"
        return [key for (key,) in self._connection.execute(query, (after, count))]

    def stage(self, rows: Iterable[StagedRow], superseded: Iterable[tuple[bytes, int]]) -> None:
        """Write rows that `commit` will take over.

        `superseded` holds keys and openings: tags of a key from an earlier opening become invalid.
        """
        with self._own_transaction() as connection:
            connection.executemany(_STAGE, rows)
            connection.executemany(_SUPERSEDE, superseded)

    def commit(self, snapshot: bytes, *, keep: bool) -> None:
        """Make the staged rows the map of that snapshot, in one transaction; `keep` the rows that were not staged."""
        with self._own_transaction() as connection:
            connection.execute(_DROP_SUPERSEDED if keep else "DELETE FROM tags")
            connection.execute(_TAKE_STAGED)
            connection.execute("DELETE FROM staged")
            connection.execute("UPDATE map SET snapshot = ?, run = NULL", (snapshot,))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _begin(self) -> None:
        connection = self._connection
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if application != _APPLICATION and not self._is_empty():
            raise StoreTaken("somebody else's database")
        (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        # A power failure may lose the last transactions of a write-ahead log, but never a part of one.
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if journal == 'wal' else 'FULL'}")
        with self._transaction():
            self._create()
            self.secret, self.snapshot = self._state()
            connection.execute("DELETE FROM staged")
            connection.execute("UPDATE map SET run = ?", (self._run,))

    def _is_empty(self) -> bool:
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        return not tables

    def _create(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if self._is_empty():
            for statement in _SCHEMA.strip().removesuffix(";").split(";"):
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO map VALUES (1, ?, NULL, NULL)", (secrets.token_bytes(SECRET_SIZE),))
        elif version != _VERSION:
            raise StoreDamaged("a map of another version")

    def _state(self) -> tuple[bytes, bytes | None]:
        row = self._connection.execute("SELECT secret, snapshot FROM map").fetchone()
        if row is None or not isinstance(row[0], bytes) or len(row[0]) != SECRET_SIZE:
            raise StoreDamaged("a map without its secret")
        return row[0], row[1] if isinstance(row[1], bytes) else None

    @contextmanager
    def _own_transaction(self) -> Iterator[sqlite3.Connection]:
        with self._transaction():
            row = self._connection.execute("SELECT run FROM map").fetchone()
            if row is None or row[0] != self._run:
                raise StoreTaken("another run began")
            yield self._connection

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # Some SQLite errors end the transaction themselves.
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            raise
