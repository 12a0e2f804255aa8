"""Verification of snapshots: every manifest is read to its end, and the chunks of each file are looked up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import random
from typing import NamedTuple

from blake3 import blake3

from repository.checkpoint import Checkpoint
from repository.chunked.maintenance.chunk_states import ChunkStates
from repository.chunked.maintenance.contents import ContentCheck, hash_fits
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.verify_report import LostFile, LostRange, SnapshotReport
from repository.chunked.manifest.records import CHUNK_ID_SIZE, Content, Record, records_unpack
from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.manifest.stream import READ_AHEAD, record_whole
from repository.errors import ManifestInvalid
from trees.paths import walk_order
from trees.source import Kind

# The results for this many chunks of manifests are kept, so that later snapshots need not decode them again.
KNOWN_MAX = 1 << 16
CONTENT_DIFFERS = "its content does not fit the hashes of its source"
"""The reason that only a verification of contents finds."""
_TORN = "a part of it is in a chunk of the manifest that cannot be read"


class _Sound(NamedTuple):
    """A chunk of a manifest without any problem and with complete entries: its first and last path."""

    first: bytes
    last: bytes
    files: int


class SnapshotVerifier:
    """Verifies one snapshot after the other; chunks that they share are decoded once."""

    def __init__(self, states: ChunkStates, *, coverage: Coverage, checkpoint: Checkpoint) -> None:
        self._states = states
        self._contents = _Contents(states, coverage.contents_max) if coverage.contents else None
        self._checkpoint = checkpoint
        self._known: dict[bytes, _Sound] = {}

    def verify(self, root: SnapshotRoot) -> SnapshotReport:
        """Report which files of the snapshot can be restored. Raises `StorageError`."""
        report = SnapshotReport(root.snapshot)
        if self._contents is not None:
            self._contents.begin(root)
        try:
            _Walk(root, report, self._states, self._contents, self._known).run(self._checkpoint)
        except ManifestInvalid as error:
            report.reason = str(error)
        return report


class _Contents:
    """The check of contents: of all files, or of some that are chosen by chance."""

    def __init__(self, states: ChunkStates, most: int | None) -> None:
        self._check = ContentCheck(states)
        self._most = most
        self._chance = 1.0
        self._left = 0

    def begin(self, root: SnapshotRoot) -> None:
        """The next snapshot: each file is chosen as likely as any other, until enough was read."""
        if self._most is not None:
            self._chance, self._left = self._most / max(root.bytes, 1), self._most

    def fit(self, entry: Record, contents: list[Content]) -> bool:
        """Whether a file's content is as it was read; True for a file that is not chosen."""
        if self._most is not None:
            if entry.size > self._left or random() > self._chance:  # noqa: S311  # which ones is no secret
                return True
            self._left -= entry.size
        return self._check.fits(entry, contents)


