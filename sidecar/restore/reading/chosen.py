"""Chosen paths: the members of a source that lie at or below them, and the units of chosen files.

A database needs the logs of the same backup, and a log its database. Whether a file is a database is not known before
its content, so that here the names decide: a chosen file brings along its unit (`trees.companions`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from sidecar.restore.reading.limits import DEFAULT_LIMITS, Limits
from sidecar.restore.reading.member_paths import member_path
from sidecar.restore.reading.members import Compared, Member, MemberKind, MemberReader, Members, Wanted
from trees.companions import is_of_store, is_store_file, units_brought
from trees.paths import folders_above


class Chosen:
    """The paths that a restore is for, with everything below them; everything if there are none."""

    def __init__(self, paths: Iterable[bytes] = (), limits: Limits = DEFAULT_LIMITS) -> None:
        """Raise ArchiveRefused for a path that no member can have."""
        self._paths = frozenset(member_path(path, limits) for path in paths)
        self.is_everything = not self._paths or b"" in self._paths
        self._above = frozenset(above for path in self._paths for above in folders_above(path))
        parted = [_parted(path) for path in self._paths]
        self._stores = frozenset(within for within, name in parted if is_store_file(name))
        self._brought = frozenset(within + other for within, name in parted for other in _brought(name))

    def covers(self, path: bytes) -> bool:
        """Whether a path, or a folder above it, was chosen."""
        return self.is_everything or path in self._paths or any(above in self._paths for above in folders_above(path))

    def takes(self, path: bytes) -> bool:
        """Whether a member of this path is restored: it is covered, or by its name of a chosen file's unit."""
        if path in self._brought or self.covers(path):
            return True
        within, name = _parted(path)
        return within in self._stores and is_of_store(name)

    def is_above(self, path: bytes) -> bool:
        """Whether a path is that of a folder above a chosen one."""
        return path in self._above


class ChosenMembers:
    """The chosen members of a source, and the folders above them.

    The file of a chosen hard link that was not chosen itself takes the name of the first such link. To know these
    links, the source is read once more, before anything else.
    """

    least_bytes = 0

    def __init__(self, members: Members, chosen: Chosen, *, check: Callable[[], None]) -> None:
        """`check` is called for each member of that first pass, and raises to end it."""
        self._members = members
        self._chosen = chosen
        self._check = check
        self._renamed: dict[bytes, bytes] | None = None

    @contextlib.contextmanager
    def read(self, wanted: Wanted | None = None) -> Iterator[MemberReader]:
        """Begin a pass."""
        if self._renamed is None:
            self._renamed = self._links()
        renamed = self._renamed

        def choose(member: Member) -> Member | None:
            return self._as_chosen(member, renamed)

        def wants(member: Member) -> bool:
            taken = choose(member)
            return taken is not None and wanted is not None and wanted(taken)

        with self._members.read(None if wanted is None else wants) as reader:
            yield _ChosenReader(reader, choose)

    def _links(self) -> dict[bytes, bytes]:
        """The files that take the name of a chosen link, with that name."""
        renamed: dict[bytes, bytes] = {}
        with self._members.read() as reader:
            for member in reader.members():
                self._check()
                is_link = member.kind is MemberKind.HARDLINK and self._chosen.takes(member.path)
                if is_link and not self._chosen.takes(member.link):
                    renamed.setdefault(member.link, member.path)
        return renamed

    def _as_chosen(self, member: Member, renamed: dict[bytes, bytes]) -> Member | None:
        """The member as it is restored, None if it is not."""
        if self._chosen.takes(member.path):
            name = renamed.get(member.link) if member.kind is MemberKind.HARDLINK else None
            if name is None:
                return member
            return None if name == member.path else replace(member, link=name)
        if member.kind is MemberKind.FILE and member.path in renamed:
            return replace(member, path=renamed[member.path])
        return member if member.kind is MemberKind.DIRECTORY and self._chosen.is_above(member.path) else None


class WholeMembers:
    """The members of a source without those that its listing names as left out.

    A file whose disk failed while it was packed has a member with zeros at its end: its header was written before.
    """

    def __init__(self, members: Members, *, left_out: Callable[[bytes], object]) -> None:
        """`left_out` tells whether a path was left out."""
        self._members = members
        self._left_out = left_out

    @property
    def least_bytes(self) -> int:
        """As of all members."""
        return self._members.least_bytes

    @contextlib.contextmanager
    def read(self, wanted: Wanted | None = None) -> Iterator[MemberReader]:
        """Begin a pass."""

        def wants(member: Member) -> bool:
            return self._choose(member) is not None and wanted is not None and wanted(member)

        with self._members.read(None if wanted is None else wants) as reader:
            yield _ChosenReader(reader, self._choose)

    def _choose(self, member: Member) -> Member | None:
        return None if self._left_out(member.path) else member


class _ChosenReader:
    """One pass over the chosen members."""

    def __init__(self, reader: MemberReader, choose: Callable[[Member], Member | None]) -> None:
        self._reader = reader
        self._choose = choose

    def members(self) -> Iterator[Member]:
        """Yield the chosen members; the others are checked and skipped."""
        for member in self._reader.members():
            if (chosen := self._choose(member)) is not None:
                yield chosen

    def content(self) -> Iterator[memoryview]:
        """Yield the content of the current member."""
        return self._reader.content()

    def compare(self, live: int | None) -> Iterator[Compared]:
        """Compare the content of the current member."""
        return self._reader.compare(live)


def _parted(path: bytes) -> tuple[bytes, bytes]:
    """The folder of a path, with its slash, and the last name."""
    name = path.rpartition(b"/")[2]
    return path[: len(path) - len(name)], name


def _brought(name: bytes) -> Iterator[bytes]:
    """The other names of the units of a chosen name, without those of a store."""
    for main, others in units_brought(name):
        if others is not None:
            yield from (main, *others)


EVERYTHING = Chosen()
