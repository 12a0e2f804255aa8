"""The report of a benchmark: rows, ratios, the table for people and the JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    tool: str
    metric: str
    value: float
    unit: str


@dataclass(slots=True)
class Report:
    """Figures of one benchmark, kept as they come; a ratio above 1 means that Savepoint is that many times better.

    Every figure is printed, and all so far are in `NAME.partial.json`, until the benchmark is complete and they are in
    `NAME.json`. A run with `options` of its own ends in `NAME.short.json`.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    rows: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def add(self, tool: str, metric: str, value: float, unit: str) -> None:
        """Note a figure, in the place of an earlier one of the same name."""
        self.rows[tool, metric, unit] = Row(tool, metric, round(value, 4), unit)
        self._write(self._path("partial"), is_complete=False)
        self.tell(f"{tool:<20} {metric:<24} {value:>12.2f} {unit}")

    def tell(self, text: str) -> None:
        """Print where the benchmark is."""
        sys.stdout.write(f"  {time.strftime('%H:%M:%S')}  {text}\n")
        sys.stdout.flush()

    def print(self) -> None:
        """Print all of it as a table."""
        print(f"\n{self.name} on {machine()}\n")
        for row in self.rows.values():
            print(f"  {row.tool:<20} {row.metric:<24} {row.value:>12.2f} {row.unit}")
        print("\n  times better than the peer:")
        for name, ratio in self.ratios.items():
            print(f"  {name:<45} {ratio:>12.2f}")
        for peer, version in self.versions.items():
            print(f"  {peer}: {version}")
        for peer in self.missing:
            print(f"  not installed, so not compared: {peer}")

    def write(self) -> Path:
        """Write all of it as JSON, now that it is complete; return where."""
        path = self._path("short" if self.options else None)
        self._write(path, is_complete=True)
        self._path("partial").unlink(missing_ok=True)
        return path

    def _path(self, kind: str | None) -> Path:
        return RESULTS / (f"{self.name}.{kind}.json" if kind else f"{self.name}.json")

    def _write(self, path: Path, *, is_complete: bool) -> None:
        RESULTS.mkdir(exist_ok=True)
        found = {
            "name": self.name,
            "complete": is_complete,
            "options": self.options,
            "machine": machine(),
            "rows": [asdict(row) for row in self.rows.values()],
            "ratios": {name: round(ratio, 2) for name, ratio in self.ratios.items()},
            "missing": self.missing,
            "versions": self.versions,
        }
        # A concurrent reader sees the old file or the new one.
        written = path.with_suffix(".new")
        written.write_text(json.dumps(found, indent=2) + "\n")
        written.replace(path)


def machine() -> str:
    """The processor, system and Python version of the measurement."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"
