"""The repository beside restic, borg and duplicity: full, unchanged, a week of days, restores, stored bytes, memory.

Every tool keeps the same world at the same time: in each round all of them make their full snapshot, in an order that
is drawn anew, then all of them the next one, and so on. A figure is the median of the rounds' (a day's: of the median
days), a ratio that of the rounds' ratios. Every restored tree is compared with what was kept before its time counts.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

from benchmarks.figures import MB, MEDIA, US, Figures, folder_made
from benchmarks.peers import Cost
from benchmarks.proc import memory_touch
from benchmarks.report import Report
from benchmarks.repository_memory import memory_measure
from benchmarks.repository_programs import SAVEPOINT, Program, Tool, programs_installed
from benchmarks.world import small_files
from benchmarks.world_database import database_check, database_grow, database_written
from demo.comparison import but_for, differences, tree_read
from demo.world import DATABASE, world_evolve, world_generate

SEED = 1
DAYS = 7
WHOLE_MEGABYTES = 1066
"""The world's size at which the other trees have theirs; they grow and shrink with it."""
SMALL_FILES, SMALL_BYTES = 50_000, 1500
DATABASE_ROWS = 2_000_000
JOURNAL_MODES = "delete", "wal"
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
SUFFIX = {"tmpfs": "", "disk": "_disk"}
SHARE_BASE, DAY_SHARE, DELTA_SHARE = 0.1, 0.1, 0.4
"""The bytes that a run writes, as a share of the world's size: any run, one after a day, a restore onto a live tree."""
TOUCHED_TIMES = 3
"""Memory is not handed out in the order in which it was freed."""
RESIDENT = "_resident"
"""A metric of ours without the start of a process, as in a worker; compared with the same of a peer, which has one."""


@dataclass
class Bench:
    """One medium's rounds."""

    figures: Figures
    programs: Sequence[Program]
    medium: str
    root: Path
    megabytes: int
    random: Random = field(default_factory=lambda: Random(SEED))  # noqa: S311  # an order, no secret

    def tools(self, name: str) -> list[Tool]:
        """A new repository for each program."""
        (self.root / name).mkdir()
        return [Tool(program, self.root / name / program.name) for program in self.programs]

    def shuffled(self, tools: Sequence[Tool]) -> Iterator[Tool]:
        """The tools in an order of chance."""
        yield from self.random.sample(tools, len(tools))

    def done_with(self, tree: Path) -> None:
        """Put a tree out of the way; on disk it is deleted with all the rest, at the end.

        For minutes ext4 does not reuse the inodes of deleted files, and searches past them for every new file: a tree
        that one tool restored and another deleted would be half of the next tool's time.
        """
        if self.medium == "disk":
            (self.root / "done").mkdir(exist_ok=True)
            tree.rename(self.root / "done" / secrets.token_hex(8))
        else:
            shutil.rmtree(tree)

    def calm(self, share: float = 1.0) -> None:
        """Sync earlier writes to the disk, and make memory for that share of the world available to the next run."""
        if self.medium == "disk":
            os.sync()
        memory_touch(int(self.megabytes * MB * (share + SHARE_BASE)) * TOUCHED_TIMES)

    def note(self, tool: Tool, metric: str, cost: Cost) -> None:
        """Record the cost of a run."""
        self.figures.note(tool.name, metric, cost.seconds)
        self.figures.note(tool.name, f"{metric}_cpu", cost.cpu_seconds)
        self.figures.peak(tool.name, cost.peak_rss_mib)
        resident = tool.resident_seconds()
        if resident is not None:
            self.figures.note(tool.name, f"{metric}{RESIDENT}", resident)

    def snapshots(self, tools: Sequence[Tool], source: Path, metric: str, *, share: float = 1.0) -> None:
        """Every tool makes a snapshot, which writes about that share of the world."""
        for tool in self.shuffled(tools):
            self.calm(share)
            self.note(tool, metric, tool.snapshot(source))

    def restores(self, tools: Sequence[Tool], source: Path, metric: str) -> None:
        """Every tool restores its last snapshot, which is of `source` as it is, into an empty folder."""
        target = self.root / "restored"
        for tool in self.shuffled(tools):
            target.mkdir()
            self.calm()
            cost = tool.restore(target)
            differences = _differences(source, target, exactly=tool.program.keeps_exactly)
            assert differences == [], (tool.name, differences)
            self.note(tool, metric, cost)
            self.done_with(target)


