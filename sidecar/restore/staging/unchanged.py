"""The unchanged files: live files that already have a member's content, checked again before the commit record."""

from __future__ import annotations

import os

from sidecar.places.places import Places
from sidecar.restore.comparing.comparison import Comparison
from sidecar.restore.comparing.path_table import PathTable
from sidecar.restore.reading.members import Member
from sidecar.restore.workspace.plan import Unchanged, unchanged_read
from sidecar.restore.workspace.progress import ProgressMeter
from sidecar.restore.workspace.records import RecordWriter
from sidecar.restore.workspace.workspace import UNCHANGED, Workspace
from trees.metadata import Metadata
from trees.trust import identity_of


class UnchangedFiles:
    """The list of unchanged files, added in the order of the members; `files` is their number."""

    def __init__(
        self, places: Places, workspace: Workspace, comparison: Comparison | None, progress: ProgressMeter
    ) -> None:
        self._workspace = workspace
        self._comparison = comparison
        self._progress = progress
        self._live = places.tree()
        self._total = len(comparison.identities) if comparison else 0
        self._list_begin()

    def add(self, number: int, member: Member) -> bool:
        """Add a member if its live file was not touched since the comparison; return whether it was added."""
        live = self._status(member.path)
        if live is None or self._comparison is None or not self._comparison.same(number, member.path, live):
            return False
        wanted = member.metadata.settable(live)
        self._add(Unchanged(number, identity_of(live), wanted, Metadata.of(live), member.path))
        return True

    def finish(self) -> None:
        """End the list: free the memory that only `add` needs."""
        self._list.flush()
        self._comparison = None

    def has(self, path: bytes) -> bool:
        """Whether a live path is an unchanged file."""
        return bool(self._table.get(path))

    def look_again(self, *, give_up: bool) -> bytearray | None:
        """Drop the files that were touched meanwhile, or with `give_up` all. Return a byte for each file among the
        members, 1 for a dropped one that must be staged; None when none was dropped.
        """
        touched = bytearray(self._total)
        with self._workspace.list_read(UNCHANGED) as listed:
            for file in unchanged_read(listed):
                live = None if give_up else self._status(file.path)
                touched[file.number] = live is None or file.identity != identity_of(live)
                self._progress.advance()
        if not any(touched):
            return None
        with self._workspace.list_read(UNCHANGED) as listed:
            self._list_begin()
            for file in unchanged_read(listed):
                if not touched[file.number]:
                    self._add(file)
        self._list.flush()
        return touched

    def close(self) -> None:
        """Close the descriptor."""
        self._live.close()

    def _list_begin(self) -> None:
        self._list = RecordWriter(self._workspace.list_made(UNCHANGED), self._workspace.filesystem)
        self._table = PathTable()
        self.files = 0

    def _add(self, file: Unchanged) -> None:
        self._list.add(*file.fields())
        self._table.set(file.path, 1)
        self.files += 1

    def _status(self, path: bytes) -> os.stat_result | None:
        try:
            return self._live.status(path)
        except OSError:
            return None