class _Walk:
    """The walk through one manifest."""

    def __init__(
        self,
        root: SnapshotRoot,
        report: SnapshotReport,
        states: ChunkStates,
        contents: _Contents | None,
        known: dict[bytes, _Sound],
    ) -> None:
        self._root = root
        self._report = report
        self._states = states
        self._contents = contents
        self._known = known
        self._before: tuple[bytes, int] | None = None
        self._entry: Record | None = None
        self._parts: list[Record] = []
        self._lost: set[bytes] = set()
        self._torn = False

    def run(self, checkpoint: Checkpoint) -> None:
        """Walk to the end. Raises `ManifestInvalid` for content that no writer of this project produces."""
        whole = blake3()
        for first, until, chunk, plain in self._plain(checkpoint):
            if plain is None:
                why = self._states.problem(chunk) or "a chunk of the manifest does not open"
                self._finish(torn=True)
                self._report.ranges.append(LostRange(first, until, why))
                self._torn = True
                continue
            whole.update(plain)
            self._chunk(chunk, first, plain)
        self._finish()
        if not self._report.ranges and whole.digest() != self._root.hash:
            raise ManifestInvalid("the manifest is not the one that the snapshot names")

    def _plain(self, checkpoint: Checkpoint) -> Iterator[tuple[bytes, bytes | None, bytes, bytes | None]]:
        """Each chunk of the manifest: its first path, that of the next chunk, its id, and its bytes or None."""
        root = self._root
        ids = [root.chunks[at : at + CHUNK_ID_SIZE] for at in range(0, len(root.chunks), CHUNK_ID_SIZE)]
        places = list(zip(pairwise([*root.firsts, None]), ids, strict=True))
        for at in range(0, len(places), READ_AHEAD):
            checkpoint()
            found = self._states.read(ids[at : at + READ_AHEAD])
            for (first, until), chunk in places[at : at + READ_AHEAD]:
                yield first or b"", until, chunk, found.get(chunk)

    def _chunk(self, chunk: bytes, first: bytes, plain: bytes) -> None:
        sound = self._known.get(chunk)
        if sound is not None and sound.first == first:
            self._finish()
            self._order((walk_order(first), 0))
            self._before = (sound.last, 0)
            self._report.files += sound.files
            return
        problems = self._problems()
        records = list(records_unpack(plain))
        if not records or records[0].path != first:
            raise ManifestInvalid("the manifest does not hold what the snapshot says")
        if records[0].kind is not Kind.PART:
            self._finish()
        files = self._report.files
        for record in records:
            self._order((walk_order(record.path), record.number))
            self._record(record)
        # A hard link depends on a file in another chunk, and so does a part at the beginning of this one.
        if records[0].kind is not Kind.PART and self._is_complete():
            self._finish()
            if self._problems() == problems and not any(record.kind is Kind.HARDLINK for record in records):
                self._remember(chunk, _Sound(first, walk_order(records[-1].path), self._report.files - files))

    def _order(self, place: tuple[bytes, int]) -> None:
        if self._before is not None and place <= self._before:
            raise ManifestInvalid("the manifest is not in order")
        self._before = place

    def _record(self, record: Record) -> None:
        if record.kind is not Kind.PART:
            self._finish()
            self._entry, self._parts, self._torn = record, [], False
        elif self._entry is not None:
            self._parts.append(record)
        elif not self._torn:
            raise ManifestInvalid("the manifest holds parts without their file")
        elif record.path not in self._lost:
            self._lose(record, _TORN)

    def _is_complete(self) -> bool:
        """Whether no later record can belong to the current entry."""
        if self._entry is None:
            return False
        try:
            record_whole(self._entry, self._parts)
        except ManifestInvalid:
            return False
        return True

    def _finish(self, *, torn: bool = False) -> None:
        """Decide on the current entry; `torn`: the manifest after it cannot be read."""
        entry, parts = self._entry, self._parts
        if entry is None:
            return
        if torn and not self._is_complete():
            self._lose(entry, _TORN)
        else:
            record_whole(entry, parts)
            self._judge(entry, parts)
        self._entry, self._parts = None, []

    def _judge(self, entry: Record, parts: list[Record]) -> None:
        if entry.kind is Kind.HARDLINK and self._is_lost(entry.target or b""):
            self._lose(entry, "the file that it is a link to cannot be restored")
        if entry.kind is not Kind.FILE:
            return
        self._report.files += 1
        contents = [part.content for part in (entry, *parts) if part.content is not None]
        if not hash_fits(contents, entry.size, entry.header):
            raise ManifestInvalid("the manifest's hashes do not fit each other")
        why = self._problem(contents)
        if why is None and self._contents is not None and not self._contents.fit(entry, contents):
            why = self._problem(contents) or CONTENT_DIFFERS
        if why is not None:
            self._lose(entry, why)

    def _problem(self, contents: list[Content]) -> str | None:
        chunks = (chunk for content in contents for chunk in content.chunk_ids())
        return next((why for chunk in chunks if (why := self._states.problem(chunk)) is not None), None)

    def _lose(self, entry: Record, reason: str) -> None:
        self._lost.add(entry.path)
        self._report.lost.append(LostFile(entry.path, reason))

    def _is_lost(self, path: bytes) -> bool:
        key = walk_order(path)
        return path in self._lost or any(
            walk_order(gap.first) <= key and (gap.until is None or key < walk_order(gap.until))
            for gap in self._report.ranges
        )

    def _problems(self) -> int:
        return len(self._report.lost) + len(self._report.ranges)

    def _remember(self, chunk: bytes, sound: _Sound) -> None:
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[chunk] = sound
