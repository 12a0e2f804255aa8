"""The contents of files, asked for ahead of need and sent by the caller of a restore.

A pass asks for files in order, and their contents come as one sequence of bytes and holes. A pass may be left before
all of them have come: those that still come are dropped, and the caller begins anew with the next pass.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from pipelines.pipe import Pipe, TimedOut
from sidecar.errors import ArchiveDamaged, SidecarError, SourceFailed
from sidecar.restore.reading.members import ZEROS

_PIECES_WAITING = 4
_POLL_SECONDS = 0.2


class Asked(NamedTuple):
    """Files to send in a pass, by their numbers in the listing."""

    number: int
    files: Sequence[int]


class PassBegins(NamedTuple):
    """The caller begins to send the contents of a pass."""

    number: int


Part = PassBegins | memoryview | int
"""The next of the caller's parts; a number is that of bytes in a hole."""


class Contents:
    """Carries contents from the thread that receives them to that of the restore.

    `told` is set whenever `asked` has something to send.
    """

    def __init__(self) -> None:
        self.told = threading.Event()
        self._pieces: Pipe[tuple[int, memoryview | int]] = Pipe(_PIECES_WAITING)
        self._lock = threading.Lock()
        self._number = 0
        self._owed = 0
        self._asked: list[Asked] = []
        self._rest: memoryview | int = 0

    def receive(self, parts: Iterable[Part]) -> None:
        """Start a thread that takes the caller's parts as they come. Their error, or end, is that of the contents."""
        self._pieces.feed(self._accepted(parts), name="restore-contents")

    def refuse(self) -> None:
        """Take no more parts."""
        self._pieces.finish(SourceFailed("the restore has ended"))

    def asked(self) -> list[Asked]:
        """The files to ask the caller for, that were not returned before."""
        with self._lock:
            asked, self._asked = self._asked, []
            return asked

    def begin(self) -> None:
        """Begin a pass, and leave the one before."""
        with self._lock:
            self._number += 1
            self._owed = 0
            self._asked.clear()
            self._rest = 0

    def ask(self, files: Sequence[int], size: int) -> None:
        """Ask for files, which have `size` bytes together."""
        with self._lock:
            self._owed += size
            self._asked.append(Asked(self._number, files))
        self.told.set()

    def take(self, most: int, *, check: Callable[[], None]) -> memoryview:
        """The next bytes, at most `most`; those of a hole are a view of `ZEROS`. `check` raises to end the wait.

        Raises ArchiveDamaged when more came than was asked for, and SourceFailed when no more will come.
        """
        while not self._rest:
            self._rest = self._next(check)
        if isinstance(self._rest, int):
            piece = memoryview(ZEROS)[: min(self._rest, most)]
            self._rest -= len(piece)
        else:
            piece, self._rest = self._rest[:most], self._rest[most:]
        return piece

    def finish(self, *, check: Callable[[], None]) -> None:
        """End a pass whose contents were all taken. Raises ArchiveDamaged when it is known that more came."""
        with suppress(TimedOut):
            self._taken(0, check)

    def _next(self, check: Callable[[], None]) -> memoryview | int:
        while True:
            check()
            with suppress(TimedOut):
                found = self._taken(_POLL_SECONDS, check)
                if found is None:
                    raise SourceFailed("the contents ended before all of them had come")
                number, piece = found
                if number == self._number:
                    return piece

    def _taken(self, seconds: float, check: Callable[[], None]) -> tuple[int, memoryview | int] | None:
        """The next piece with its pass, None at the end. When `check` raises, too, that is the cause of an end."""
        try:
            found = self._pieces.take(seconds)
        except SidecarError:
            check()
            raise
        if found is None:
            check()
        return found

    def _accepted(self, parts: Iterable[Part]) -> Iterator[tuple[int, memoryview | int]]:
        """The parts of the present pass, each with the pass. A part that nobody asked for is an error."""
        number = 0
        for part in parts:
            if isinstance(part, PassBegins):
                number = part.number
                size = 0
            else:
                size = part if isinstance(part, int) else len(part)
            with self._lock:
                if number < self._number:
                    continue
                self._owed -= size
                if number > self._number or self._owed < 0:
                    raise ArchiveDamaged("contents came that were not asked for")
            if size and not isinstance(part, PassBegins):
                yield number, part