def _differences(kept: Path, restored: Path, *, exactly: bool, extra: bool = False) -> list[str]:
    """How a restored tree is not what was kept; `extra` allows more names in it.

    `exactly` also compares modes, owners, times to the ns and which names are one file, but for symbolic links.
    """
    wanted, found = (but_for(tree_read(root), "names", "xattrs") for root in (kept, restored))
    kind = "link" if exactly else ""
    one, other = (but_for(tree, "mode", "owner", "mtime_ns", "first", kind=kind) for tree in (wanted, found))
    return differences(one, {path: other[path] for path in other if path in one or not extra})


def run(
    report: Report,
    megabytes: int,
    runs: int,
    *,
    only: Sequence[str] | None = None,
    media: Sequence[str] = tuple(MEDIA),
) -> None:
    """Measure on each of the media `runs` times, then on disk the memory of ours; medians go into the report."""
    peers, report.missing = programs_installed()
    peers = [peer for peer in peers if only is None or peer.name in only]
    programs = [SAVEPOINT, *peers]
    report.versions = {program.name: program.version() for program in peers}
    figures = Figures(report)
    compare(figures, programs, megabytes, runs, media)
    if "disk" in media:
        report.tell("disk: the memory of ours on large trees")
        memory_measure(figures, megabytes / WHOLE_MEGABYTES)


def compare(figures: Figures, programs: Sequence[Program], megabytes: int, runs: int, media: Sequence[str]) -> None:
    """Measure the programs beside each other; the ratios of each round that is done are in the report."""
    report = figures.report
    for medium in media:
        with folder_made(MEDIA[medium]) as root:
            report.tell(f"{medium}: {megabytes} MB, {runs} rounds of {', '.join(program.name for program in programs)}")
            bench = Bench(figures, programs, medium, root, megabytes)
            world_generate(root / "origin", seed=SEED, megabytes=megabytes)
            for number in range(runs):
                report.tell(f"{medium}: round {number + 1} of {runs}")
                _round_week(bench)
                if medium == "disk":
                    _round_cold(bench)
                else:
                    _round_database(bench, megabytes)
                ratios_fill(figures)
            shutil.rmtree(root / "origin")
            if medium == "tmpfs":
                small_files(
                    root / "small",
                    seed=SEED,
                    count=SMALL_FILES * megabytes // WHOLE_MEGABYTES,
                    typical_bytes=SMALL_BYTES,
                )
                for number in range(runs):
                    report.tell(f"{medium}: small files, round {number + 1} of {runs}")
                    _round_small(bench)
                    ratios_fill(figures)


def ratios_fill(figures: Figures) -> None:
    """Ours beside each peer's, of the rounds that are done."""
    report = figures.report
    for tool, metric, unit in list(figures.runs):
        if not tool.startswith(US) and not metric.endswith(("_cpu", "_intact")) and (US, metric, unit) in figures.runs:
            report.ratios[f"{metric}.{tool}"] = figures.ratio(tool, metric, unit)
            if (US, metric + RESIDENT, unit) in figures.runs:
                report.ratios[f"{metric}{RESIDENT}.{tool}"] = figures.ratio(tool, metric, unit, ours=metric + RESIDENT)


