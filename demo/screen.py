"""Output of the demo: lines, and one line of progress, which a terminal overwrites."""

from __future__ import annotations

import sys
from contextlib import suppress

BAR_CELLS = 24
MB = 1_000_000


class Screen:
    """Writes to standard output; a closed output stops nothing."""

    def __init__(self) -> None:
        self._rewrites = sys.stdout.isatty()
        self._bar = ""

    def say(self, text: str = "") -> None:
        """Write a line."""
        if self._bar and self._rewrites:
            text = f"\n{text}"
        self._bar = ""
        self._write(f"{text}\n")

    def progress(self, *, done: int, total: int | None, rate: int) -> None:
        """Show how far it is; without a terminal, when the bar has grown."""
        share = min(1.0, done / total) if total else 0.0
        cells = int(share * BAR_CELLS)
        bar = "#" * cells + "." * (BAR_CELLS - cells)
        if bar == self._bar and not self._rewrites:
            return
        self._bar = bar
        line = f"  [{bar}] {share:4.0%}  {done / MB:6.1f} MB  {rate / MB:6.1f} MB/s"
        self._write(f"\r{line}" if self._rewrites else f"{line}\n")

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stdout.write(text)
            sys.stdout.flush()
