"""The entries of a snapshot that wait to be written to the manifest in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipelines.ordered import Ordered
from repository.chunked.manifest.records import Content, Record, all_hashes, record_pack
from repository.chunked.snapshots.bundling import CHANGED, skipped
from repository.chunked.snapshots.contents import Done
from trees.hashes import FileHash
from trees.source import Kind, SourceEntry

Step = tuple[list[tuple[Record, bytes]], bool]
"""Records with their bytes, and whether they are the entry's last."""


class Waiting(Protocol):
    """An entry whose records are not emitted yet."""

    def ready(self) -> bool:
        """Whether `take` would return at once."""

    def take(self) -> Step:
        """Wait for the entry's next records; raises the error of an upload."""


@dataclass(slots=True)
class Ready:
    """An entry whose records are known, as it needs no reading."""

    records: list[tuple[Record, bytes]]

    def ready(self) -> bool:
        """Always."""
        return True

    def take(self) -> Step:
        """All records."""
        return self.records, True


class Kept:
    """An unchanged entry, whose records are copied from the parent."""

    def __init__(self, entry: SourceEntry, raws: list[bytes]) -> None:
        self.entry = entry
        self.raws = raws
        self.bytes = sum(map(len, raws))

    def ready(self) -> bool:
        """Always."""
        return True


class Parted:
    """A larger file, read part by part. `parts`: the tasks of this file and of those behind it."""

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
        """Start to read and store the next part."""
        self._parts.start(part)
        self._begun += 1

    def ready(self) -> bool:
        """Whether the next part is stored."""
        return self._parts.is_ready

    def take(self) -> Step:
        """The record of the next part, which must have been begun."""
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
        # A part that was deleted since the file was begun becomes a hole, as in a file that shrank.
        content = done.content or Content(b"", (stop - start, -1, 0), b"", None)
        self._hash.update(all_hashes(content, start, stop, self._header))
        content = content._replace(hash=self._hash.digest() if is_last else None)
        warning = CHANGED if done.changed or done.content is None else None
        record = Record(Kind.PART, self._record.path, content=content, warning=warning, number=self._number)
        self._number += 1
        return [_packed(record)], is_last

    def drop(self) -> None:
        """Cancel the parts of a lost file. Raises the error of an upload.

        A part that is being read is waited for: another file may name a chunk that it is storing.
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
