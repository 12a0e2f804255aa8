"""Measurements by medium, run by run."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.report import Report

MEDIA = {"tmpfs": Path("/dev/shm"), "disk": Path("/var/tmp")}  # noqa: S108  # a folder of their own is made there
US = "savepoint"
MB = 1_000_000


@dataclass
class Figures:
    """The measurements: every run by tool and metric, in seconds or its own unit, and the peak of memory by tool.

    The median so far, and the peak, are in the report at any moment.
    """

    report: Report
    runs: dict[tuple[str, str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    peak_rss_mib: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def note(self, tool: str, metric: str, value: float, unit: str = "s") -> None:
        """Note one run."""
        self.runs[tool, metric, unit].append(value)
        self.report.add(tool, metric, self.median(tool, metric, unit), unit)

    def peak(self, tool: str, mib: float) -> None:
        """Note a peak; the highest counts."""
        if mib > self.peak_rss_mib[tool]:
            self.peak_rss_mib[tool] = mib
            self.report.add(tool, "peak_rss", mib, "MiB")

    def median(self, tool: str, metric: str, unit: str = "s") -> float:
        """The run in the middle."""
        return median(self.runs[tool, metric, unit])

    def ratio(self, peer: str, metric: str, unit: str = "s", *, ours: str | None = None) -> float:
        """How many times ours a peer's figure is: the median of the rounds', each with itself.

        `ours` names another metric of ours to compare with.
        """
        pairs = zip(self.runs[peer, metric, unit], self.runs[US, ours or metric, unit], strict=True)
        return median(theirs / ours for theirs, ours in pairs)


@contextmanager
def folder_made(parent: Path) -> Iterator[Path]:
    """A folder of its own, gone again afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="savepoint-bench-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
