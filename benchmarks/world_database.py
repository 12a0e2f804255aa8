"""`python -m benchmarks.world_database FILE MODE`: commit rows to a world's database until SIGTERM, then say how many.

MODE is SQLite's journal mode: `delete`, as it comes, or `wal`. Says `writing` after the first commit.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

from demo.world_files import block_rows

INSERT = "insert into co_block values(?, ?, ?, ?, ?, ?, ?)"
ROWS_PER_COMMIT = 100
PAUSE_SECONDS = 0.005


def database_grow(path: Path, *, seed: int, rows: int) -> None:
    """Add rows to a world's database, at random places of its index."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(INSERT, block_rows(Random(seed), rows, since=-rows))  # noqa: S311  # no secret


@contextmanager
def database_written(path: Path, mode: str) -> Iterator[None]:
    """Have another process write to a database meanwhile."""
    command = [sys.executable, "-m", __spec__.name, str(path), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "writing\n"
        try:
            yield
        finally:
            process.terminate()
            print(f"  a writer in mode {mode} made {process.stdout.readline().strip()} commits")


def database_check(path: Path) -> str:
    """The first row of `PRAGMA integrity_check`: `ok`, or the damage."""
    try:
        with closing(sqlite3.connect(path)) as database:
            return str(database.execute("pragma integrity_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)


def main() -> None:
    """Write."""
    path, mode = sys.argv[1:]
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    random = Random(0)  # noqa: S311  # content to measure on, no secret
    commits = 0
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"pragma journal_mode = {mode}")
        while not stopped:
            with database:
                database.executemany(INSERT, block_rows(random, ROWS_PER_COMMIT, since=commits))
            commits += 1
            if commits == 1:
                print("writing", flush=True)
            time.sleep(PAUSE_SECONDS)  # a game saves often, not without end
    print(commits)


if __name__ == "__main__":
    main()
