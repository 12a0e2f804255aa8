"""Restores files some thousands at a time, so that a chunk which several of them share is fetched once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from repository.chunked.chunks.chunk import Location
from repository.chunked.packs.fetching import ChunkStore, Span, spans_of
from repository.chunked.repository import Repository
from repository.chunked.restoring.files import File, RestoredFiles
from repository.chunked.restoring.folders import Folder
from repository.chunked.restoring.outcome import FailureReason
from repository.chunked.restoring.parts import Part, Run
from repository.chunked.restoring.target import RestoreRoot
from repository.chunked.restoring.workers import Workers
from repository.errors import ChunkMissing, Damage

MIB = 1 << 20
WINDOW_FILES = 4096
WINDOW_BYTES = 256 * MIB
# Each of these is one open file, or one open folder.
WINDOW_MANY = 256
WINDOW_FOLDERS = 256
_BATCH_FILES = 64
_BATCH_BYTES = 8 * MIB

Needs = dict[bytes, list[tuple[File, list[Run]]]]
Fetches = tuple[list[Span], Needs]
"""The reads from storage, and the files that wait for each chunk."""


class Window:
    """Collects files and restores them in batches; the next batch is collected meanwhile. For one thread."""

    def __init__(self, repository: Repository, chunks: ChunkStore, target: RestoreRoot, workers: Workers) -> None:
        self._repository = repository
        self._chunks = chunks
        self._reread = False
        self._target = target
        self._workers = workers
        self._files = RestoredFiles(target, workers)
        self._held: list[File] = []
        self._folders: dict[bytes, Folder] = {}
        self._begun: list[File] = []
        self._begun_folders: list[Folder] = []
        self._bytes = 0
        self._many = 0

    def add(self, file: File) -> None:
        """Add a file. Raises `StorageError`, `TargetFailed`, `LimitReached`, and the checkpoint's error."""
        self._target.reserved.enter(file.folder)
        if file.folder.path not in self._folders:
            self._folders[file.folder.path] = file.folder
            self._target.folders.hold(file.folder)
        self._held.append(file)
        if len(file.parts) > 1:
            self.flush()
            return
        self._bytes += file.record.size
        self._many += file.many
        full = self._bytes >= WINDOW_BYTES or len(self._held) >= WINDOW_FILES
        if full or self._many >= WINDOW_MANY or len(self._folders) >= WINDOW_FOLDERS:
            self.flush()

    def flush(self) -> None:
        """Finish the batch in work, then start the collected one; raises as `add`."""
        held, folders = self._held, list(self._folders.values())
        self._held, self._folders, self._bytes, self._many = [], {}, 0, 0
        small = [file for file in held if len(file.parts) == 1]
        parts = [(file, file.parts[0]) for file in small]
        # Without live files to compare, the reads are planned while the threads still work on the batch before.
        fetches = self._plan(parts, settle=True) if self._target.fresh else None
        self.finish()
        self._begun, self._begun_folders = held, folders
        self._prepare(small)
        self._fetch(fetches or self._plan(parts, settle=True), settle=True)
        large = [file for file in held if len(file.parts) > 1]
        if large:
            self._workers.finish()
        for file in large:
            self._restore_large(file)

    def finish(self) -> None:
        """Wait for the batch in work, and rename its files; raises as `add`."""
        self._workers.finish()
        self._tidy()
        self._target.commit()

    def close(self) -> None:
        """Stop the batch in work, and discard its unfinished files."""
        self._workers.stop()
        self._tidy()

    def _tidy(self) -> None:
        """Discard unfinished files; no thread writes to them any more."""
        for file in self._begun:
            self._files.discard(file)
        for folder in self._begun_folders:
            self._target.folders.release(folder)
        self._begun, self._begun_folders = [], []

    def _prepare(self, files: list[File]) -> None:
        if self._target.fresh:
            for file in files:
                # A small file has nothing to prepare: without a live one, its write does all.
                if file.many and not file.settled and not file.failed:
                    self._files.prepare(file)
            return
        self._workers.run(partial(self._prepare_batch, batch) for batch in _batches(files))

    def _prepare_batch(self, files: list[File]) -> None:
        for file in files:
            self._workers.go_on()
            self._files.prepare(file)

    def _restore_large(self, file: File) -> None:
        self._files.prepare(file, self._workers.run)
        for part in file.parts:
            if not file.failed and not file.settled:
                self._fetch(self._plan([(file, part)], settle=False), settle=False)
                self._workers.finish()
                part.wanted = None
        self._files.settle(file)

    def _plan(self, parts: list[tuple[File, Part]], *, settle: bool) -> Fetches:
        """Plan the reads for these parts. With `settle`, a file that needs none is finished."""
        needs: Needs = {}
        for file, part in parts:
            if file.failed or file.settled:
                continue
            runs = part.runs()
            file.pending = len(runs)
            if settle and not runs:
                self._files.settle(file)
            for chunk, found in runs.items():
                needs.setdefault(chunk, []).append((file, found))
        return list(spans_of(self._located(needs))), needs

    def _fetch(self, fetches: Fetches, *, settle: bool) -> None:
        spans, needs = fetches
        self._workers.start(partial(self._take, span, needs, settle=settle) for span in spans)

    def _take(self, span: Span, needs: Needs, *, settle: bool) -> None:
        for chunk, plain in self._chunks.read_each(span):
            self._workers.go_on()
            if isinstance(plain, Damage):
                self._damaged(needs[chunk])
                continue
            view = memoryview(plain)
            for file, runs in needs[chunk]:
                self._files.write(file, view, runs, settle=settle)

    def _located(self, needs: Needs) -> list[tuple[bytes, Location]]:
        """Locate the chunks; read the index once more for a missing one, which a prune may have moved."""
        located = []
        for chunk, waiting in needs.items():
            try:
                located.append((chunk, self._chunks.index.find(chunk)))
            except ChunkMissing:
                try:
                    located.append((chunk, self._again().index.find(chunk)))
                except ChunkMissing:
                    self._damaged(waiting)
        return located

    def _again(self) -> ChunkStore:
        if not self._reread:
            self._chunks = self._repository.chunks()
            self._reread = True
        return self._chunks

    def _damaged(self, waiting: list[tuple[File, list[Run]]]) -> None:
        for file, _ in waiting:
            self._files.fail(file, FailureReason.DAMAGED)


def _batches(files: list[File]) -> Iterator[list[File]]:
    """Group files into batches of some 8 MiB to compare."""
    batch: list[File] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file.record.size
        if len(batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
