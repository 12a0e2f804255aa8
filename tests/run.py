"""The whole suite, `python -m tests.run`: on SQLite, on PostgreSQL, or on both, by what a folder of tests is about.

The suite is cut into parts by folder, each a pytest of its own, of which some run at once. `python -m tests.run check`
runs the fast half alone, in two streams, on SQLite.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO

from tests.services.postgres import postgres
from tests.services.require import ProgramMissing

TESTS = Path(__file__).parent
ON_BOTH_DATABASES = ["tests/operations"]
"""Folders of tests about transactions, locks and constraints."""
ON_POSTGRESQL = [
    ["tests/access", "tests/provisions", "tests/reconcile", "tests/upkeep", *ON_BOTH_DATABASES],
    ["tests/api", "tests/web"],
]
"""Folders of tests on the database of a fleet, in two parts; browsers, processes and formats have theirs on SQLite."""
ON_SQLITE = [
    ["tests/processes"],
    ["tests/rehearsals"],
    ["tests/chaos", "tests/full_disks", "tests/hostile", "tests/network"],
    ["tests/browser"],
    ["tests/sidecar_restore"],
    ["tests/repository", "tests/trees"],
    ["tests/formats"],
    ["tests/sidecar_daemon"],
    ["tests/sidecar_archive", "tests/sidecar_game", "tests/storage"],
]
"""The parts that take longest come first, so that none is left to run alone."""
AT_ONCE = 5
"""Fewer would leave much of two cores' time unused, since half of the parts mostly wait for processes."""
FAST = "not processes and not slow"
CHECK = [
    ["tests/api", "tests/operations", "tests/sidecar_archive", "tests/wire"],
    [
        "tests/web",
        "tests/common",
        "tests/config",
        "tests/docs",
        "tests/opener",
        "tests/reconcile",
        "tests/upkeep",
        "tests/sidecar_game",
    ],
]
"""The fast half: its tests start no process of the product, wait for no clock, and fill no memory to measure it."""


def pytest_run(*arguments: str, database_url: str = "", output: IO[str] | None = None) -> int:
    """Run pytest in a process of its own, on that database; its output goes to `output`, or to this process's."""
    # Every part and the processes that it starts use the bytecode that another one has written.
    environ = {**os.environ, "SAVEPOINT_TEST_DATABASE": database_url, "PYTHONDONTWRITEBYTECODE": ""}
    if not database_url:
        del environ["SAVEPOINT_TEST_DATABASE"]
    command = [sys.executable, "-m", "pytest", *arguments]
    started = time.monotonic()
    with subprocess.Popen(command, env=environ, stdout=output, stderr=output) as pytest:
        _, status, used = os.wait4(pytest.pid, 0)
        pytest.returncode = os.waitstatus_to_exitcode(status)
    seconds, processor = time.monotonic() - started, used.ru_utime + used.ru_stime
    print(f"{seconds:.0f} s, {processor:.0f} s of processors: {' '.join(arguments)}", file=output, flush=True)
    return pytest.returncode


def postgres_run(*folders: str, output: IO[str]) -> int:
    """Run database tests on a PostgreSQL server of their own.

    Without one, which is an error if it is required, those that SQLite would not see run there.
    """
    try:
        with tempfile.TemporaryDirectory() as place, postgres(Path(place)) as server:
            return pytest_run(*folders, database_url=server.url, output=output)
    except ProgramMissing as missing:
        print(f"not run on PostgreSQL: {missing}", file=output, flush=True)
        required = os.environ.get("SAVEPOINT_TEST_REQUIRE") == "all"
        left = [folder for folder in folders if folder not in ON_BOTH_DATABASES]
        return pytest_run(*left, output=output) or int(required)


def others() -> list[str]:
    """The folders of tests that no part names."""
    named = {folder for part in (*ON_SQLITE, *ON_POSTGRESQL) for folder in part} - {*ON_BOTH_DATABASES}
    folders = {f"tests/{path.name}" for path in TESTS.iterdir() if any(path.rglob("test_*.py"))}
    return sorted(folders - named)


def check() -> int:
    """Run the fast half; returns the first status that is not 0."""
    with ThreadPoolExecutor(len(CHECK)) as pool:
        parts = [pool.submit(pytest_run, "-q", "-m", FAST, *paths) for paths in CHECK]
        return next(filter(None, [part.result() for part in parts]), 0)


def whole() -> int:
    """Run every part, a few at once, each told whole when it ends; the status is the first one that is not 0."""
    # PostgreSQL's parts and the portals of tests/processes migrate; the other parts make their tables from the models.
    on_sqlite = [partial(pytest_run, "--no-migrations", *part) for part in (*ON_SQLITE, others())]
    on_postgresql = [partial(postgres_run, *part) for part in ON_POSTGRESQL]
    runs: list[Callable[..., int]] = [*on_sqlite[:2], *on_postgresql, *on_sqlite[2:]]
    with ExitStack() as held, ThreadPoolExecutor(AT_ONCE) as pool:
        parts: dict[Future[int], IO[str]] = {}
        for run in runs:
            output = held.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
            parts[pool.submit(run, output=output)] = output
        for part in as_completed(parts):
            parts[part].seek(0)
            print(parts[part].read(), flush=True)  # noqa: T201  # this is a command
        return next(filter(None, [part.result() for part in parts]), 0)


def main() -> int:
    """Run all of it, or what is named."""
    chosen = sys.argv[1:]
    if chosen == ["check"]:
        return check()
    return pytest_run(*chosen) if chosen else whole()


if __name__ == "__main__":
    sys.exit(main())
