"""A prune keeps flags in memory, not ids."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHUNKS = 200_000
MIB_MOST = 95
"""31 MiB are imports; a million chunks (run `million.py` by hand) take 146."""


def test_the_memory_of_a_prune_is_that_of_the_index(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "tests.repository.maintenance.million", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=170).stdout

    run("build", str(tmp_path), str(CHUNKS), "2")
    deleted, mib = run("prune", str(tmp_path)).split()
    assert int(deleted) == CHUNKS // 32 // 2
    assert int(mib) < MIB_MOST
