"""The whole product with snapshots, beside restic and borg: full, unchanged, a week of days, restores, one file back.

The product's figure is the time from a worker's claim to the commit, by the operation's own row; that of a peer is its
whole process. The product's storage is synced to the disk before it commits, that of the peers is not. Files are at
rest for a minute before everyone's snapshot or restore, as almost all are at night: no tool has to read them again
because they are too young.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.figures import MB, MEDIA, US, Figures, folder_made
from benchmarks.peers import Cost
from benchmarks.product import Job, Product
from benchmarks.report import Report
from benchmarks.repository import SEED, SMALL_BYTES, SMALL_FILES, SUFFIX, WHOLE_MEGABYTES, ratios_fill
from benchmarks.repository_programs import Program, Tool, programs_installed
from benchmarks.world import small_files
from demo.comparison import differences, live_read
from demo.world import world_evolve
from tests.processes.portal import portal
from trees.trust import WRITTEN_BACK_NS

PEERS = ("restic", "borg")
DAYS = 7
ONE_FILE = Path("plugins/one-file.bin")
ONE_FILE_BYTES = 1 << 20
REST_SECONDS = WRITTEN_BACK_NS / 1e9 + 1
ONE_FILE_COMMANDS = {
    "restic": f"restore --quiet latest --target . --include /{ONE_FILE}",
    "borg": f"extract ::{{number}} {ONE_FILE}",
}


def run(report: Report, megabytes: int, runs: int, *, media: Sequence[str] = tuple(MEDIA)) -> None:
    """Measure on each of the media `runs` times; medians go into the report, ratios are those of each round."""
    programs, report.missing = programs_installed()
    peers = [program for program in programs if program.name in PEERS]
    report.versions = {program.name: program.version() for program in peers}
    figures = Figures(report)
    for medium in media:
        for number in range(runs):
            report.tell(f"{medium}: {megabytes} MB, round {number + 1} of {runs}, {US} and {', '.join(PEERS)}")
            _round(figures, medium, peers, megabytes)
            ratios_fill(figures)


def _round(figures: Figures, medium: str, peers: Sequence[Program], megabytes: int) -> None:
    with (
        folder_made(MEDIA[medium]) as root,
        portal(root / "home", workers=1, megabytes=megabytes, backup_format="repository") as running,
    ):
        product, suffix = Product(running), SUFFIX[medium]
        tools = [Tool(program, root / program.name) for program in peers]
        week = _Week(figures, root, product, tools, suffix)
        week.days()
        week.restores(medium)
        if medium == "tmpfs":
            count = SMALL_FILES * megabytes // WHOLE_MEGABYTES
            _Small(figures, root, product, tools, "").measure(count)


class _Measured:
    """The product and its peers on the product's own world."""

    def __init__(self, figures: Figures, root: Path, product: Product, tools: Sequence[Tool], suffix: str) -> None:
        self.figures, self.root, self.product, self.tools, self.suffix = figures, root, product, tools, suffix

    def snapshots(self, metric: str) -> Job:
        """Everyone makes a snapshot of the world, at rest."""
        time.sleep(REST_SECONDS)
        made = self.product.full()
        self.note(f"{metric}{self.suffix}", made)
        for tool in self.tools:
            cost = tool.snapshot(self.product.world)
            self.figures.note(tool.name, f"{metric}{self.suffix}", cost.seconds)
            self.figures.peak(tool.name, cost.peak_rss_mib)
        return made

    def restore_empty(self, metric: str, backup: str) -> None:
        """Everyone restores the last snapshot into an empty folder."""
        whole = live_read(self.product.world)
        self.product.empty()
        self.note(metric, self.product.restore(backup))
        assert differences(whole, live_read(self.product.world)) == []
        for tool in self.tools:
            self._peer(tool, metric, lambda tool, target: tool.restore(target))

    def _peer(self, tool: Tool, metric: str, restore: Callable[[Tool, Path], Cost]) -> None:
        target = self.root / "restored"
        target.mkdir(exist_ok=True)
        self.figures.note(tool.name, metric, restore(tool, target).seconds)
        shutil.rmtree(target)

    def note(self, metric: str, job: Job) -> None:
        """Note the product's figures of one operation."""
        self.figures.note(US, metric, job.claim_to_commit)
        self.figures.note(US, f"{metric}_wall", job.wall)
        for name in job.cpu:
            self.figures.note(f"{US} {name}", f"{metric}_cpu", job.cpu[name])
            self.figures.peak(f"{US} {name}", job.peak_rss_mib[name])


class _Week(_Measured):
    """A world that is played for a week."""

    last = ""

    def days(self) -> None:
        """Full, unchanged, then each day; the stored bytes after them."""
        world = self.product.world
        (world / ONE_FILE.parent).mkdir(exist_ok=True)
        (world / ONE_FILE).write_bytes(os.urandom(ONE_FILE_BYTES))
        self.snapshots("full")
        self.last = self.snapshots("unchanged").backup["id"]
        days: dict[str, list[float]] = {name: [] for name in (US, *(tool.name for tool in self.tools))}
        for day in range(1, DAYS + 1):
            world_evolve(world, seed=SEED, day=day)
            time.sleep(REST_SECONDS)
            made = self.product.full()
            self.last = made.backup["id"]
            days[US].append(made.claim_to_commit)
            self.figures.note(US, f"day_added{self.suffix}", made.backup["added_bytes"] / MB, "MB")
            for tool in self.tools:
                days[tool.name].append(tool.snapshot(world).seconds)
        for name, seconds in days.items():
            self.figures.note(name, f"day{self.suffix}", median(seconds))
        self.figures.note(US, f"stored{self.suffix}", self.product.stored_bytes() / MB, "MB")
        for tool in self.tools:
            self.figures.note(tool.name, f"stored{self.suffix}", tool.stored_bytes() / MB, "MB")

    def restores(self, medium: str) -> None:
        """Onto an empty server, onto a live one a day later, and one file alone."""
        world = self.product.world
        self.restore_empty(f"restore_{medium}", self.last)
        whole = live_read(world)
        world_evolve(world, seed=SEED, day=DAYS + 1)
        time.sleep(REST_SECONDS)
        live = f"delta_restore{self.suffix}"
        for tool in self.tools:
            if "delta_restore" in tool.program.restores_live:
                shutil.copytree(world, self.root / "restored", symlinks=True)
                self._peer(tool, live, lambda tool, target: tool.restore(target, "delta_restore"))
        self.note(live, self.product.restore(self.last))
        assert differences(whole, live_read(world)) == []
        self._one_file()

    def _one_file(self) -> None:
        metric, file = f"one_file{self.suffix}", self.product.world / ONE_FILE
        content = file.read_bytes()
        file.unlink()
        self.note(metric, self.product.restore(self.last, paths=[str(ONE_FILE)]))
        assert file.read_bytes() == content
        for tool in self.tools:
            self._peer(tool, metric, lambda tool, target: tool.run(ONE_FILE_COMMANDS[tool.name], target))


class _Small(_Measured):
    """Many small files in place of the world."""

    def measure(self, count: int) -> None:
        """Full, unchanged, restore onto an empty server."""
        self.product.empty()
        small_files(self.product.world / "small", seed=SEED, count=count, typical_bytes=SMALL_BYTES)
        self.snapshots("small_full")
        last = self.snapshots("small_unchanged").backup["id"]
        self.restore_empty("small_restore", last)
