"""`python -m tests.chaos [SEED [RUNS]]`: play seeded runs; `python -m tests.chaos sweep [short]`: fail every call;
`python -m tests.chaos points`: cause every fault at every named call.

The exit status is 0 when every invariant was kept.
"""

# ruff: noqa: T201, S311 - a command prints; its random numbers must be repeatable

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from tests.chaos.world import World

MEMORY = Path("/dev/shm")  # noqa: S108 - only probed; files in it get unique names

LOG_SHOWN = 4000


def main(arguments: list[str]) -> int:
    """Play as asked, print the result, and return the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from tests.chaos.faults import never_fired
    from tests.chaos.mounts import namespace_own
    from tests.chaos.processes import patience_shorten
    from tests.chaos.volume import volume
    from tests.chaos.world import database_make

    patience_shorten()
    happened, points = Counter[str](), Counter[str]()
    began = time.monotonic()
    namespace_own()
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="chaos", dir=memory) as name, volume(Path(name)) as folder:
        Path(name).chmod(0o711)  # the sidecar's user passes through it
        database = database_make(folder / "template.sqlite3")
        if arguments == ["points"]:
            done, failed = _points(folder, database, happened, points)
        elif arguments[:1] == ["sweep"]:
            done, failed = _sweep(folder, database, happened, points, short=arguments[1:] == ["short"])
        else:
            done, failed = _seeds_play(folder, database, happened, points, *arguments)
    for kind, times in sorted(happened.items()):
        print(f"{times:7}  {kind}")
    for point, times in sorted(points.items()):
        print(f"{times:7}  at {point}")
    if missed := never_fired(points):
        print(f"{len(missed)} named faults never fired:", ", ".join(missed))
    print(f"{done}, {sum(happened.values())} faults, {time.monotonic() - began:.0f} s")
    print(*failed, sep="\n", end="\n" if failed else "")
    return bool(failed)


def _seeds_play(
    folder: Path,
    database: Path,
    happened: Counter[str],
    points: Counter[str],
    first: str = "random",
    runs: str = "1",
) -> tuple[str, list[str]]:
    """Play runs from a seed, or from a random one; returns a summary, and the commands that replay failures."""
    from tests.chaos.playing import run_play

    seed = secrets.randbelow(10**6) if first == "random" else int(first)
    failed = [
        f"FAILED: make chaos SEED={number}"
        for number in range(seed, seed + int(runs))
        if not _play(number, folder, database, happened, points, lambda world: run_play(world, number))  # noqa: B023
    ]
    return f"{runs} runs from seed {seed} on", failed


def _sweep(
    folder: Path, database: Path, happened: Counter[str], points: Counter[str], *, short: bool
) -> tuple[str, list[str]]:
    from tests.chaos.sweeping import sweep

    held = _play(0, folder, database, happened, points, lambda world: sweep(world, short=short))
    done = "calls of creates, restores, deletes and prunes of both formats"
    return done, [] if held else ["FAILED: python -m tests.chaos sweep"]


def _points(folder: Path, database: Path, happened: Counter[str], points: Counter[str]) -> tuple[str, list[str]]:
    from tests.chaos.sweeping import points_sweep

    held = _play(0, folder, database, happened, points, points_sweep)
    return "every fault at every named call", [] if held else ["FAILED: python -m tests.chaos points"]


def _play(
    seed: int,
    folder: Path,
    database: Path,
    happened: Counter[str],
    points: Counter[str],
    play: Callable[[World], object],
) -> bool:
    """Play in a new world; on a violation, print the steps and return False."""
    from tests.chaos.world import Clock, World

    with Clock() as clock:
        world = World(
            folder / str(seed), database=database, rng=Random(seed), clock=clock, happened=happened, points=points
        )
        try:
            play(world)
        except Exception:  # noqa: BLE001 - print the steps for any error, then begin the next run
            print(f"\nseed {seed}:", *(f"{number:3} {step}" for number, step in enumerate(world.steps)), sep="\n  ")
            traceback.print_exc(file=sys.stdout)
            print(world.log.read_text(errors="replace")[-LOG_SHOWN:])
            return False
        finally:
            world.close()
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
