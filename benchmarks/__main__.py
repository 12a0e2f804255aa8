"""`python -m benchmarks [NAME …]`: run benchmarks, print their figures as they come, write `benchmarks/results/`.

With `--runs 1` a benchmark takes its short form: one round, of half the world, on tmpfs; the repository's is beside
restic and borg only. Figures so far are in `NAME.partial.json`, those of a whole run in `NAME.json`, those of a run
with options of its own in `NAME.short.json`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from benchmarks import archive, browsing, repository, restore, scale, schedules, snapshots
from benchmarks.figures import MEDIA
from benchmarks.report import Report

BENCHMARKS: dict[str, Callable[[Report, argparse.Namespace], None]] = {
    "archive": lambda report, options: archive.run(report, options.megabytes, options.runs, media=options.media),
    "browsing": lambda report, options: browsing.run(report, options.runs),
    "repository": lambda report, options: repository.run(
        report, options.megabytes, options.runs, only=options.peers, media=options.media
    ),
    "product": lambda report, options: snapshots.run(report, options.megabytes, options.runs, media=options.media),
    "restore": lambda report, options: restore.run(report, options.megabytes, options.runs),
    "scale": lambda report, options: scale.run(report, options.scale),
    "schedules": lambda report, options: schedules.run(report, options.scale),
}
WHOLE: dict[str, Any] = {"runs": 3, "megabytes": 1066, "media": [*MEDIA], "peers": None, "scale": 1.0}
SHORT: dict[str, Any] = WHOLE | {"runs": 1, "megabytes": 533, "media": ["tmpfs"], "peers": ["restic", "borg"]}


def main() -> None:
    """Run the named benchmarks, or all."""
    options = _options()
    changed = {name: value for name, value in vars(options).items() if name in WHOLE and value != WHOLE[name]}
    for name in options.names or BENCHMARKS:
        report = Report(name, changed)
        BENCHMARKS[name](report, options)
        report.print()
        print(f"written to {report.write()}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--runs", type=int, help="not scale, schedules: the median of so many (default: 3)")
    parser.add_argument(
        "--megabytes", type=int, help="not scale, schedules: of the world (default: 1066, with one run 533)"
    )
    parser.add_argument(
        "--media", nargs="+", choices=MEDIA, help="archive, product, repository (default: both, with one run tmpfs)"
    )
    parser.add_argument("--peers", nargs="+", metavar="PEER", help="repository: compare with these only")
    parser.add_argument("--scale", type=float, help=f"scale, schedules: times {scale.ORDERS:,} (default: 1.0)")
    options = parser.parse_args()
    for name, default in (SHORT if options.runs == 1 else WHOLE).items():
        if getattr(options, name) is None:
            setattr(options, name, default)
    for name in options.names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
    return options


if __name__ == "__main__":
    main()
