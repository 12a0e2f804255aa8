"""`python -m tests.chaos [SEED [RUNS]]`: play seeded runs; `python -m tests.chaos sweep [short]`: fail every call;
`python -m tests.chaos points`: cause every fault at every named call.

The exit status is 0 when every invariant was kept. The counts are written as JSON to `--json FILE`, by default to
`tests/chaos/results/seeds.json`, `sweep.json` or `points.json`.
"""

# ruff: noqa: T201, S311 - a command prints; its random numbers must be repeatable

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from tests.chaos.tally import Tally
    from tests.chaos.world import World

MEMORY = Path("/dev/shm")  # noqa: S108 - only probed; files in it get unique names

LOG_SHOWN = 4000


def main(arguments: list[str]) -> int:
    """Play as asked, print and write the result, and return the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from tests.chaos.faults import never_fired
    from tests.chaos.mounts import namespace_own
    from tests.chaos.processes import patience_shorten
    from tests.chaos.tally import RESULTS, Tally, result_write
    from tests.chaos.volume import volume
    from tests.chaos.world import database_make

    asked = _parsed(arguments)
    patience_shorten()
    tally, began = Tally(), time.monotonic()
    namespace_own()
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="chaos", dir=memory) as name, volume(Path(name)) as folder:
        Path(name).chmod(0o711)  # the sidecar's user passes through it
        runs = Runs(folder, database_make(folder / "template.sqlite3"), tally)
        done, seeds = runs.play(asked)
    result = tally.told(
        name=asked.what, seeds=seeds, seconds=time.monotonic() - began, never_fired=never_fired(tally.points)
    )
    result_write(asked.json or RESULTS / f"{asked.what}.json", result)
    for kind, times in result["faults"].items():
        print(f"{times:7}  {kind}")
    for point, times in result["faults_at"].items():
        print(f"{times:7}  at {point}")
    print(f"{len(result['never_fired'])} named faults never fired: the JSON has them")
    print(f"{done}, {result['faults_total']} faults, {result['seconds']:.0f} s")
    print(*tally.violations, sep="\n", end="\n" if tally.violations else "")
    return bool(tally.violations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The runs to play: `seeds` (a number of runs from the first seed on), `sweep` or `points`."""

    what: str
    first: int = 0
    runs: int = 1
    short: bool = False
    json: Path | None = None


def _parsed(arguments: list[str]) -> Asked:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("what", nargs="?", default="random", help="a seed, `random`, `sweep` or `points`")
    parser.add_argument("more", nargs="?", default="1", help="the number of runs, or `short` for a short sweep")
    parser.add_argument("--json", type=Path, help="the file for the counts")
    found = parser.parse_args(arguments)
    if found.what in ("sweep", "points"):
        return Asked(what=found.what, short=found.more == "short", json=found.json)
    first = secrets.randbelow(10**6) if found.what == "random" else int(found.what)
    return Asked(what="seeds", first=first, runs=int(found.more), json=found.json)


class Runs:
    """Plays runs in worlds of their own, below a folder, with copies of one database."""

    def __init__(self, folder: Path, database: Path, tally: Tally) -> None:
        self._folder = folder
        self._database = database
        self._tally = tally

    def play(self, asked: Asked) -> tuple[str, range]:
        """Play as asked; returns a summary, and the seeds. Commands that replay failures are noted as violations."""
        from tests.chaos.playing import run_play
        from tests.chaos.sweeping import points_sweep, sweep

        if asked.what == "sweep":
            self._play(0, lambda world: sweep(world, short=asked.short), again="python -m tests.chaos sweep")
            return "calls of creates, restores, deletes, prunes and verifications of both formats", range(1)
        if asked.what == "points":
            self._play(0, points_sweep, again="python -m tests.chaos points")
            return "every fault at every named call", range(1)
        seeds = range(asked.first, asked.first + asked.runs)
        for seed in seeds:
            self._play(seed, lambda world: run_play(world, seed), again=f"make chaos SEED={seed}")  # noqa: B023
        return f"{asked.runs} runs from seed {asked.first} on", seeds

    def _play(self, seed: int, play: Callable[[World], object], *, again: str) -> None:
        """Play in a new world; on a violation, print the steps and note it."""
        from tests.chaos.world import Clock, World

        with Clock() as clock:
            world = World(
                self._folder / str(seed), database=self._database, rng=Random(seed), clock=clock, tally=self._tally
            )
            try:
                play(world)
            except Exception as error:  # noqa: BLE001 - print the steps for any error, then begin the next run
                steps = (f"{number:3} {step}" for number, step in enumerate(world.steps))
                print(f"\nseed {seed}:", *steps, sep="\n  ")
                traceback.print_exc(file=sys.stdout)
                print(world.log.read_text(errors="replace")[-LOG_SHOWN:])
                self._tally.violations.append(f"FAILED: {again}: {error}")
            finally:
                world.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
