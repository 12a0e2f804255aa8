"""A synthetic source: any number of small files, some of which change from one snapshot to the next.

`python -m tests.repository.snapshots.made_up FOLDER FILES` snapshots it three times into that folder: first in full,
then unchanged, then with one file in 1,000 changed. It prints each snapshot's peak memory in MiB and its entries.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from repository.chunked.repository import repository_create
from repository.chunked.snapshots.create import snapshot_create
from targets.local import LocalStorage
from tests.repository.snapshots.kept import KEY, REPOSITORY, TENANT
from trees.source import Changes, Kind, SourceEntry, Wanted
from trees.trust import Stat

LONG_AGO = 10**18


class MadeUp:
    """`files` files in folders of 1,000, and `together` more in one folder; `turn` says which ones are new."""

    ahead = 0

    def __init__(self, files: int, *, together: int = 0, turn: int = 0) -> None:
        self.files = files
        self.together = together
        self.turn = turn

    def begin(self, parent: bytes | None) -> int:
        return LONG_AGO * 2

    def started(self) -> int:
        return 0

    def scan(self) -> Iterator[SourceEntry]:
        yield SourceEntry(Kind.FOLDER, b"", self.stat(0), 0, None)
        yield SourceEntry(Kind.FOLDER, b"all", self.stat(0), 0, None)
        for number in range(self.together):
            yield SourceEntry(Kind.FILE, b"all/%07d" % number, self.stat(number), 20, None)
        for folder in range(self.files // 1000):
            yield SourceEntry(Kind.FOLDER, b"folder %07d" % folder, self.stat(0), 0, None)
            for number in range(1000):
                path = b"folder %07d/a file with a name %05d.json" % (folder, number)
                yield SourceEntry(Kind.FILE, path, self.stat(folder * 1000 + number), 20, None)

    def stat(self, number: int) -> Stat:
        ctime = LONG_AGO + (self.turn if self.turn and number % 1000 == self.turn else 0)
        return Stat(0o644, 1000, 1000, ctime, ctime, number)

    def xattrs(self, entry: SourceEntry) -> dict[bytes, bytes] | None:
        return None

    def expect(self, wanted: Sequence[Wanted]) -> None:
        raise AssertionError("a source without `ahead` is told nothing")

    def finish(self) -> dict[str, str]:
        return {}

    def open(self, entry: SourceEntry, *, in_place: bool, span: tuple[int, int] | None = None) -> _File:
        assert entry.stat is not None
        return _File(b"%020d" % (entry.stat.inode * 1000 + self.turn))

    def commit(self, snapshot: bytes) -> None:
        """Do nothing: this source learns nothing."""


class _File:
    is_like_parent = False

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Do nothing: no file is open."""

    def data_ranges(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        yield start, stop

    def readinto(self, view: memoryview, offset: int) -> int:
        piece = self.content[offset : offset + len(view)]
        view[: len(piece)] = piece
        return len(piece)

    def changes(self, start: int, stop: int, *, header: int, known: bytes) -> Changes:
        raise AssertionError("no file that was made up is written in place")

    def xattrs(self) -> dict[bytes, bytes] | None:
        return None

    def changed(self) -> bool:
        return False


def peak() -> int:
    """The peak memory of this process in MiB; `getrusage` would include the parent's."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) // 1024


def main(folder: Path, files: int) -> None:
    repository = repository_create(LocalStorage(folder), tenant=TENANT, repository=REPOSITORY, keys=KEY)
    parent = None
    for turn in (0, 0, 7):
        source = MadeUp(files - files // 2, together=files // 2, turn=turn)
        root = snapshot_create(repository, source=source, parent=parent)
        parent = root.snapshot
        print(peak(), root.entries, root.added_bytes, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
