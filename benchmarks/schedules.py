"""The tick of a big host: 100,000 schedules in a real PostgreSQL, of which 1,000 are due.

Measured: the tick that finds what is due and makes its runs; the same with the starts of all these backups in one tick,
which the smear spreads over a minute; a tick without anything due; and the question whether there is anything.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.report import Report
from benchmarks.scale import environ_of
from benchmarks.scale_pages import US
from tests.processes.portal import port_free, seed_run
from tests.services.postgres import postgres
from tests.services.require import ProgramMissing

SCHEDULES = 100_000
DUE = 1_000
ROUNDS = 5


def run(report: Report, scale: float) -> None:
    """Measure with `scale` times the full size."""
    schedules = max(2 * DUE, round(SCHEDULES * scale))
    try:
        with tempfile.TemporaryDirectory(prefix="savepoint-bench-") as folder, postgres(Path(folder)) as server:
            environ = environ_of(Path(folder) / "home", port=port_free(), database_url=server.url)
            report.tell(f"{schedules} schedules are made")
            options = {"schedules": schedules, "due": DUE, "rounds": ROUNDS}
            found: dict[str, Any] = seed_run(environ, options, module="benchmarks.schedules_ticks")
    except ProgramMissing as missing:
        sys.exit(f"the benchmark schedules {missing.msg}")
    for kind, count in found["rows"].items():
        report.add(US, f"rows_{kind}", count, "rows")
    for metric, seconds in found["seconds"].items():
        report.add(US, metric, statistics.median(seconds), "s")
        report.add(US, f"{metric}_worst", max(seconds), "s")
