"""A benchmark saves its results while it runs, and reports its progress."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import report
from benchmarks.report import Report

BENCHMARK = """
import pathlib, sys
from benchmarks import report
report.RESULTS = pathlib.Path(sys.argv.pop(1))
from benchmarks.__main__ import main
main()
"""


def started(results: Path, *words: str, errors: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BENCHMARK, str(results), *words],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        process_group=0,
    )


def interrupted(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C until the process has ended; what it wrote to stderr.

    Once may not do: Python drops an interrupt that strikes while it finalises an object.
    """
    while True:
        os.killpg(process.pid, signal.SIGINT)
        try:
            return process.communicate(timeout=5)[1]
        except subprocess.TimeoutExpired:
            continue


def test_interrupted_benchmark_leaves_its_figures_so_far(tmp_path: Path) -> None:
    with started(tmp_path, "restore", "--runs", "50", "--megabytes", "5", errors=subprocess.PIPE) as process:
        assert process.stdout is not None
        seen = next(line for line in process.stdout if "restore_full" in line)
        errors = interrupted(process)
    # The exit status is another one when the interrupt strikes while a folder is removed.
    assert process.returncode
    assert "KeyboardInterrupt" in errors
    (left,) = tmp_path.glob("*.json")
    assert left.name == "restore.partial.json"
    found = json.loads(left.read_text())
    assert found["complete"] is False
    assert found["options"] == {"runs": 50, "megabytes": 5}
    assert found["rows"][0]["metric"] == "restore_full"
    assert f"{found['rows'][0]['value']:.2f} s" in seen


def test_short_run_ends_beside_the_whole_one(tmp_path: Path) -> None:
    (tmp_path / "restore.json").write_text("what a whole run found")
    with started(tmp_path, "restore", "--runs", "1", "--megabytes", "5") as process:
        assert process.communicate()[0]
    assert process.returncode == 0
    assert (tmp_path / "restore.json").read_text() == "what a whole run found"
    assert {path.name for path in tmp_path.iterdir()} == {"restore.json", "restore.short.json"}
    found = json.loads((tmp_path / "restore.short.json").read_text())
    assert found["complete"] is True
    assert set(found["ratios"]) == {
        f"restore_{what}.tar_gzip" for what in ("full", "unchanged", "changed", "all_changed")
    }


def test_every_figure_is_written_when_it_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    made = Report("repository")
    for number in range(3):
        made.add("savepoint", f"metric {number}", number, "s")
        found = json.loads((tmp_path / "repository.partial.json").read_text())
        assert (found["complete"], len(found["rows"])) == (False, number + 1)
    made.add("savepoint", "metric 0", 7, "s")
    assert made.write() == tmp_path / "repository.json"
    (left,) = tmp_path.iterdir()
    found = json.loads(left.read_text())
    assert found["complete"] is True
    assert [row["value"] for row in found["rows"]] == [7, 1, 2]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {"runs": 3, "megabytes": 1066, "media": ["tmpfs", "disk"], "peers": None}),
        (["--runs", "1"], {"runs": 1, "megabytes": 533, "media": ["tmpfs"], "peers": ["restic", "borg"]}),
        (["--runs", "1", "--media", "disk"], {"runs": 1, "megabytes": 533, "media": ["disk"]}),
        (["--runs", "1", "--megabytes", "1066"], {"runs": 1, "megabytes": 1066, "media": ["tmpfs"]}),
        (["--runs", "5", "--peers", "borg"], {"runs": 5, "megabytes": 1066, "peers": ["borg"]}),
    ],
)
def test_single_run_is_the_short_form(
    words: list[str], expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "repository", *words])
    found = vars(command._options())
    assert {name: found[name] for name in expected} == expected
