"""The archive format: a full backup and a restore through the whole product, beside tar and a compressor.

Everything of one medium (world, storage, archives, restored trees) lies on that medium. The product's figure is the
wall time from the request to the end of the operation; its storage is synced to disk, what the peers write is not.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from benchmarks.figures import MB, MEDIA, US, Figures, folder_made
from benchmarks.peers import Peer, peers_installed
from benchmarks.product import Job, Product
from benchmarks.report import Report
from tests.processes.portal import portal

FULL = {"tmpfs": "full", "disk": "full_disk"}
OURS = {US: "tar.gz", f"{US}_zstd": "tar.zst"}
"""Our formats by the names of their rows."""


def run(report: Report, megabytes: int, runs: int, *, media: Sequence[str] = tuple(MEDIA)) -> None:
    """Measure on each medium, product and peers in turn, `runs` times; medians go into the report."""
    peers, report.missing = peers_installed()
    figures = Figures(report)
    for medium in media:
        with folder_made(MEDIA[medium]) as root, portal(root / "home", workers=1, megabytes=megabytes) as running:
            names = ", ".join((*OURS, *(peer.name for peer in peers)))
            report.tell(f"{medium}: a world of {megabytes} MB, {runs} runs each of {names}")
            ours = Product(running)
            figures.note(f"{US} worker", "idle_rss", ours.rss_mib("worker"), "MiB")
            for number in range(runs):
                report.tell(f"{medium}: run {number + 1} of {runs}")
                for tool in OURS:
                    _run_product(figures, tool, medium, ours)
                for peer in peers:
                    _run_peer(figures, medium, peer, ours.world, root)
    for peer, (tool, format_) in product(peers, OURS.items()):
        suffix = peer.name if tool == US else f"{peer.name}.{format_}"
        for metric in (*(FULL[medium] for medium in media), *(f"restore_{medium}" for medium in media)):
            report.ratios[f"{metric}.{suffix}"] = figures.median(peer.name, metric) / figures.median(tool, metric)
        stored = [figures.median(name, "stored", "MB") for name in (peer.name, tool)]
        report.ratios[f"stored.{suffix}"] = stored[0] / stored[1]


def _run_product(figures: Figures, tool: str, medium: str, running: Product) -> None:
    running.archives_become(OURS[tool])
    made = running.full()
    _note_job(figures, tool, FULL[medium], made)
    figures.note(tool, "stored", made.backup["size_bytes"] / MB, "MB")
    figures.note(tool, f"download_{medium}", running.download(made.backup), "MB/s")
    running.empty()
    _note_job(figures, tool, f"restore_{medium}", running.restore(made.backup["id"]))
    assert running.differences(made.backup) == []
    running.delete(made.backup["id"])


def _note_job(figures: Figures, tool: str, metric: str, job: Job) -> None:
    figures.note(tool, metric, job.wall)
    figures.note(tool, f"{metric}_claim_to_commit", job.claim_to_commit)
    for name in job.cpu:
        figures.note(f"{tool} {name}", f"{metric}_cpu", job.cpu[name])
        figures.peak(f"{tool} {name}", job.peak_rss_mib[name])


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
