"""Counts what a backup would hold and what its patterns leave out, from names and sizes alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sidecar.exclusion.patterns import NO_PATTERNS, InForce
from sidecar.places.places import Places
from sidecar.scan import exclusion_of, tree_walk
from trees.beneath import open_for_reading
from trees.walk import Found, LinkIdentity, link_identity
from wire.enums import WarningKind

_ENTRIES_A_CHECK: Final = 1000
# Names can be long: those of one reply stay well below the limit of a message.
_PATHS_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Count:
    """Entries, and the bytes of file content in them; a file with several names counts once."""

    entries: int = 0
    bytes: int = 0

    def add(self, other: Count) -> None:
        """Add another count."""
        self.entries += other.entries
        self.bytes += other.bytes


class ExcludedPath(NamedTuple):
    """A path that the pattern of this number leaves out. The total includes everything below it."""

    path: bytes
    number: int
    is_folder: bool
    total: Count


@dataclass(slots=True)
class TreeCount:
    """The counts of a tree. `excluded`: for each pattern, in order. `named`: the first paths that are left out."""

    kept: Count = field(default_factory=Count)
    changed_bytes: int = 0
    changed_entries: int = 0
    excluded: list[Count] = field(default_factory=list)
    named: list[ExcludedPath] = field(default_factory=list)
    more: bool = False

    @property
    def left_out(self) -> Count:
        """All that is left out."""
        total = Count()
        for each in self.excluded:
            total.add(each)
        return total


def tree_count(
    root: int,
    *,
    places: Places,
    check: Callable[[], None],
    patterns: InForce = NO_PATTERNS,
    changed_since_ns: int = 0,
    paths_limit: int = 0,
) -> TreeCount:
    """Count everything below an open folder, including what is below a folder that is left out.

    `changed_since_ns`: a time before which an entry must have changed last not to count as changed. A deletion changes
    its folder.
    `check` is called now and then, and raises to cancel. Raises SourceFailed.
    """
    counting = Counting(places, check, patterns, paths_limit=paths_limit)
    found = counting.found
    exclusion = exclusion_of(patterns.rules, counting.leave_out)
    with closing(tree_walk(root, warn=_ignore, places=places, exclusion=exclusion)) as walk:
        for entry in walk:
            count = counting.count(entry, counting.linked)
            found.kept.add(count)
            if entry.status.st_ctime_ns >= changed_since_ns:
                found.changed_bytes += count.bytes
                found.changed_entries += 1
    return found


class Counting:
    """Counts entries of a walk; `found` has the counts so far."""

    def __init__(self, places: Places, check: Callable[[], None], patterns: InForce, *, paths_limit: int = 0) -> None:
        self.found = TreeCount(excluded=[Count() for _ in patterns.lines])
        self._places = places
        self._check = check
        self._paths_limit = paths_limit
        self._room = _PATHS_BYTES
        # A file may have names that are left out and others that are not: it counts on both sides.
        self.linked: set[LinkIdentity] = set()
        self._linked_out: set[LinkIdentity] = set()
        self._counted = 0

    def count(self, found: Found, linked: set[LinkIdentity]) -> Count:
        """The count of one entry alone; `linked` are the files with several names that were counted."""
        if self._counted % _ENTRIES_A_CHECK == 0:
            self._check()
        self._counted += 1
        status = found.status
        if not stat.S_ISREG(status.st_mode):
            return Count(1)
        shared = link_identity(status)
        if shared is None:
            return Count(1, status.st_size)
        is_known = shared in linked
        linked.add(shared)
        return Count(1, 0 if is_known else status.st_size)

    def leave_out(self, found: Found, number: int) -> None:
        """Count an entry that a pattern leaves out, with everything below it."""
        total = self.count(found, self._linked_out)
        is_folder = stat.S_ISDIR(found.status.st_mode)
        if is_folder:
            total.add(self._below(found))
        self.found.excluded[number - 1].add(total)
        self._room -= len(found.path)
        if len(self.found.named) < self._paths_limit and self._room >= 0:
            self.found.named.append(ExcludedPath(found.path, number, is_folder, total))
        else:
            self.found.more = True

    def _below(self, folder: Found) -> Count:
        total = Count()
        try:
            descriptor = open_for_reading(folder.name, folder.folder, os.O_DIRECTORY)
        except OSError:
            return total  # deleted meanwhile, or forbidden
        try:
            with closing(tree_walk(descriptor, warn=_ignore, below=folder.path, places=self._places)) as walk:
                for found in walk:
                    total.add(self.count(found, self._linked_out))
        finally:
            os.close(descriptor)
        return total


def _ignore(_kind: WarningKind, _path: bytes) -> None:
    """The backup itself warns of what it cannot read."""
