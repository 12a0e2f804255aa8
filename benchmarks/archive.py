"""The archive format: a full backup and a restore through the whole product, beside tar and a compressor.

Everything of one medium (world, storage, archives, restored trees) lies on that medium. The product's figure is the
wall time from the request to the end of the operation; its storage is synced to disk, what the peers write is not.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.peers import Cost, Peer, peers_installed
from benchmarks.product import Job, Product
from benchmarks.report import Report
from tests.processes.portal import portal

MEDIA = {"tmpfs": Path("/dev/shm"), "disk": Path("/var/tmp")}  # noqa: S108  # a folder of their own is made there
FULL = {"tmpfs": "full", "disk": "full_disk"}
US = "savepoint"

Timings = dict[tuple[str, str], list[float]]


def run(report: Report, megabytes: int, runs: int) -> None:
    """Measure on each medium, product and peers in turn, `runs` times; medians go into the report."""
    peers, report.missing = peers_installed()
    for medium, folder in MEDIA.items():
        with _folder(folder) as root, portal(root / "home", workers=1, megabytes=megabytes) as running:
            print(f"{medium}: a world of {megabytes} MB, {runs} runs each of {US}, {', '.join(p.name for p in peers)}")
            _medium(report, medium, root, Product(running), peers, runs)


def _medium(report: Report, medium: str, root: Path, product: Product, peers: list[Peer], runs: int) -> None:
    full, restore = FULL[medium], f"restore_{medium}"
    timings: Timings = defaultdict(list)
    report.add(f"{US} worker", "idle_rss", product.rss_mib("worker"), "MiB")
    for _ in range(runs):
        _run_product(timings, full, restore, product)
        for peer in peers:
            _run_peer(timings, full, restore, peer, product.world, root)
    units = {"seconds": "s", "peak_rss": "MiB", "stored": "MB", "download": "MB/s"}
    for (tool, metric), values in timings.items():
        unit = next((unit for word, unit in units.items() if metric.startswith(word)), "s")
        name = metric if medium == "tmpfs" or medium in metric else f"{metric}_{medium}"
        report.add(tool, name, median(values), unit)
    for peer in peers:
        for metric in (full, restore):
            report.ratios[f"{metric}.{peer.name}"] = median(timings[peer.name, metric]) / median(timings[US, metric])
        if medium == "tmpfs":
            report.ratios[f"stored.{peer.name}"] = median(timings[peer.name, "stored"]) / median(timings[US, "stored"])


def _run_product(timings: Timings, full: str, restore: str, product: Product) -> None:
    made = product.full()
    _note_job(timings, full, made)
    timings[US, "stored"].append(made.backup["size_bytes"] / 1e6)
    timings[US, "download"].append(product.download(made.backup))
    product.empty()
    _note_job(timings, restore, product.restore(made.backup["id"]))
    assert product.differences(made.backup) == []
    product.delete(made.backup["id"])


def _note_job(timings: Timings, metric: str, job: Job) -> None:
    timings[US, metric].append(job.wall)
    timings[US, f"{metric}_claim_to_commit"].append(job.claim_to_commit)
    for name in job.cpu:
        timings[f"{US} {name}", f"{metric}_cpu"].append(job.cpu[name])
        timings[f"{US} {name}", f"peak_rss_{metric}"].append(job.peak_rss_mib[name])


def _run_peer(timings: Timings, full: str, restore: str, peer: Peer, world: Path, root: Path) -> None:
    archive, target = root / "archive", root / "restored"
    target.mkdir()
    steps: dict[str, Callable[[], Cost]] = {
        full: lambda: peer.full(world, archive),
        restore: lambda: peer.restore(archive, target),
    }
    for metric, step in steps.items():
        cost = step()
        timings[peer.name, metric].append(cost.seconds)
        timings[peer.name, f"{metric}_cpu"].append(cost.cpu_seconds)
        timings[peer.name, f"peak_rss_{metric}"].append(cost.peak_rss_mib)
    timings[peer.name, "stored"].append(archive.stat().st_size / 1e6)
    archive.unlink()
    shutil.rmtree(target)


@contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="savepoint-bench-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
