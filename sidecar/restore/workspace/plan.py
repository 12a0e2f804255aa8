"""The plan of an exchange as lists in the workspace: written before anything live is touched, read by the exchange.

The steps are lines of the list `moves`:

    put STAGED LIVE PATH    the staged inode takes the name; LIVE is the inode that has it now, 0 for none
    take LIVE PATH          a live name that no member has goes away (in overlay: a companion)

One step moves a name with everything below it, unless both sides have a folder there. The other lists:

    merged    the folders that both sides have, with their live metadata, for the rollback
    staying   the live paths that stay; they have no step
    extras    the live folders without a member that stay because of an entry in them
    unset     the folders of both sides whose owner or permissions cannot be set: only these stay
    attributes  the folders of both sides whose `user.*` attributes differ, with the wanted and the old ones
    barred    the live folders without their owner's permissions that move or in which a name changes, with metadata
    kept      the unchanged files, which have no step: the number among the members that are files; the identity at the
              comparison; the wanted metadata; the old metadata; the path

A line of a list of folders is the folder's metadata, if any, and its path. Of a source that knows attributes, the list
`wanted` has those of each folder in the list `folders`, in the same order.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterator, Mapping
from typing import BinaryIO, NamedTuple

from sidecar.restore.workspace.records import RecordWriter, records_read
from sidecar.restore.workspace.workspace import STAYING, UNSET, Workspace
from trees.metadata import Metadata
from wire.attributes import attributes_field, attributes_read
from wire.enums import WarningKind

FOLDERS = b"folders"
FOLDER_ATTRIBUTES = b"wanted"
_ATTRIBUTES = b"attributes"
MERGED = b"merged"
BARRED = b"barred"
_MOVES = b"moves"
_EXTRAS = b"extras"
_PUT = b"put"
_TAKE = b"take"


class Step(NamedTuple):
    """One step: its number, the staged inode that takes the name, the live inode that has it (0: none)."""

    number: bytes
    staged: int
    live: int
    path: bytes


class Unchanged(NamedTuple):
    """A live file that already has a member's content."""

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
        """The fields of its line in the list."""
        return self.number, *self.identity, *self.wanted, *self.had, self.path


class PlanWriter:
    """Writes the lists anew. `steps` is the number of steps so far."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._moves, self._merged, self._extras, self._staying, self._unset, self._barred, self._attributes = (
            RecordWriter(workspace.list_made(name), workspace.filesystem)
            for name in (_MOVES, MERGED, _EXTRAS, STAYING, UNSET, BARRED, _ATTRIBUTES)
        )
        self.steps = 0

    def put(self, path: bytes, *, staged: int, live: int) -> None:
        """Add a step: a staged inode takes a name."""
        self._moves.add(_PUT, staged, live, path)
        self.steps += 1

    def take(self, path: bytes, *, live: int) -> None:
        """Add a step: a live name is removed."""
        self._moves.add(_TAKE, live, path)
        self.steps += 1

    def note_merged(self, path: bytes, live: os.stat_result) -> None:
        """Note a folder that both sides have."""
        self._merged.add(*Metadata.of(live), path)

    def note_extra(self, path: bytes) -> None:
        """Note a live folder that stays while some of its content may be removed."""
        self._extras.add(path)

    def note_barred(self, path: bytes, live: os.stat_result) -> None:
        """Note a live folder that lacks its owner's permissions, without which only root can fill, empty or move it."""
        if stat.S_ISDIR(live.st_mode) and ~live.st_mode & stat.S_IRWXU:
            self._barred.add(*Metadata.of(live), path)

    def note_attributes(self, path: bytes, *, wanted: Mapping[bytes, bytes], had: Mapping[bytes, bytes]) -> None:
        """Note a folder that both sides have, with other attributes."""
        self._attributes.add(path, attributes_field(wanted), attributes_field(had))

    def note_staying(self, kind: WarningKind, path: bytes) -> None:
        """Note a live path that stays."""
        self._staying.add(kind.value.encode(), path)

    def note_unset(self, path: bytes) -> None:
        """Note a folder of which only the metadata stays."""
        self._unset.add(path)
        self.note_staying(WarningKind.FIXED, path)

    def merged(self) -> Generator[bytes, None, None]:
        """Yield the paths of the folders that both sides have, including those noted meanwhile."""
        with self._workspace.list_read(MERGED) as merged:
            for *_, path in records_read(merged, self._merged):
                yield path

    def extras(self) -> Generator[bytes, None, None]:
        """Yield the paths of the folders of `note_extra`, including those noted meanwhile."""
        with self._workspace.list_read(_EXTRAS) as extras:
            for (path,) in records_read(extras, self._extras):
                yield path

    def flush(self) -> None:
        """Write the buffered lines; the plan is complete."""
        for written in (self._moves, self._barred, self._staying, self._unset, self._attributes):
            written.flush()


def steps_read(workspace: Workspace) -> Iterator[Step]:
    """The steps of a plan, in order."""
    with workspace.list_read(_MOVES) as moves:
        for number, (word, *inodes, path) in enumerate(records_read(moves)):
            staged = int(inodes.pop(0)) if word == _PUT else 0
            yield Step(b"%d" % number, staged, int(inodes[0]), path)


def folders_read(workspace: Workspace, name: bytes) -> Generator[tuple[bytes, Metadata], None, None]:
    """The folders of a list, each with its metadata."""
    with workspace.list_read(name) as folders:
        for *metadata, path in records_read(folders):
            yield path, Metadata(*map(int, metadata))


def folder_attributes_read(workspace: Workspace) -> Generator[Mapping[bytes, bytes], None, None]:
    """The wanted attributes of the members that are folders, in order; none of a source that does not know them."""
    with workspace.list_read(FOLDER_ATTRIBUTES) as listed:
        for (field,) in records_read(listed):
            yield attributes_read(field)


def attributes_planned(workspace: Workspace) -> Iterator[tuple[bytes, Mapping[bytes, bytes], Mapping[bytes, bytes]]]:
    """The folders whose attributes differ, with the wanted and the old ones. An older plan has none."""
    if not workspace.has_list(_ATTRIBUTES):
        return
    with workspace.list_read(_ATTRIBUTES) as listed:
        for path, wanted, had in records_read(listed):
            yield path, attributes_read(wanted), attributes_read(had)


def unchanged_read(listed: BinaryIO) -> Iterator[Unchanged]:
    """The unchanged files of an open list."""
    for *fields, path in records_read(listed):
        number, *numbers = map(int, fields)
        yield Unchanged(number, tuple(numbers[:4]), Metadata(*numbers[4:8]), Metadata(*numbers[8:]), path)
