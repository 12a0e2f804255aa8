"""Entries of a snapshot that wait for their turn to be written into the manifest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipelines.ordered import Ordered
from repository.chunked.manifest.records import Content, FileHash, Record, all_hashes, record_pack
from repository.chunked.snapshots.bundling import CHANGED, skipped
from repository.chunked.snapshots.contents import Done
from trees.source import Kind, SourceEntry

Step = tuple[list[tuple[Record, bytes]], bool]
"""Records with their bytes, and whether these were the entry's last."""


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


class Kept:
    """An entry of which the parent's records are copied."""

    def __init__(self, entry: SourceEntry, raws: list[bytes]) -> None:
        self.entry = entry
        self.raws = raws
        self.bytes = sum(map(len, raws))

    def ready(self) -> bool:
        """Always."""
        return True


class Parted:
    """A file that is read by itself, part by part. `parts` are the tasks of this file and of those behind it."""

    def __init__(self, record: Record, spans: list[tuple[int, int]], parts: Ordered[Done]) -> None:
        self._record = record
        self._spans = deque(spans)
        self._number = 0
        self._hash = FileHash(record.size)
        self._header = 0
        self._parts = parts
        self._begun = 0
        self.lost = False

    def begin(self, part: Callable[[], Done]) -> None:
        """Have the next part read and stored."""
        self._parts.start(part)
        self._begun += 1

    def ready(self) -> bool:
        """Whether the next part is stored."""
        return self._parts.is_ready

    def take(self) -> Step:
        """The record of the next part; it must have been begun."""
        done = self._parts.take()
        self._begun -= 1
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
        self._hash.update(all_hashes(content, start, stop, self._header))
        content = content._replace(hash=self._hash.digest() if is_last else None)
        warning = CHANGED if done.changed or done.content is None else None
        record = Record(Kind.PART, self._record.path, content=content, warning=warning, number=self._number)
        self._number += 1
        return [_packed(record)], is_last

    def drop(self) -> None:
        """Give up parts that were begun, since the file is lost. Raises what storing raised.

        One that is being read is waited for: another file may name a chunk that it is just storing.
        """
        self._parts.drop(self._begun)


def _first(record: Record, done: Done, content: Content, file_hash: FileHash, *, is_last: bool) -> Record:
    stop = record.size if is_last else sum(content.extents[0::3])
    file_hash.update(all_hashes(content, 0, stop, done.header))
    content = content._replace(hash=file_hash.digest() if is_last else None)
    warning = CHANGED if done.changed else None
    return record._replace(header=done.header, content=content, xattrs=done.xattrs, warning=warning)


def _packed(record: Record) -> tuple[Record, bytes]:
    return record, record_pack(record)
