"""The counts of a chaos run, written as JSON: faults by kind and by format of the backups, operations, violations."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
DEADLY = ("die", "die_after", "sidecar_killed", "sidecar_gone")
"""The kinds of faults that kill a process."""


@dataclass
class Tally:
    """happened: faults by edge and kind. formats: those at a worker's calls, by the format of the backup that it works
    on. points: those at calls, by the names of these. operations: ended work, by format, kind and state. moved: how far
    the runs moved the clock.
    """

    happened: Counter[str] = field(default_factory=Counter)
    formats: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    points: Counter[str] = field(default_factory=Counter)
    operations: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    violations: list[str] = field(default_factory=list)
    moved: timedelta = timedelta()

    def told(self, *, name: str, seeds: range, seconds: float, never_fired: list[str]) -> dict[str, Any]:
        """The result as JSON has it. A fault that never fired proves nothing: it is named."""
        kills = sum(times for kind, times in self.happened.items() if kind.rpartition(": ")[2] in DEADLY)
        return {
            "name": name,
            "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
            "seeds": {"first": seeds.start, "runs": len(seeds)},
            "seconds": round(seconds, 1),
            "simulated_hours": round(self.moved.total_seconds() / 3600, 1),
            "simulated_hours_a_minute": round(self.moved.total_seconds() / 60 / max(seconds, 1), 1),
            "operations": {name: dict(sorted(found.items())) for name, found in sorted(self.operations.items())},
            "kills": kills,
            "faults_total": sum(self.happened.values()),
            "faults": dict(sorted(self.happened.items())),
            "faults_by_format": {name: dict(sorted(found.items())) for name, found in sorted(self.formats.items())},
            "faults_at": dict(sorted(self.points.items())),
            "never_fired": never_fired,
            "violations": self.violations,
        }


def result_write(path: Path, result: dict[str, Any]) -> None:
    """Write a result, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
