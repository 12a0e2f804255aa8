"""The archive format: a full backup and a restore through the whole product, beside tar and a compressor.

Everything of one medium (world, storage, archives, restored trees) lies on that medium. The product's figure is the
wall time from the request to the end of the operation; its storage is synced to disk, what the peers write is not.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import MB, MEDIA, US, Figures, folder_made
from benchmarks.peers import Peer, peers_installed
from benchmarks.product import Job, Product
from benchmarks.report import Report
from tests.processes.portal import portal

FULL = {"tmpfs": "full", "disk": "full_disk"}


def run(report: Report, megabytes: int, runs: int, *, media: Sequence[str] = tuple(MEDIA)) -> None:
    """Measure on each medium, product and peers in turn, `runs` times; medians go into the report."""
    peers, report.missing = peers_installed()
    figures = Figures(report)
    for medium in media:
        with folder_made(MEDIA[medium]) as root, portal(root / "home", workers=1, megabytes=megabytes) as running:
            names = ", ".join(peer.name for peer in peers)
            report.tell(f"{medium}: a world of {megabytes} MB, {runs} runs each of {US}, {names}")
            product = Product(running)
            figures.note(f"{US} worker", "idle_rss", product.rss_mib("worker"), "MiB")
            for number in range(runs):
                report.tell(f"{medium}: run {number + 1} of {runs}")
                _run_product(figures, medium, product)
                for peer in peers:
                    _run_peer(figures, medium, peer, product.world, root)
    for peer in peers:
        for metric in (*(FULL[medium] for medium in media), *(f"restore_{medium}" for medium in media)):
            report.ratios[f"{metric}.{peer.name}"] = figures.median(peer.name, metric) / figures.median(US, metric)
        stored = [figures.median(tool, "stored", "MB") for tool in (peer.name, US)]
        report.ratios[f"stored.{peer.name}"] = stored[0] / stored[1]


def _run_product(figures: Figures, medium: str, product: Product) -> None:
    made = product.full()
    _note_job(figures, FULL[medium], made)
    figures.note(US, "stored", made.backup["size_bytes"] / MB, "MB")
    figures.note(US, f"download_{medium}", product.download(made.backup), "MB/s")
    product.empty()
    _note_job(figures, f"restore_{medium}", product.restore(made.backup["id"]))
    assert product.differences(made.backup) == []
    product.delete(made.backup["id"])


def _note_job(figures: Figures, metric: str, job: Job) -> None:
    figures.note(US, metric, job.wall)
    figures.note(US, f"{metric}_claim_to_commit", job.claim_to_commit)
    for name in job.cpu:
        figures.note(f"{US} {name}", f"{metric}_cpu", job.cpu[name])
        figures.peak(f"{US} {name}", job.peak_rss_mib[name])


def _run_peer(figures: Figures, medium: str, peer: Peer, world: Path, root: Path) -> None:
    archive, target = root / "archive", root / "restored"
    target.mkdir()
    costs = {FULL[medium]: peer.full(world, archive), f"restore_{medium}": peer.restore(archive, target)}
    for metric, cost in costs.items():
        figures.note(peer.name, metric, cost.seconds)
        figures.note(peer.name, f"{metric}_cpu", cost.cpu_seconds)
        figures.peak(peer.name, cost.peak_rss_mib)
    figures.note(peer.name, "stored", archive.stat().st_size / MB, "MB")
    archive.unlink()
    shutil.rmtree(target)
