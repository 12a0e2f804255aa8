"""The steps up to the commit record: compare, stage, stop the game, plan, and check once more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from sidecar.errors import NotEnoughSpace, at_entry
from sidecar.places.places import Place, Places
from sidecar.restore.comparing.comparison import Comparison, members_compare
from sidecar.restore.comparing.left_out import LeftOut
from sidecar.restore.comparing.staying import staying_read
from sidecar.restore.reading.chosen import Chosen
from sidecar.restore.reading.members import Members
from sidecar.restore.staging.parts import parts_make
from sidecar.restore.staging.plan import Planned, Planning
from sidecar.restore.staging.room import Rooms
from sidecar.restore.staging.stage import PlaceUnfit, Staging
from sidecar.restore.workspace.journal import Journal
from sidecar.restore.workspace.outcomes import ExtractSummary
from sidecar.restore.workspace.progress import ProgressMeter
from sidecar.restore.workspace.reserved import reserved_made
from sidecar.restore.workspace.workspace import Workspace
from trees.filesystem import Filesystem
from trees.folders import is_folder
from trees.limits import NO_ROOM
from trees.paths import RESERVED_FOLDER
from trees.reserved import root_is_empty
from wire.enums import Mode, Phase

_ROUNDS = 3
_OWN_FILES = 16
"""The most files and folders of the extraction itself: journal, lists and folders."""


@dataclass(frozen=True, slots=True)
class Committed:
    """An extraction whose commit record is on the disk."""

    workspace: Workspace
    journal: Journal
    summary: ExtractSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """An extraction before its commit record. When a place turns out to be unfit, it is left, and all starts anew."""

    members: Members
    chosen: Chosen
    places: Places
    filesystem: Filesystem
    mode: Mode
    rooms: Rooms
    progress: ProgressMeter
    before_exchange: Callable[[], None]
    left_out: LeftOut
    weigh: bool = False

    def commit(self, name: bytes, opened: contextlib.ExitStack) -> Committed:
        """Write staged tree, plan and commit record, and sync them. `opened` closes everything that is open then.

        A failure leaves nothing behind. When the room runs out, the error has the total room needed, which may take
        reading all members, and the room that is free after the removal.
        """
        while True:
            try:
                return self._commit(name, opened)
            except PlaceUnfit as unfit:
                opened.close()
                self.places.leave(unfit.place)
            except (NotEnoughSpace, OSError) as error:
                if isinstance(error, OSError) and error.errno not in NO_ROOM:
                    raise
                opened.close()
                room = self.rooms.root
                if not room.needed_files:
                    self.progress.enter(Phase.COMPARING)
                    self._need(self._compare())
                raise room.lack(error if isinstance(error, OSError) else None) from error

    def _commit(self, name: bytes, opened: contextlib.ExitStack) -> Committed:
        comparison = self._compare_and_weigh()
        with at_entry(RESERVED_FOLDER):
            reserved_fd = opened.enter_context(reserved_made(self.places.root.fd, self.filesystem))
            self._clear(reserved_fd, name)
            workspace = Workspace.make(reserved_fd, name, self.filesystem)
        opened.callback(workspace.close)
        try:
            self.progress.recount()
            self.progress.enter(Phase.STAGING)
            parts_make(workspace, self.places)
            journal = Journal.create(at=workspace.fd, filesystem=self.filesystem)
            opened.callback(journal.close)
            summary = self._stage_and_plan(workspace, comparison)
            journal.commit(summary, places=len(self.places.used))
        except BaseException:
            with contextlib.suppress(OSError):  # the next recovery removes the rest
                workspace.discard()
            raise
        return Committed(workspace, journal, summary)

    def _clear(self, reserved_fd: int, name: bytes) -> None:
        """Remove the leftovers of a killed attempt, which it left for a place that is away: this one starts anew."""
        if is_folder(name, at=reserved_fd):
            with contextlib.closing(Workspace(reserved_fd, name, self.filesystem)) as leftover:
                leftover.places = self.places
                leftover.discard()

    def _compare_and_weigh(self) -> Comparison | None:
        """Compare the members, and check that there is room for those that differ; nothing is written. Return None when
        there is no live data: the members are then read only once, unless they are to be weighed.
        """
        if not self.weigh and root_is_empty(self.places.root.fd):
            self.rooms.root.check(self.members.least_bytes)
            return None
        self.progress.enter(Phase.COMPARING)
        # A write through a mapping shows in a file's times only if the page was clean before.
        for place in (self.places.root, *self.places.used):
            self.filesystem.sync_volume(place.fd)
        comparison = self._compare()
        self._need(comparison)
        for place in reversed(self.places.used):
            self._weigh(place, comparison)
        self.rooms.root.check(self.rooms.root.needed_bytes)
        return comparison

    def _weigh(self, place: Place, comparison: Comparison) -> None:
        """Leave a place whose volume, if it is not the root's, has no room."""
        room = self.rooms.of(place)
        if room is not self.rooms.root and not room.has(room.needed_bytes):
            self.places.leave(place)
            self._need(comparison)

    def _need(self, comparison: Comparison) -> None:
        self.rooms.recount(comparison.needed, own_files=_OWN_FILES)

    def _compare(self) -> Comparison:
        return members_compare(members=self.members, places=self.places, progress=self.progress)

    def _stage_and_plan(self, workspace: Workspace, comparison: Comparison | None) -> ExtractSummary:
        """Stage the differing members and write the plan.

        An unchanged file that was touched since its comparison is staged, too, and the plan is made anew. This check
        is repeated until it finds none; it is the last step before the commit record. When a game keeps touching
        files, all files are staged.
        """
        with contextlib.closing(self._staging(workspace, comparison)) as staging:
            staging.stage(self.members)
            staged = ExtractSummary(files=self.progress.files, bytes=self.progress.bytes_done, removed=0)
            self.progress.enter(Phase.STOPPING)
            self.before_exchange()
            self.progress.enter(Phase.STAGING)
            for done in count(1):
                planned = self._plan(workspace, staging)
                workspace.sync()
                touched = staging.unchanged.look_again(give_up=done > _ROUNDS)
                if touched is None and not planned.found_unchanged:
                    touched = staging.unchanged.look_again(give_up=True)
                if touched is None:
                    break
                staging.stage_touched(self.members, touched)
        self.progress.check()
        return replace(staged, removed=planned.removed, staying=staying_read(workspace))

    def _staging(self, workspace: Workspace, comparison: Comparison | None) -> Staging:
        return Staging(
            places=self.places,
            workspace=workspace,
            comparison=comparison,
            chosen=self.chosen,
            rooms=self.rooms,
            progress=self.progress,
        )

    def _plan(self, workspace: Workspace, staging: Staging) -> Planned:
        planning = Planning(
            places=self.places,
            workspace=workspace,
            mode=self.mode,
            chosen=self.chosen,
            unchanged=staging.unchanged,
            left_out=self.left_out,
            progress=self.progress,
        )
        with contextlib.closing(planning):
            return planning.write()
