"""Browsing a backup of a million files, in the shapes that cost the most: a root of 1,000 folders of 1,000 files each.

Measured below the pages, in one process: the entries of a page of 100, of a snapshot whose chunks are in memory, and of
an archive whose listing is a file. The first time nothing is held; an archive's listing is made into blocks then.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import TYPE_CHECKING

import django

from benchmarks.report import Report
from repository.archive.object_keys import LISTING_SUFFIX
from repository.browsing import Blocks, children, item_find
from repository.chunked.manifest.blocks import ChunksRead, ManifestBlocks
from repository.chunked.manifest.records import Content, Record
from tests.repository.restoring.trees import Kept
from trees.source import Kind
from trees.trust import Stat
from wire.listing import FILE, FOLDER, Entry, ListingWriter

if TYPE_CHECKING:
    from backups.formats.archive_contents import ArchiveBlocks

FOLDERS, FILES, PAGE = 1000, 1000, 101
ROUNDS = 9
TIME = 1_600_000_000_000_000_000
US = "savepoint"


def run(report: Report, runs: int) -> None:
    """Measure `runs` times nine rounds; p50 and p95 of all go into the report."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
        os.environ["SAVEPOINT_HOME"] = folder
        django.setup()
        kept = Kept()
        report.tell(f"a snapshot of {FOLDERS * FILES:,} files")
        snapshot = kept.keep_records(_records())
        repository = kept.opened()
        held = ChunksRead()
        manifest = repository.manifest(snapshot)
        _measure(report, "snapshot", runs, lambda: ManifestBlocks(repository.manifest(snapshot), ChunksRead()))
        _measure(report, "snapshot, again", runs, lambda: ManifestBlocks(manifest, held))
        report.tell(f"the listing of an archive of {FOLDERS * FILES:,} files")
        archive = _Archive(Path(folder))
        _measure(report, "archive", runs, archive.first)
        _measure(report, "archive, again", runs, archive.blocks)


def _measure(report: Report, name: str, runs: int, opened: Callable[[], Blocks]) -> None:
    """The first page of the root, a page in the middle, and one path, each from blocks that were just opened."""
    looks: dict[str, Callable[[Blocks], object]] = {
        "root": lambda blocks: list(islice(children(blocks, b""), PAGE)),
        "root, middle": lambda blocks: list(islice(children(blocks, b"", beyond=b"folder-0500"), PAGE)),
        "folder": lambda blocks: list(islice(children(blocks, b"folder-0700"), PAGE)),
        "path": lambda blocks: item_find(blocks, b"folder-0800/file-000500.dat"),
    }
    for look, read in looks.items():
        found = []
        for _ in range(ROUNDS * runs):
            blocks = opened()
            began = time.perf_counter()
            assert read(blocks)
            found.append(1000 * (time.perf_counter() - began))
        cuts = quantiles(found, n=20, method="inclusive")
        report.add(US, f"{name}: {look}, p50", cuts[9], "ms")
        report.add(US, f"{name}: {look}, p95", cuts[18], "ms")


class _Archive:
    """An archive's listing on a local target that is not sealed."""

    def __init__(self, folder: Path) -> None:
        from accounts.models import Customer  # needs Django to be set up
        from backups.models import Backup
        from vault.models import Asset, StorageTarget

        path = folder / f"archive{LISTING_SUFFIX}"
        with path.open("wb") as file:
            listing = ListingWriter(file.write, started_ns=TIME)
            for entry in _entries():
                listing.add(entry)
            listing.finish()
        target = StorageTarget(kind="local", options={"root": str(folder)})
        self._asset = Asset(target=target, customer=Customer(), key="archive", sealed=False)
        self._backup = Backup(asset=self._asset, listing_bytes=path.stat().st_size)

    def blocks(self) -> ArchiveBlocks:
        """The blocks, of a listing that may have been looked at before."""
        from backups.formats.archive_contents import ArchiveBlocks as Opened
        from vault.services.keys import DataKeys

        return Opened(self._backup, self._asset, DataKeys())

    def first(self) -> ArchiveBlocks:
        """The blocks, as if they were never looked at."""
        blocks = self.blocks()
        blocks.derived.drop()
        return blocks


def _paths() -> Iterator[tuple[bool, bytes]]:
    for folder in range(FOLDERS):
        yield True, b"folder-%04d" % folder
        yield from ((False, b"folder-%04d/file-%06d.dat" % (folder, file)) for file in range(FILES))


def _records() -> Iterator[Record]:
    random = Random(1)  # noqa: S311  # the same in every run
    for is_folder, path in _paths():
        stat = Stat(0o644, 1000, 1000, TIME + random.randrange(10**15), TIME, random.randrange(10**7))
        if is_folder:
            yield Record(Kind.FOLDER, path, stat)
        else:
            ids = random.randbytes(96)
            content = Content(ids[:32], (1000, 0, 0), ids[32:64], ids[64:])
            yield Record(Kind.FILE, path, stat, size=1000, content=content)


def _entries() -> Iterator[Entry]:
    random = Random(1)  # noqa: S311
    for is_folder, path in _paths():
        time_ns, kind = TIME + random.randrange(10**15), FOLDER if is_folder else FILE
        sizes = (0, 0) if is_folder else (random.randrange(10**6), random.randrange(1 << 32))
        yield Entry(kind, 0o644, 1000, 1000, time_ns, *sizes, path, b"")
