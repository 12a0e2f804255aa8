"""The whole suite, `python -m tests.run`: first on SQLite, then what touches the database on PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

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


def pytest_run(*arguments: str, database_url: str = "") -> int:
    """Run pytest in a process of its own, on that database."""
    environ = {**os.environ, "SAVEPOINT_TEST_DATABASE": database_url}
    if not database_url:
        del environ["SAVEPOINT_TEST_DATABASE"]
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], env=environ, check=False).returncode


def main() -> int:
    """Run both passes; the status is the first one that is not 0."""
    chosen = sys.argv[1:]
    if chosen:
        return pytest_run(*chosen)
    failed = pytest_run()
    try:
        with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as server:
            failed_there = pytest_run(*ON_BOTH_DATABASES, database_url=server.url)
            return failed or failed_there
    except ProgramMissing as missing:
        print(f"not run on PostgreSQL: {missing}")  # noqa: T201  # this is a command
        return failed or int(os.environ.get("SAVEPOINT_TEST_REQUIRE") == "all")


if __name__ == "__main__":
    sys.exit(main())
