"""What a benchmark found: rows, ratios, the table for people and the JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

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
    """Figures of one benchmark; a ratio above 1 means that Savepoint is that many times better."""

    name: str
    rows: list[Row] = field(default_factory=list)
    ratios: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def add(self, tool: str, metric: str, value: float, unit: str) -> None:
        """Note a figure."""
        self.rows.append(Row(tool, metric, round(value, 4), unit))

    def print(self) -> None:
        """Print all of it as a table."""
        print(f"\n{self.name} on {machine()}\n")
        for row in self.rows:
            print(f"  {row.tool:<20} {row.metric:<24} {row.value:>12.2f} {row.unit}")
        print("\n  times better than the peer:")
        for name, ratio in self.ratios.items():
            print(f"  {name:<45} {ratio:>12.2f}")
        for peer, version in self.versions.items():
            print(f"  {peer}: {version}")
        for peer in self.missing:
            print(f"  not installed, so not compared: {peer}")

    def write(self) -> Path:
        """Write all of it as JSON; return where."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        found = {
            "name": self.name,
            "machine": machine(),
            "rows": [asdict(row) for row in self.rows],
            "ratios": {name: round(ratio, 2) for name, ratio in self.ratios.items()},
            "missing": self.missing,
            "versions": self.versions,
        }
        path.write_text(json.dumps(found, indent=2) + "\n")
        return path


def machine() -> str:
    """What the figures were measured on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"
