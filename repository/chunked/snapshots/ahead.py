"""Decides about entries before they are read, so that a source far away is asked early and never waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from repository.chunked.manifest.records import PART_SIZE, Content, Record
from repository.chunked.manifest.stream import RawEntry
from repository.chunked.snapshots.cutting_rules import BUNDLED_SIZE_MAX, HEAD_SIZE, Rule, rule_by_name
from repository.chunked.snapshots.deltas import base_is_usable
from repository.chunked.snapshots.parent import Parent
from trees.hashes import BLOCK_SIZE
from trees.source import Kind, Source, SourceEntry, SourceGone, Wanted

# On some filesystems any user can make a file of 8 EiB that is a single hole, with 34 billion parts.
FILE_SIZE_MAX = 16 << 40
# Bounds of what is decided and not read: content that is asked for, and block hashes that are sent with it.
CONTENT_AHEAD_MAX = 64 << 20
KNOWN_AHEAD_MAX = 4 << 20
PARTS_AHEAD = 4
# The source is asked for so many entries, or so much content, at once.
ENTRIES_A_REQUEST = 256
CONTENT_A_REQUEST = 4 << 20

Place = Callable[[SourceEntry, RawEntry | None, bool], None]
"""Takes an entry, its parent's entry, and whether it is unchanged."""


class Base(NamedTuple):
    """The parent's content of a part of a file, and the size of its header block."""

    content: Content
    header: int


class Ahead:
    """Holds entries until enough of those behind them are decided, and announces them; one thread calls."""

    def __init__(self, source: Source, parent: Parent, place: Place) -> None:
        self._source = source
        self._parent = parent
        self._place = place
        self._held: deque[tuple[SourceEntry, RawEntry | None, bool, Wanted | None]] = deque()
        self._content = 0
        self._known = 0
        self._asking: list[Wanted] = []
        self._asking_content = 0

    def add(self, entry: SourceEntry, known: RawEntry | None, *, unchanged: bool) -> None:
        """Take the next entry, and place those before it that have waited long enough."""
        if not self._held and (unchanged or not _is_read(entry)):
            self._place(entry, known, unchanged)
            return
        wanted = None if unchanged else self._wanted(entry, known)
        self._held.append((entry, known, unchanged, wanted))
        if wanted is not None:
            self._ask(wanted)
        # The parts of a very large file are asked for as it is placed, so nothing behind them may be asked before.
        is_last = entry.size > PART_SIZE and not unchanged
        while self._held and (is_last or self._is_full()):
            self._next()

    def finish(self) -> None:
        """Place all entries."""
        while self._held:
            self._next()

    def _is_full(self) -> bool:
        is_long = len(self._held) > self._source.ahead
        return is_long or self._content > CONTENT_AHEAD_MAX or self._known > KNOWN_AHEAD_MAX

    def _next(self) -> None:
        entry, known, unchanged, wanted = self._held.popleft()
        if wanted is not None:
            self._content -= wanted.span[1] - wanted.span[0]
            self._known -= len(wanted.known)
            if self._asking and (wanted is self._asking[0] or entry.size > PART_SIZE):
                self._send()
        self._place(entry, known, unchanged)

    def _ask(self, wanted: Wanted) -> None:
        size = wanted.span[1] - wanted.span[0]
        self._content += size
        self._known += len(wanted.known)
        self._asking.append(wanted)
        self._asking_content += size
        if len(self._asking) >= ENTRIES_A_REQUEST or self._asking_content >= CONTENT_A_REQUEST:
            self._send()

    def _send(self) -> None:
        self._source.expect(self._asking)
        self._asking, self._asking_content = [], 0

    def _wanted(self, entry: SourceEntry, known: RawEntry | None) -> Wanted | None:
        """The part of an entry that is read first, None for one that is not read."""
        if not _is_read(entry):
            return None
        if entry.kind is Kind.FOLDER:
            return Wanted(entry)
        if entry.size <= BUNDLED_SIZE_MAX:
            return Wanted(entry, (0, entry.size))
        if entry.size > PART_SIZE:
            return Wanted(entry, (0, HEAD_SIZE))
        found = self._parent.record(known) if known is not None else None
        span, rule = (0, entry.size), rule_by_name(entry.path, entry.size)
        return part_wanted(entry, span, rule, base_of(found, 0, span))


class PartsAsked:
    """Asks for the parts of a very large file, a few before they are begun."""

    def __init__(self, source: Source, wanted: Iterator[Wanted]) -> None:
        self._source = source
        self._wanted = wanted
        self._asked: deque[Wanted] = deque()

    def begin(self) -> None:
        """Note that the next part is begun, and ask for those behind it."""
        more = list(islice(self._wanted, PARTS_AHEAD + 1 - len(self._asked)))
        if more:
            self._source.expect(more)
            self._asked += more
        if self._asked:
            self._asked.popleft()

    def drop(self) -> None:
        """Pass over what was asked for and will not be begun."""
        for wanted in self._asked:
            with suppress(SourceGone), self._source.open(wanted.entry, in_place=wanted.in_place, span=wanted.span):
                pass


def part_wanted(entry: SourceEntry, span: tuple[int, int], rule: Rule, base: Base | None) -> Wanted:
    """The span that is read for a part of a file that is cut by this rule."""
    known = base.content.blocks if base is not None and base.header == rule.header else b""
    return Wanted(entry, span, rule.in_place, rule.header if known and span[0] == 0 else 0, known)


def base_of(found: tuple[Record, list[Record]] | None, number: int, span: tuple[int, int]) -> Base | None:
    """The parent's content of a part, None when no delta can be made against it."""
    if found is None:
        return None
    record, parts = found
    part = record if number == 0 else parts[number - 1] if number <= len(parts) else None
    if part is None or part.content is None:
        return None
    blocks = -(-(span[1] - span[0]) // BLOCK_SIZE)
    return Base(part.content, record.header) if base_is_usable(part.content, blocks) else None


def _is_read(entry: SourceEntry) -> bool:
    return entry.kind is Kind.FOLDER or (entry.kind is Kind.FILE and entry.size <= FILE_SIZE_MAX)
