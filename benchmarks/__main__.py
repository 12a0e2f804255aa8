"""`python -m benchmarks [NAME …]`: run benchmarks, print their tables, write `benchmarks/results/NAME.json`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmarks import archive, repository, restore, scale
from benchmarks.figures import MEDIA
from benchmarks.report import Report

BENCHMARKS: dict[str, Callable[[Report, argparse.Namespace], None]] = {
    "archive": lambda report, options: archive.run(report, options.megabytes, options.runs),
    "repository": lambda report, options: repository.run(
        report, options.megabytes, options.runs, only=options.peers, media=options.media
    ),
    "restore": lambda report, options: restore.run(report, options.megabytes, options.runs),
    "scale": lambda report, options: scale.run(report, options.scale),
}


def main() -> None:
    """Run what was named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument(
        "--megabytes",
        type=int,
        default=1066,
        help="archive, repository, restore: the world's size (default: %(default)s)",
    )
    parser.add_argument(
        "--runs", type=int, default=3, help="archive, repository, restore: the median of so many (default: %(default)s)"
    )
    parser.add_argument("--peers", nargs="+", metavar="PEER", help="repository: compare with these only (default: all)")
    parser.add_argument("--media", nargs="+", choices=MEDIA, default=[*MEDIA], help="repository: default both")
    parser.add_argument(
        "--scale", type=float, default=1.0, help=f"scale: times {scale.ORDERS:,} orders (default: %(default)s)"
    )
    options = parser.parse_args()
    for name in options.names or BENCHMARKS:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
        report = Report(name)
        BENCHMARKS[name](report, options)
        report.print()
        print(f"written to {report.write()}")


if __name__ == "__main__":
    main()
