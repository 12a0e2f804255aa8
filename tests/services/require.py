"""Programs that a machine may lack: a test that needs one is skipped by name, or fails if all are required."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest


class ProgramMissing(pytest.skip.Exception):  # type: ignore[name-defined,misc]  # its stubs do not say it is a class
    """A program that this machine lacks. Raised in a test, it skips the test."""


def program_require(name: str, *, package: str, elsewhere: str = "") -> Path:
    """The program's path on PATH, beside this Python or in the folder `elsewhere`. Raises ProgramMissing."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), elsewhere])
    found = shutil.which(name, path=folders)
    if found is None:
        unavailable(f"the program {name} ({package})")
    return Path(found)


def unavailable(what: str) -> NoReturn:
    """Raise ProgramMissing, or fail the test when SAVEPOINT_TEST_REQUIRE is `all`."""
    if os.environ.get("SAVEPOINT_TEST_REQUIRE") == "all":
        pytest.fail(f"needs {what}", pytrace=False)
    raise ProgramMissing(f"needs {what}")
