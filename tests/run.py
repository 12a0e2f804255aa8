"""The whole suite, `python -m tests.run`: on SQLite, and what touches the database on PostgreSQL as well.

Tests of the product's own processes mostly wait, so they run beside the others: first these, then PostgreSQL's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
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


def pytest_run(*arguments: str, database_url: str = "", output: IO[str] | None = None) -> int:
    """Run pytest in a process of its own, on that database; its output goes there, or where ours goes."""
    environ = {**os.environ, "SAVEPOINT_TEST_DATABASE": database_url}
    if not database_url:
        del environ["SAVEPOINT_TEST_DATABASE"]
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, env=environ, check=False, stdout=output, stderr=output).returncode


def beside(output: IO[str]) -> int:
    """What runs beside the others; the status is the first one that is not 0."""
    failed = pytest_run("-m", PROCESSES, output=output)
    try:
        with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as server:
            return pytest_run(*ON_BOTH_DATABASES, database_url=server.url, output=output) or failed
    except ProgramMissing as missing:
        print(f"not run on PostgreSQL: {missing}", file=output)
        return failed or int(os.environ.get("SAVEPOINT_TEST_REQUIRE") == "all")


def main() -> int:
    """Run all of it, or what is named; the status is the first one that is not 0."""
    chosen = sys.argv[1:]
    if chosen:
        return pytest_run(*chosen)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output, ThreadPoolExecutor(1) as pool:
        other = pool.submit(beside, output)
        failed = pytest_run("-m", OTHERS)
        failed_beside = other.result()
        output.seek(0)
        print(output.read())  # noqa: T201  # this is a command
        return failed or failed_beside


if __name__ == "__main__":
    sys.exit(main())
