"""Reading a portal's own database, for values that no API shows."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any


def row_of(home: Path, table: str, pk: str) -> dict[str, Any]:
    """One row of an SQLite portal as names and values."""
    with sqlite3.connect(f"file:{home}/savepoint.sqlite3?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute(f"select * from {table} where id = ?", [pk.replace("-", "")]).fetchone()  # noqa: S608
    return dict(found)


def worker_pid(home: Path, operation: str) -> int:
    """The process that claimed an operation."""
    return int(row_of(home, "operations_operation", operation)["worker"].rpartition(":")[2])


def database_free(home: Path, *, seconds: float = 2.0) -> bool:
    """Whether the database of a portal can be written within some seconds: no process that stands still holds it."""
    database = sqlite3.connect(home / "savepoint.sqlite3", timeout=seconds, isolation_level=None)
    try:
        database.execute("BEGIN IMMEDIATE")
        database.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        database.close()
    return True
