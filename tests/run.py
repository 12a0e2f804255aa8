"""The whole suite, `python -m tests.run`: on SQLite, and the tests that use the database on PostgreSQL too.

Tests that start the product's processes mostly wait, so they run beside the others; the pass on PostgreSQL begins when
the first of the two ends. `python -m tests.run check` runs only the fast half, in two streams.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from tests.services.postgres import postgres
from tests.services.require import ProgramMissing

ON_BOTH_DATABASES = [
    "tests/access",
    "tests/api",
    "tests/operations",
    "tests/provisions",
    "tests/reconcile",
    "tests/web",
]
PROCESSES, OTHERS = "processes", "not processes"
AT_ONCE = 2
CHECK = [
    ["tests/api", "tests/operations", "tests/sidecar_archive", "tests/wire"],
    [
        "tests/web",
        "tests/common",
        "tests/config",
        "tests/docs",
        "tests/opener",
        "tests/reconcile",
        "tests/sidecar_game",
    ],
]
"""The fast half: its tests start no process of the product, wait for no clock, and fill no memory to measure it."""


def pytest_run(*arguments: str, database_url: str = "", output: IO[str] | None = None) -> int:
    """Run pytest in a process of its own, on that database; its output goes to `output`, or to this process's."""
    environ = {**os.environ, "SAVEPOINT_TEST_DATABASE": database_url}
    if not database_url:
        del environ["SAVEPOINT_TEST_DATABASE"]
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, env=environ, check=False, stdout=output, stderr=output).returncode


def postgres_run(*, output: IO[str]) -> int:
    """Run the database tests on a PostgreSQL server of their own; a missing server is an error if it is required."""
    try:
        with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as server:
            return pytest_run(*ON_BOTH_DATABASES, database_url=server.url, output=output)
    except ProgramMissing as missing:
        print(f"not run on PostgreSQL: {missing}", file=output)
        return int(os.environ.get("SAVEPOINT_TEST_REQUIRE") == "all")


def check() -> int:
    """Run the fast half; returns the first status that is not 0."""
    with ThreadPoolExecutor(len(CHECK)) as pool:
        parts = [pool.submit(pytest_run, "-q", "-m", f"{OTHERS} and not slow", *paths) for paths in CHECK]
        return next(filter(None, [part.result() for part in parts]), 0)


def main() -> int:
    """Run the whole suite, or the named tests; returns the first status that is not 0."""
    chosen = sys.argv[1:]
    if chosen == ["check"]:
        return check()
    if chosen:
        return pytest_run(*chosen)
    with ExitStack() as held, ThreadPoolExecutor(AT_ONCE) as pool:
        beside, on_postgres = (
            held.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")) for _ in range(2)
        )
        parts = [
            pool.submit(pytest_run, "-m", OTHERS),
            pool.submit(pytest_run, "-m", PROCESSES, output=beside),
            pool.submit(postgres_run, output=on_postgres),
        ]
        statuses = [part.result() for part in parts]
        for output in (beside, on_postgres):
            output.seek(0)
            print(output.read())  # noqa: T201  # this is a command
        return next(filter(None, statuses), 0)


if __name__ == "__main__":
    sys.exit(main())
