"""Checks of the house that no linter has: `python -m tests.lint`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINES_MAX = 400
GENERATED = ("migrations", "proto")
LOCK_FORBIDDEN = ("http:", "https:", "file:")


def files_tracked(*suffixes: str) -> list[Path]:
    """The files that git tracks, or would, with one of these endings."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listing.stdout.splitlines() if name.endswith(suffixes) and (ROOT / name).is_file()]


def files_too_long() -> list[str]:
    """Nothing grows into an everything-file."""
    found = []
    for path in files_tracked(".py"):
        if any(part in GENERATED for part in path.parts):
            continue
        lines = path.read_text().count("\n")
        if lines > LINES_MAX:
            found.append(f"{path.relative_to(ROOT)}: {lines} lines, the most is {LINES_MAX}: split it")
    return found


def locks_with_addresses() -> list[str]:
    """A lock names versions and hashes, never where one machine happened to fetch them."""
    return [
        f"{path.name}: holds an address"
        for path in files_tracked(".lock")
        if any(word in path.read_text() for word in LOCK_FORBIDDEN)
    ]


def main() -> int:
    """Print every finding; the exit status says whether there was one."""
    findings = files_too_long() + locks_with_addresses()
    print(*findings, sep="\n", end="\n" if findings else "")  # noqa: T201  # this is a command
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