def _round_week(bench: Bench) -> None:
    """Full, unchanged, seven days, and restores of the last of them."""
    world, suffix = bench.root / "world", SUFFIX[bench.medium]
    _copy(bench.root / "origin", world)
    tools = bench.tools("week")
    bench.snapshots(tools, world, f"full{suffix}")
    bench.snapshots(tools, world, f"unchanged{suffix}", share=0)
    days: dict[str, list[float]] = {tool.name: [] for tool in tools}
    resident: list[float] = []
    for day in range(1, DAYS + 1):
        world_evolve(world, seed=SEED, day=day)
        for tool in bench.shuffled(tools):
            bench.calm(DAY_SHARE)
            cost = tool.snapshot(world)
            days[tool.name].append(cost.seconds)
            resident += [seconds] if (seconds := tool.resident_seconds()) is not None else []
            bench.figures.peak(tool.name, cost.peak_rss_mib)
    bench.figures.note(US, f"day{suffix}{RESIDENT}", median(resident))
    for tool in tools:
        bench.figures.note(tool.name, f"day{suffix}", median(days[tool.name]))
        bench.figures.note(tool.name, f"stored{suffix}", tool.stored_bytes() / MB, "MB")
    bench.restores(tools, world, f"restore_{bench.medium}")
    _round_delta(bench, tools, world, suffix)
    shutil.rmtree(world)
    shutil.rmtree(bench.root / "week")


def _round_delta(bench: Bench, tools: Sequence[Tool], world: Path, suffix: str) -> None:
    """Every tool restores its last snapshot onto the tree it was made of, a day later."""
    kept = bench.root / "kept"
    world.rename(kept)
    runs = [(tool, metric) for tool in tools for metric in tool.program.restores_live]
    # The same for each: a tree that no other tool restored, and its own snapshot of it.
    copies = [bench.root / f"copy{number}" for number in range(len(runs))]
    for copy in copies:
        _copy(kept, copy)
    for tool, metric in bench.random.sample(runs, len(runs)):
        copies.pop().rename(world)
        tool.snapshot(world)
        world_evolve(world, seed=SEED, day=DAYS + 1)
        bench.calm(DELTA_SHARE)
        cost = tool.restore(world, metric)
        extra = tool.program.leaves_extra
        differences = _differences(kept, world, exactly=not extra, extra=extra)
        assert differences == [], (tool.name, differences)
        bench.note(tool, f"{metric}{suffix}", cost)
        bench.done_with(world)
    kept.rename(world)


def _round_cold(bench: Bench) -> None:
    """Full snapshots of files that are not in memory."""
    if not os.access(DROP_CACHES, os.W_OK):
        return
    tools = bench.tools("cold")
    for tool in bench.shuffled(tools):
        bench.calm()
        DROP_CACHES.write_text("3")
        bench.note(tool, "full_cold", tool.snapshot(bench.root / "origin"))
    shutil.rmtree(bench.root / "cold")


def _round_small(bench: Bench) -> None:
    tools, tree = bench.tools("small_files"), bench.root / "small"
    bench.snapshots(tools, tree, "small_full")
    bench.snapshots(tools, tree, "small_unchanged", share=0)
    bench.restores(tools, tree, "small_restore")
    shutil.rmtree(bench.root / "small_files")


def _round_database(bench: Bench, megabytes: int) -> None:
    """Full snapshots of a database that another process writes to, and whether the restored database is whole."""
    source, target = bench.root / "database", bench.root / "restored"
    source.mkdir()
    shutil.copy(bench.root / "origin" / DATABASE, source / "database.db")
    database_grow(source / "database.db", seed=SEED, rows=DATABASE_ROWS * megabytes // WHOLE_MEGABYTES)
    for mode in JOURNAL_MODES:
        tools = bench.tools(f"database_{mode}")
        for tool in bench.shuffled(tools):
            bench.calm(DAY_SHARE)
            with database_written(source / "database.db", mode):
                bench.note(tool, f"database_{mode}", tool.snapshot(source))
            target.mkdir()
            tool.restore(target)
            found = database_check(target / "database.db")
            bench.figures.report.tell(f"{tool.name} restored a database written to in mode {mode}: {found}")
            bench.figures.note(tool.name, f"database_{mode}_intact", found == "ok", "share")
            shutil.rmtree(target)
        shutil.rmtree(bench.root / f"database_{mode}")
    shutil.rmtree(source)


def _copy(origin: Path, world: Path) -> None:
    subprocess.run(["cp", "-a", origin, world], check=True)
