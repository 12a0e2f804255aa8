"""Entries of a snapshot that wait for their turn to be written into the manifest."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from repository.snapshots.contents import Done
from repository.sources.protocol import Kind, SourceEntry
from repository.tree.records import Content, FileHash, Record, blocks_in, record_pack, zero_hash

Step = tuple[list[tuple[Record, bytes]], bool]
"""Records with their bytes, and whether these were the entry's last."""

CHANGED = "changed"


class Waiting(Protocol):
    """An entry whose records are not out yet."""

    def ready(self) -> bool:
        """Whether `take` would answer at once."""

    def take(self) -> Step:
        """The entry's next records, waited for; raises what storing raised."""


@dataclass(slots=True)
class Ready:
    """An entry whose records are known: what no reading is needed for."""

    records: list[tuple[Record, bytes]]

    def ready(self) -> bool:
        """Always."""
        return True

    def take(self) -> Step:
        """All of them."""
        return self.records, True


@dataclass(slots=True)
class Bundle:
    """Small files that are read together, in a thread once there are enough."""

    entries: list[SourceEntry] = field(default_factory=list)
    size: int = 0
    future: Future[list[Done]] | None = None


@dataclass(slots=True)
class Bundled:
    """One file of a bundle."""

    record: Record
    bundle: Bundle
    number: int

    def ready(self) -> bool:
        """Whether the bundle is stored."""
        return self.bundle.future is not None and self.bundle.future.done()

    def take(self) -> Step:
        """The file's record; the bundle must have been sent."""
        if self.bundle.future is None:
            raise RuntimeError("the bundle was not sent")
        done = self.bundle.future.result()[self.number]
        if done.content is None:
            return [_packed(skipped(self.record.path, done.gone))], True
        file_hash = FileHash(self.record.size)
        return [_packed(_first(self.record, done, done.content, file_hash, is_last=True))], True


class Parted:
    """A file that is read by itself, part by part."""

    def __init__(self, record: Record, spans: list[tuple[int, int]]) -> None:
        self._record = record
        self._spans = deque(spans)
        self._number = 0
        self._hash = FileHash(record.size)
        self._header = 0
        self.futures: deque[Future[Done]] = deque()
        self.lost = False

    def ready(self) -> bool:
        """Whether the next part is stored."""
        return bool(self.futures) and self.futures[0].done()

    def take(self) -> Step:
        """The record of the next part; it must have been begun."""
        done = self.futures.popleft().result()
        start, stop = self._spans.popleft()
        is_last = not self._spans
        if self._number == 0:
            if done.content is None:
                self.lost = True
                return [_packed(skipped(self._record.path, done.gone))], True
            self._header = done.header
            self._number = 1
            return [_packed(_first(self._record, done, done.content, self._hash, is_last=is_last))], is_last
        # What was there when the file was begun and is gone now is a hole, as with a file that shrank.
        content = done.content or Content(b"", (stop - start, -1, 0), b"", None)
        self._hash.update(_hashes(content, start, stop, self._header))
        content = content._replace(hash=self._hash.digest() if is_last else None)
        warning = CHANGED if done.changed or done.content is None else None
        record = Record(Kind.PART, self._record.path, content=content, warning=warning, number=self._number)
        self._number += 1
        return [_packed(record)], is_last

    def drop(self) -> int:
        """Give up parts that were begun, since the file is lost; returns how many."""
        for future in self.futures:
            future.cancel()
        return len(self.futures)


def skipped(path: bytes, reason: str | None) -> Record:
    """The record of what could not be read."""
    return Record(Kind.SKIPPED, path, target=(reason or "it could not be read").encode())


def _first(record: Record, done: Done, content: Content, file_hash: FileHash, *, is_last: bool) -> Record:
    stop = record.size if is_last else sum(content.extents[0::3])
    file_hash.update(_hashes(content, 0, stop, done.header))
    content = content._replace(hash=file_hash.digest() if is_last else None)
    return record._replace(header=done.header, content=content, warning=CHANGED if done.changed else None)


def _hashes(content: Content, start: int, stop: int, header: int) -> bytes:
    """The hashes of all blocks of a part, those in holes too."""
    if -1 not in content.extents[1::3]:
        return content.blocks
    known = iter([content.blocks[at : at + 32] for at in range(0, len(content.blocks), 32)])
    blocks = blocks_in(content, start, stop, header)
    return b"".join(zero_hash(end - begin) if is_hole else next(known) for begin, end, is_hole in blocks)


def _packed(record: Record) -> tuple[Record, bytes]:
    return record, record_pack(record)
