"""The short form of `make chaos`: some seeds, and one failure of each call of each job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.user import IS_ROOT

PROJECT = Path(__file__).parents[2]

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]


def chaos(*arguments: str) -> subprocess.CompletedProcess[str]:
    # A process of its own: it forks, and a process that has used gRPC must not fork.
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("SAVEPOINT_", "DJANGO_"))}
    command = [sys.executable, "-m", "tests.chaos", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, check=False)


def test_seeded_runs_violate_no_invariant(tmp_path: Path) -> None:
    done = chaos("1", "13", "--json", str(tmp_path / "counts.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert (counts["seeds"], counts["violations"]) == ({"first": 1, "runs": 13}, [])
    assert sum(counts["faults"].values()) == counts["faults_total"] > 100
    for backup_format in ("archive", "repository"):
        assert sum(counts["faults_by_format"][backup_format].values()) > 10
        assert counts["operations"][backup_format]["create: succeeded"] > 10
    assert counts["operations"]["repository"]["prune: succeeded"] > 10
    assert "13 runs from seed 1 on" in done.stdout
    for fault in ("repository: pruned", *(["another's file", "another's folder"] if IS_ROOT else [])):
        assert fault in done.stdout


def test_order_is_usable_after_a_failure_at_any_call(tmp_path: Path) -> None:
    done = chaos("sweep", "short", "--json", str(tmp_path / "counts.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    for fault in ("storage: once", "storage: reply_lost", "wire: once", "wire: reply_lost"):
        assert fault in done.stdout
