"""Finding the programs that some tests need."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest


def program_require(name: str, *, package: str) -> Path:
    """The program's path; without it the test is skipped by name, or fails when SAVEPOINT_TEST_REQUIRE is `all`."""
    beside_python = Path(sys.executable).parent
    found = shutil.which(name, path=f"{beside_python}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        unavailable(f"the program {name} ({package})")
    return Path(found)


def unavailable(what: str) -> None:
    """Skip the test because this machine lacks something, or fail it when nothing may be missing."""
    if os.environ.get("SAVEPOINT_TEST_REQUIRE") == "all":
        pytest.fail(f"needs {what}", pytrace=False)
    pytest.skip(f"needs {what}")
