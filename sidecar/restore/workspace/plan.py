"""The plan of an exchange as lists in the workspace: written before anything live is touched, read by the exchange.

The steps are lines of the list `moves`:

    put STAGED LIVE PATH    the staged inode takes the name; LIVE is the inode that has it now, 0 for none
    take LIVE PATH          a live name that no member has goes away (in overlay: a companion)

Where the live side lacks a name, or either side has something other than a folder, one step moves everything below the
name too. The folders that both sides have are lines of `merged`. Unchanged files have no step, nor have live paths that
stay, which are lines of `staying`. `extras` are live folders that no member has and that stay because of something in
them. `unset` are folders that both sides have and that cannot be given the wanted owner or permissions: these stay
alone. `barred` are those live folders that lack their owner's permissions, and in which a name changes or which move.
A line of a list of folders is a folder's metadata, of `merged` and `barred` for the way back, and its path. A line of
`kept` is an unchanged file: its number among the members that are files; its identity as it was compared; the
metadata that it should have and the one that it had; its path.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterator
from typing import BinaryIO, NamedTuple

from sidecar.restore.workspace.records import RecordWriter, records_read
from sidecar.restore.workspace.workspace import STAYING, UNSET, Workspace
from trees.metadata import Metadata
from wire.enums import WarningKind

FOLDERS = b"folders"
MERGED = b"merged"
BARRED = b"barred"
_MOVES = b"moves"
_EXTRAS = b"extras"
_PUT = b"put"
_TAKE = b"take"


class Step(NamedTuple):
    """One step: its number, the inode that takes the name, 0 where none does, and the one that has it, 0 for none."""

    number: bytes
    staged: int
    live: int
    path: bytes


class Unchanged(NamedTuple):
    """A live file that has a member's content already."""

    number: int
    identity: tuple[int, ...]
    wanted: Metadata
    had: Metadata
    path: bytes

    @property
    def inode(self) -> int:
        """The file's inode."""
        return self.identity[0]

    def fields(self) -> tuple[int | bytes, ...]:
        """Its line of the list."""
        return self.number, *self.identity, *self.wanted, *self.had, self.path


class PlanWriter:
    """The lists, begun anew. `steps` is how many were written."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._moves, self._merged, self._extras, self._staying, self._unset, self._barred = (
            RecordWriter(workspace.list_made(name), workspace.filesystem)
            for name in (_MOVES, MERGED, _EXTRAS, STAYING, UNSET, BARRED)
        )
        self.steps = 0

    def put(self, path: bytes, *, staged: int, live: int) -> None:
        """Have a staged inode take a name."""
        self._moves.add(_PUT, staged, live, path)
        self.steps += 1

    def take(self, path: bytes, *, live: int) -> None:
        """Have a live name go away."""
        self._moves.add(_TAKE, live, path)
        self.steps += 1

    def note_merged(self, path: bytes, live: os.stat_result) -> None:
        """Note a folder that both sides have."""
        self._merged.add(*Metadata.of(live), path)

    def note_extra(self, path: bytes) -> None:
        """Note a live folder that stays, while some of what is in it may go."""
        self._extras.add(path)

    def note_barred(self, path: bytes, live: os.stat_result) -> None:
        """Note a live folder, unless it has its owner's permissions, without which only root fills, empties or moves
        it.
        """
        if stat.S_ISDIR(live.st_mode) and ~live.st_mode & stat.S_IRWXU:
            self._barred.add(*Metadata.of(live), path)

    def note_staying(self, kind: WarningKind, path: bytes) -> None:
        """Note a live path that stays."""
        self._staying.add(kind.value.encode(), path)

    def note_unset(self, path: bytes) -> None:
        """Note a folder whose metadata alone stays."""
        self._unset.add(path)
        self.note_staying(WarningKind.FIXED, path)

    def merged(self) -> Generator[bytes, None, None]:
        """The paths of the folders that both sides have, those too that are noted meanwhile."""
        with self._workspace.list_read(MERGED) as merged:
            for *_, path in records_read(merged, self._merged):
                yield path

    def extras(self) -> Generator[bytes, None, None]:
        """The paths of the folders that stay while some of what is in them goes, those too that are noted meanwhile."""
        with self._workspace.list_read(_EXTRAS) as extras:
            for (path,) in records_read(extras, self._extras):
                yield path

    def flush(self) -> None:
        """The plan is whole."""
        for written in (self._moves, self._barred, self._staying, self._unset):
            written.flush()


def steps_read(workspace: Workspace) -> Iterator[Step]:
    """The steps of a plan, in their order."""
    with workspace.list_read(_MOVES) as moves:
        for number, (word, *inodes, path) in enumerate(records_read(moves)):
            staged = int(inodes.pop(0)) if word == _PUT else 0
            yield Step(b"%d" % number, staged, int(inodes[0]), path)


def folders_read(workspace: Workspace, name: bytes) -> Generator[tuple[bytes, Metadata], None, None]:
    """The folders of a list, each with its metadata."""
    with workspace.list_read(name) as folders:
        for *metadata, path in records_read(folders):
            yield path, Metadata(*map(int, metadata))


def unchanged_read(listed: BinaryIO) -> Iterator[Unchanged]:
    """The unchanged files of an open list."""
    for *fields, path in records_read(listed):
        number, *numbers = map(int, fields)
        yield Unchanged(number, tuple(numbers[:4]), Metadata(*numbers[4:8]), Metadata(*numbers[8:]), path)
