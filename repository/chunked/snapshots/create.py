"""Creates snapshots."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from repository.checkpoint import Checkpoint, go_on
from repository.chunked.chunks.chunk import ChunkType, Compressor, block_hashes
from repository.chunked.index.index import Index
from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.manifest.root import SnapshotRoot, root_store
from repository.chunked.manifest.stream import Manifest, ManifestWriter
from repository.chunked.marks import Mark, MarkKind, mark_set
from repository.chunked.objects import PACKS, id_new
from repository.chunked.pack_layout import directory_read
from repository.chunked.packs.writing import ChunkWriter
from repository.chunked.repository import Repository
from repository.chunked.snapshots.assembly import Assembly, Counts, Warn
from repository.chunked.snapshots.contents import Contents
from repository.chunked.snapshots.parent import Parent
from repository.errors import Damage, Overtaken, RepositoryUnknown, SnapshotNotFound
from repository.storage import ObjectNotFound, StorageError
from trees.source import Source, SourceFailed, SourceGone
from trees.trust import Trust

PROGRESS_SECONDS = 0.2
MANIFEST_LEVEL = 3


@dataclass(frozen=True, slots=True)
class SnapshotProgress:
    """The progress of a snapshot; `stored_bytes`: the size of its uploaded packs."""

    entries: int
    bytes: int
    stored_bytes: int


def snapshot_create(  # noqa: PLR0913  # each has its default, and says one thing
    repository: Repository,
    *,
    source: Source,
    snapshot: bytes | None = None,
    parent: bytes | None = None,
    labels: dict[str, str] | None = None,
    trust_stat: bool = True,
    threads: int = 2,
    progress: Callable[[SnapshotProgress], None] | None = None,
    warn: Warn | None = None,
    before_store: Checkpoint = go_on,
    checkpoint: Checkpoint = go_on,
) -> SnapshotRoot:
    """Store the whole source as a new snapshot and return it. It is listed once this returns.

    `snapshot`: the id that it gets; None for a new one.

    With a `parent`, files whose stat did not change are not read again (`trees.trust` has the rule; `trust_stat=False`
    turns it off), and of files that are rewritten in place only changed sectors are stored. A missing or damaged
    parent only makes the snapshot slower. `warn` is called in order for each path that is skipped, or was changing when
    it was read. `before_store` is called when all but the root is stored, and its error keeps the snapshot from being
    listed. `checkpoint` is called often, from several threads; its error cancels the snapshot. A cancelled
    snapshot is never listed, and the next one uses its stored packs.

    Raises `Damage` when a condemnation cannot be read, `RepositoryUnknown`, `StorageError`, `Overtaken`, `SourceGone`
    when the source's root cannot be read, and `SourceFailed` when the source fails.
    """
    with mark_set(repository.objects, kind=MarkKind.SNAPSHOT, at=repository.time()) as mark:
        index = Index.load(repository.objects)
        making = _Making(
            repository, source, index, threads=threads, progress=progress, warn=warn, checkpoint=checkpoint
        )
        try:
            root = making.run(snapshot or id_new(), parent, labels or {}, trust_stat=trust_stat)
        finally:
            making.end()
            repository.damage.settle()
        mark.check()
        before_store()
        root_store(repository.objects, root)
        _in_time(repository, root, mark)
        with suppress(SourceGone, SourceFailed):  # the snapshot is stored; the source only misses its report
            source.commit(root.snapshot)
        return root


def _in_time(repository: Repository, root: SnapshotRoot, mark: Mark) -> None:
    """Take back a root that took so long to be stored that a prune no longer waited for it. Raises `Overtaken`."""
    try:
        with suppress(StorageError):  # the snapshot is stored
            mark.check()
    except Overtaken:
        with suppress(StorageError):
            snapshot_forget(repository, snapshot=root.snapshot)
        raise


class _Making:
    """One snapshot being made."""

    def __init__(  # as above
        self,
        repository: Repository,
        source: Source,
        index: Index,
        *,
        threads: int,
        progress: Callable[[SnapshotProgress], None] | None,
        warn: Warn | None,
        checkpoint: Checkpoint,
    ) -> None:
        self._repository = repository
        self._source = source
        self._index = index
        self._writer = ChunkWriter(repository.objects, repository.cipher, index)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="snapshot")
        self._ended = threading.Event()
        self._checkpoint = checkpoint
        self._progress = progress
        self._warn = warn
        self._told = 0.0
        self._compressor = Compressor(MANIFEST_LEVEL)

    def run(self, snapshot: bytes, parent: bytes | None, labels: dict[str, str], *, trust_stat: bool) -> SnapshotRoot:
        """Read and store everything; returns the root, which is not stored yet."""
        created_at = self._repository.time()
        self._packs_settle()
        before = self._parent(parent)
        known_parent = before.root.snapshot if before is not None else None
        began = self._source.begin(known_parent)
        manifest = ManifestWriter(self._manifest_store)
        contents = Contents(self._source, self._writer, self._repository.keys, checkpoint=self._check)
        trusted = before.root.scan_started_ns if before is not None and trust_stat else None
        trust = Trust(trusted, machine_started_ns=self._source.started())
        beside = Parent(before, self._writer, trust)
        assembly = Assembly(self._source, contents, beside, pool=self._pool, emit=manifest.add, warn=self._warn)
        for entry in self._source.scan():
            assembly.add(entry)
            self._tell(assembly.counts)
        assembly.finish()
        said = self._source.finish()
        whole = manifest.finish()
        self._writer.finish()
        self._check()
        counts = assembly.counts
        return SnapshotRoot(
            snapshot=snapshot,
            parent=known_parent,
            created_at=created_at,
            scan_started_ns=began,
            labels=labels | said,
            chunks=bytes(manifest.ids),
            firsts=manifest.firsts,
            hash=whole,
            entries=counts.entries,
            files=counts.files,
            bytes=counts.bytes,
            skipped=counts.skipped,
            warnings=counts.warnings,
            added_bytes=self._writer.added_bytes,
            stored_bytes=self._writer.stored_bytes,
        )

    def end(self) -> None:
        """Stop the threads, even in the middle of their work."""
        self._ended.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._writer.end()

    def _packs_settle(self) -> None:
        """Compare the index with the stored packs.

        Packs that an interrupted snapshot left are used. The chunks of an indexed pack that is missing, or has
        another size, are stored again.
        """
        there = dict(self._repository.objects.list(PACKS))
        indexed = self._index.packs()
        lost = {pack for pack, size in indexed.items() if there.get(pack) != size}
        self._index.condemned |= lost
        for pack in there.keys() - indexed.keys() - self._index.condemned:
            try:
                entries = directory_read(self._repository.objects, pack, there[pack])
            except (Damage, RepositoryUnknown, ObjectNotFound):
                continue  # truncated by an interrupted upload, or deleted since the listing: nothing names it
            self._writer.adopt(pack, there[pack], entries)

    def _parent(self, parent: bytes | None) -> Manifest | None:
        """The parent's manifest, if it can be read from beginning to end."""
        if parent is None:
            return None
        chunks = self._repository.chunks_in(self._index)
        try:
            manifest = self._repository.manifest(parent, chunks)
            chunks.located(manifest.chunk_ids())
        except (SnapshotNotFound, Damage, RepositoryUnknown):
            return None
        return manifest

    def _manifest_store(self, type_: ChunkType, plain: memoryview) -> bytes:
        self._check()
        return self._writer.store(type_, plain, block_hashes(plain), self._compressor)

    def _check(self) -> None:
        if self._ended.is_set():
            raise _Ended
        self._checkpoint()

    def _tell(self, counts: Counts) -> None:
        now = time.monotonic()
        if now - self._told >= PROGRESS_SECONDS:
            self._told = now
            self._check()
            if self._progress is not None:
                self._progress(SnapshotProgress(counts.entries, counts.bytes, self._writer.stored_bytes))


class _Ended(Exception):
    """The snapshot has ended; raised in its threads to stop them."""
