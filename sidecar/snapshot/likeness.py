"""Compares a file that is not rewritten in place with its parent: a log that grew, or a file that was only touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from trees.local.file import LocalFile
from trees.source import Changes, Wanted

# Changed bytes that are kept, so that the file is not read twice.
_KEPT_BYTES: Final = 4 << 20


class Likeness:
    """A part compared by the hashes of its blocks. `is_close`: less than half of it changed.

    Where bytes were inserted, all that follows differs: such a file is better cut by its content, for which the worker
    needs all of it.
    """

    def __init__(self, file: LocalFile, wanted: Wanted, check: Callable[[], None]) -> None:
        """Compare; `check` is called for every run, and its error ends it."""
        self._file = file
        self._wanted = wanted
        self._runs: list[tuple[int, memoryview]] = []
        self.hashes = b""
        self.is_close = True
        changed, limit = 0, (wanted.span[1] - wanted.span[0]) // 2
        changes = self._compare()
        for offset, view in changes:
            check()
            changed += len(view)
            if changed > limit:
                self.is_close = False
                return
            if changed <= _KEPT_BYTES:
                self._runs.append((offset, memoryview(bytes(view))))
        self.hashes = changes.hashes
        self._is_kept = changed <= _KEPT_BYTES

    def changes(self) -> Changes:
        """The changes of a part that is close; read once more if they are many."""
        return self if self._is_kept else self._compare()

    def __iter__(self) -> Iterator[tuple[int, memoryview]]:
        yield from self._runs

    def _compare(self) -> Changes:
        return self._file.changes(*self._wanted.span, header=self._wanted.header, known=self._wanted.known)
