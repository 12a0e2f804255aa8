"""Snapshots of local trees in memory, restored through a daemon."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from backups.formats.snapshot_listing import SnapshotFiles, snapshot_listing
from repository.chunked.contents.reading import contents_read, runs_read
from repository.chunked.contents.selection import Entry
from sidecar_client.client import ExtractResult, SidecarClient
from tests.repository.restoring.trees import Kept
from tests.sidecar_daemon.daemon import Daemon
from tests.sidecar_restore.trees import settle, write
from trees.chunk_run import ChunkRun
from wire.enums import Mode, ServerControl

Pieces = Iterable[memoryview | int]
Runs = Iterable[ChunkRun | int]


REGION_HEAD = (2 << 8 | 1).to_bytes(4, "big") * 1024
"""The locations of a region file, which has a header of its own in a snapshot."""
REGION = REGION_HEAD + Random(7).randbytes(3_000_000)  # noqa: S311 - content to be told apart
SPARSE = 64 << 20
LONG_AGO_NS = 1_500_000_000_123_456_789


def fill(world: Path) -> None:
    write(world / "level.dat", b"level")
    write(world / "region" / "r.0.0.mca", REGION)
    write(world / "region" / "r.0.1.mca", REGION[::-1])
    write(world / "logs" / "latest.log", b"a line\n" * 1000, mode=0o600)
    write(world / "empty")
    sparse = write(world / "sparse", b"begin")
    with sparse.open("r+b") as file:
        file.seek(SPARSE)
        file.write(b"end")
    os.utime(sparse, ns=(LONG_AGO_NS, LONG_AGO_NS))
    (world / "link").symlink_to("/nowhere")
    odd = os.fsdecode(b"odd \xff\n%20 name")
    write(world / odd / odd, b"odd")
    for number in range(300):
        write(world / "many" / f"{number}.json", b"%d" % number * number)
    os.link(world / "many" / "7.json", world / "second name")
    (world / "without files").mkdir()
    settle(world)


class TrustingDaemon(Daemon):
    """A daemon that trusts the stat of files written just now: no other process writes to them here."""

    program = "tests.sidecar_daemon.trusting"


@contextmanager
def trusting_daemon(folder: Path) -> Iterator[Daemon]:
    daemon = TrustingDaemon(folder)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.close()
    assert not any("Traceback" in line for line in daemon.log), "".join(daemon.log)


class KeptTree:
    """A snapshot of a tree. `sent` are the files whose contents were asked for, `sent_bytes` those outside of holes."""

    def __init__(self, kept: Kept, tree: Path) -> None:
        self._repository = kept.opened()
        self._chunks = self._repository.chunks()
        self._manifest = self._repository.manifest(kept.keep(tree), self._chunks)
        self._files = SnapshotFiles(self._manifest)
        self.batches: list[list[int]] = []
        self.sent: list[bytes] = []
        self.sent_bytes = 0

    def listing(self) -> Iterator[bytes]:
        return snapshot_listing(self._manifest)

    def contents(self, numbers: Sequence[int]) -> Iterator[memoryview | int]:
        self.batches.append(list(numbers))
        for record, pieces in contents_read(self._repository, self._files.find(numbers), chunks=self._chunks):
            self.sent.append(record.path)
            for piece in pieces:
                self.sent_bytes += 0 if isinstance(piece, int) else len(piece)
                yield piece

    def runs(self, numbers: Sequence[int]) -> Iterator[ChunkRun | int]:
        """As `contents`, in runs of chunks."""
        self.batches.append(list(numbers))

        def found() -> Iterator[Entry]:
            for record, parts in self._files.find(numbers):
                self.sent.append(record.path)
                yield record, parts

        for run in runs_read(self._repository, found(), chunks=self._chunks):
            self.sent_bytes += 0 if isinstance(run, int) else run.length
            yield run


def tree_restore(client: SidecarClient, tree: KeptTree, mode: Mode = Mode.REPLACE, **options: Any) -> ExtractResult:
    """Restore a snapshot onto the daemon's data."""
    return client.tree_restore(
        listing=options.pop("listing", None) or tree.listing(),
        contents=options.pop("contents", None) or tree.contents,
        destination="/data",
        mode=mode,
        server=ServerControl.LEAVE,
        on_progress=options.pop("on_progress", lambda _: None),
        cancelled=options.pop("cancelled", lambda: False),
        **options,
    )
