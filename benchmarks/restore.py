"""The sidecar's restore engine beside `tar -xzf` of the same archive, in memory.

The archive is one that the product packs. tar only ever unpacks into an empty folder; the engine also restores onto
live data of which all, a little or nothing differs. Every run is paired with one of tar's, and the ratio is the median
of the pairs'. The engine's time goes from the call to its end, with the journal's syncs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from random import Random

from benchmarks.figures import MEDIA, US, Figures, folder_made
from benchmarks.proc import peak_begin, status_mib
from benchmarks.report import Report
from demo.comparison import archive_differences, archive_read
from demo.world import world_generate
from sidecar.archive.pack import tree_pack
from sidecar.restore.archive import archive_extract
from sidecar.restore.outcome import outcome_release
from wire.enums import Mode

PEER = "tar_gzip"
FULL = "restore_full"
OPERATION = "5f3e8c1a-7d42-4b60-9a1e-000000000001"
DIFFERING = {"restore_unchanged": 0.0, "restore_changed": 0.02, "restore_all_changed": 1.0}
"""The share of the live data's bytes that lies in files of which one byte differs."""


def run(report: Report, megabytes: int, runs: int) -> None:
    """Measure tar and every case in turn, `runs` times; medians go into the report."""
    figures = Figures(report)
    with folder_made(MEDIA["tmpfs"]) as place:
        world, archive, empty = place / "world", place / "world.tar.gz", place / "empty"
        world_generate(world, seed=1, megabytes=megabytes)
        with archive.open("wb") as sink:
            tree_pack(root=world, sink=sink, on_progress=lambda _: None, cancelled=lambda: False)
        report.tell(f"a world of {megabytes} MB, {runs} runs each of {PEER} and {US}")
        peak_begin(os.getpid())
        for number in range(runs):
            report.tell(f"run {number + 1} of {runs}")
            figures.note(PEER, FULL, _tar(archive, empty))
            figures.note(US, FULL, _restore(archive, empty))
            for metric, share in DIFFERING.items():
                _change(world, share, Random(number))  # noqa: S311  # what is measured, no secret
                figures.note(US, metric, _restore(archive, world))
        figures.peak(US, status_mib(os.getpid(), "VmHWM"))
    for metric in (FULL, *DIFFERING):
        report.ratios[f"{metric}.{PEER}"] = figures.ratio(PEER, FULL, ours=metric)


def _tar(archive: Path, root: Path) -> float:
    root.mkdir()
    began = time.perf_counter()
    subprocess.run(["tar", "-C", root, "-xzf", archive], check=True)
    seconds = time.perf_counter() - began
    shutil.rmtree(root)
    return seconds


def _restore(archive: Path, root: Path) -> float:
    """Restore into a root, a temporary one if it does not exist, and check the result."""
    made = not root.exists()
    root.mkdir(exist_ok=True)
    began = time.perf_counter()
    archive_extract(
        archive=archive,
        root=root,
        operation=OPERATION,
        mode=Mode.REPLACE,
        on_progress=lambda _: None,
        cancelled=lambda: False,
    )
    seconds = time.perf_counter() - began
    outcome_release(root=root, operation=OPERATION)
    with archive.open("rb") as packed:
        assert archive_differences(archive_read(packed), root) == []
    if made:
        shutil.rmtree(root)
    return seconds


def _change(root: Path, share: float, random: Random) -> None:
    """Flip one byte, anywhere, in files that hold a share of all bytes; sizes and times stay."""
    statuses = {path: path.lstat() for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()}
    left = share * sum(status.st_size for status in statuses.values())
    for path in random.sample(list(statuses), len(statuses)):
        status = statuses[path]
        if status.st_size == 0 or status.st_size > left:
            continue
        left -= status.st_size
        with path.open("r+b") as file:
            place = random.randrange(status.st_size)
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1]))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
