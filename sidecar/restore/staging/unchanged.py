"""The live files that are kept: they have the archive's content, and are watched until the plan is sure of them.

A line of the list `kept` is one of them: its number among the archive's files; its inode, size, mtime and ctime as they
were compared; the metadata that it should have and the one that it had, mode, owner, group and mtime each; its path.
"""

from __future__ import annotations

import os

from sidecar.places.places import Places
from sidecar.restore.comparing.comparison import Comparison, metadata_live, metadata_settable
from sidecar.restore.comparing.path_table import PathTable
from sidecar.restore.reading.members import Member
from sidecar.restore.workspace.progress import ProgressMeter
from sidecar.restore.workspace.records import RecordWriter, records_read
from sidecar.restore.workspace.workspace import KEPT, Workspace
from trees.filesystem import Metadata
from trees.trust import identity_of


class UnchangedFiles:
    """Files are kept one by one in the archive's order; `files` is how many there are now."""

    def __init__(
        self, places: Places, workspace: Workspace, comparison: Comparison | None, progress: ProgressMeter
    ) -> None:
        self._workspace = workspace
        self._comparison = comparison
        self._progress = progress
        self._live = places.tree()
        self._total = len(comparison.identities) if comparison else 0
        self._list_begin()

    def keep(self, number: int, member: Member) -> bool:
        """Keep one file of the archive if it is live and was not touched since it was compared."""
        live = self._status(member.path)
        if live is None or self._comparison is None or not self._comparison.same(number, member.path, live):
            return False
        wanted, had = metadata_settable(member.metadata, live), metadata_live(live)
        self._add(member.path, number, *identity_of(live), *_numbers(wanted), *_numbers(had))
        return True

    def finish(self) -> None:
        """All files have been asked for: forget what only they needed."""
        self._list.flush()
        self._comparison = None

    def has(self, path: bytes) -> bool:
        """Whether a live path is one of them."""
        return bool(self._table.get(path))

    def look_again(self, *, give_up: bool) -> bytearray | None:
        """Keep no longer what was touched meanwhile, or with `give_up` nothing at all. Return a byte for each of the
        archive's files, 1 for those that are to be staged instead; None when all are kept.
        """
        moved = bytearray(self._total)
        with self._workspace.list_read(KEPT) as kept:
            for fields in records_read(kept):
                live = None if give_up else self._status(fields[-1])
                if live is None or fields[1:5] != [b"%d" % number for number in identity_of(live)]:
                    moved[int(fields[0])] = 1
                self._progress.advance()
        if not any(moved):
            return None
        with self._workspace.list_read(KEPT) as kept:
            self._list_begin()
            for fields in records_read(kept):
                if not moved[int(fields[0])]:
                    self._add(fields[-1], *map(int, fields[:-1]))
        self._list.flush()
        return moved

    def close(self) -> None:
        """Give back the descriptor."""
        self._live.close()

    def _list_begin(self) -> None:
        self._list = RecordWriter(self._workspace.list_made(KEPT), self._workspace.filesystem)
        self._table = PathTable()
        self.files = 0

    def _add(self, path: bytes, *numbers: int) -> None:
        self._list.add(*numbers, path)
        self._table.set(path, 1)
        self.files += 1

    def _status(self, path: bytes) -> os.stat_result | None:
        try:
            return self._live.status(path)
        except OSError:
            return None


def _numbers(metadata: Metadata) -> tuple[int, int, int, int]:
    return metadata.mode, metadata.uid, metadata.gid, metadata.mtime_ns
