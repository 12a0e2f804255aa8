"""The memory of ours on trees that are large in one way or another: it must not grow with them."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.figures import MEDIA, US, Figures, folder_made
from benchmarks.repository_programs import SAVEPOINT, Tool
from benchmarks.world import GIB, large_tree, small_files

SEED = 2
LARGE_BYTES = 20 * GIB
TINY_FILES, TINY_BYTES = 1_000_000, 60
LIMIT_MIB = 150


def memory_measure(figures: Figures, scale: float) -> None:
    """A full and an unchanged snapshot, and a restore, of 20 GiB and of a million files, times `scale`; on disk."""
    with folder_made(MEDIA["disk"]) as root:
        large_tree(root / "large", seed=SEED, size=int(LARGE_BYTES * scale))
        _measure(figures, root / "large", "20 GiB")
    with folder_made(MEDIA["disk"]) as root:
        small_files(root / "tiny", seed=SEED, count=int(TINY_FILES * scale), typical_bytes=TINY_BYTES)
        _measure(figures, root / "tiny", "1,000,000 files")
    for tool, mib in figures.peak_rss_mib.items():
        if tool.startswith(US) and mib > LIMIT_MIB:
            figures.report.tell(f"{tool} takes {mib:.0f} MiB, more than {LIMIT_MIB}")


def _measure(figures: Figures, tree: Path, name: str) -> None:
    tool = Tool(SAVEPOINT, tree.parent / "repository")
    for metric in ("full", "unchanged"):
        cost = tool.snapshot(tree)
        figures.note(f"{US} {name}", metric, cost.seconds)
        figures.note(f"{US} {name}", f"{metric}_rss", cost.peak_rss_mib, "MiB")
        figures.peak(f"{US} {name}", cost.peak_rss_mib)
    shutil.rmtree(tree)
    tree.mkdir()
    cost = tool.restore(tree)
    figures.note(f"{US} {name}", "restore", cost.seconds)
    figures.note(f"{US} {name}", "restore_rss", cost.peak_rss_mib, "MiB")
    figures.peak(f"{US} {name}", cost.peak_rss_mib)
