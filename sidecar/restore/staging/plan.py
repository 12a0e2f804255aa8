"""Compares the staged tree with the live one and writes the plan of the exchange."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import NamedTuple

from sidecar.errors import at_entry
from sidecar.places.places import Places
from sidecar.restore.comparing.left_out import LeftOut
from sidecar.restore.comparing.staying import Stay, Staying
from sidecar.restore.comparing.units import LiveUnits
from sidecar.restore.reading.chosen import Chosen
from sidecar.restore.staging.unchanged import UnchangedFiles
from sidecar.restore.workspace.plan import FOLDERS, PlanWriter, folder_attributes_read, folders_read
from sidecar.restore.workspace.progress import ProgressMeter
from sidecar.restore.workspace.workspace import Workspace
from trees.attributes import attributes_of
from trees.companions import is_companion
from trees.fixed import metadata_fixed, names_fixed
from trees.folders import fd_closing, file_head, folder_scan, status_at
from trees.metadata import Metadata
from trees.paths import RESERVED_FOLDER
from trees.walk import Found
from wire.enums import Mode, WarningKind


class Planned(NamedTuple):
    """The number of live paths that are removed, and whether every unchanged file was found at its path."""

    removed: int
    found_unchanged: bool


class Planning:
    """Writes the plan of a staged tree, the unchanged live files and the paths that the backup left out; an earlier
    plan is replaced. Folders that wait to be compared or thinned out are in a list on the disk, not in memory.
    """

    def __init__(
        self,
        *,
        places: Places,
        workspace: Workspace,
        mode: Mode,
        chosen: Chosen,
        unchanged: UnchangedFiles,
        left_out: LeftOut,
        progress: ProgressMeter,
    ) -> None:
        self._workspace = workspace
        self._unchanged = unchanged
        self._mode = mode
        self._chosen = chosen
        self._progress = progress
        self._places = places
        self._live = places.tree()
        self._staged = workspace.staged_tree()
        self._plan = PlanWriter(workspace)
        self._staying = Staying(places, tell=self._plan.note_staying, left_out=left_out)
        self._units = LiveUnits(self._staying, archived=self._member_head, reason=self._why_stays)
        self._plan.note_merged(b"", os.fstat(places.root.fd))
        self._removed = 0
        self._unchanged_found = 0

    def write(self) -> Planned:
        """Write the plan. Raise Cancelled or OSError."""
        self._compare()
        self._thin_out()
        self._look_at_metadata()
        self._plan.flush()
        # An unchanged file could be lost in two ways: below a folder that was missing for a moment and is put as a
        # whole; or as an extra, on a volume that treats two spellings as one name.
        return Planned(self._removed, found_unchanged=self._unchanged_found == self._unchanged.files)

    def close(self) -> None:
        """Close the descriptors."""
        self._live.close()
        self._staged.close()

    def _compare(self) -> None:
        """Write the steps for everything below every folder that both sides have. Members of a place must go to that
        place, even if its name leads elsewhere by now.
        """
        self._places.require_unmoved(self._live)
        with closing(self._plan.merged()) as merged:
            for path in merged:
                with at_entry(path):
                    self._compare_folder(path)

    def _thin_out(self) -> None:
        """Write the steps for the live folders that stay while some of their content is removed."""
        with closing(self._plan.extras()) as extras:
            for folder in extras:
                with at_entry(folder):
                    self._thin_folder(folder)

    def _look_at_metadata(self) -> None:
        """Note the folders of both sides whose metadata differs and cannot be set, and those whose attributes differ.
        Their content is restored.
        """
        with (
            closing(folders_read(self._workspace, FOLDERS)) as folders,
            closing(folder_attributes_read(self._workspace)) as attributes,
        ):
            for path, metadata in folders:
                with at_entry(path):
                    self._look_at_folder(path, metadata, next(attributes, None))
                self._progress.advance()

    def _look_at_folder(self, path: bytes, metadata: Metadata, attributes: Mapping[bytes, bytes] | None) -> None:
        if self._staying.covers(path):
            return
        try:
            live = self._live.folder_status(path)
        except (FileNotFoundError, NotADirectoryError):
            return  # put with a folder above it
        if live is None or not stat.S_ISDIR(live.st_mode):
            return
        differs = metadata.differs_for_folder(live)
        if not differs and attributes is None:
            return
        with fd_closing(self._live.open_folder(path)) as fd:
            had = None if attributes is None else attributes_of(fd)
            if (differs or attributes != had) and metadata_fixed(fd):
                self._plan.note_unset(path)
            elif attributes is not None and had is not None and attributes != had:
                self._plan.note_attributes(path, wanted=attributes, had=had)

    def _thin_folder(self, folder: bytes) -> None:
        with fd_closing(self._live.open_folder(folder)) as fd:
            for name in folder_scan(fd):
                if not self._is_reserved(folder, name):
                    self._take(folder + b"/" + name, name, fd)

    def _compare_folder(self, path: bytes) -> None:
        """Write the steps of one folder. A folder in which no name changes needs no permissions."""
        steps = self._plan.steps
        with (
            fd_closing(self._staged.open_folder(path)) as staged_fd,
            fd_closing(self._live.open_folder(path)) as live_fd,
        ):
            self._compare_staged(path, staged_fd, live_fd)
            self._find_extras(path, staged_fd, live_fd)
            if self._plan.steps != steps:
                self._plan.note_barred(path, os.fstat(live_fd))

    def _compare_staged(self, folder: bytes, staged_fd: int, live_fd: int) -> None:
        for name in folder_scan(staged_fd):
            path = folder + b"/" + name if folder else name
            ours = os.stat(name, dir_fd=staged_fd, follow_symlinks=False)
            live = status_at(name, at=live_fd)
            if live is None:
                self._put_new(path, ours, live_fd)
            elif stat.S_ISDIR(ours.st_mode) and (folder_live := self._folder(path, name, live_fd, live)):
                if not self._staying.look_here(Found(path, name, live_fd, live)):
                    self._plan.note_merged(path, folder_live)
            elif goes := self._goes(Found(path, name, live_fd, live), as_link=not stat.S_ISDIR(ours.st_mode)):
                self._removed += goes - 1
                self._plan.note_barred(path, live)
                self._plan.put(path, staged=ours.st_ino, live=live.st_ino)
            self._progress.advance()

    def _folder(self, path: bytes, name: bytes, live_fd: int, live: os.stat_result) -> os.stat_result | None:
        """The status of a live folder, or of a place's folder, even behind a link; None for anything else."""
        if place := self._places.met(path, name, at=live_fd):
            return os.fstat(place.fd)
        return live if stat.S_ISDIR(live.st_mode) else None

    def _put_new(self, path: bytes, ours: os.stat_result, live_fd: int) -> None:
        """Put a name that the live folder lacks, unless the folder or the name's unit forbids it."""
        if names_fixed(live_fd):
            self._staying.stay(WarningKind.FIXED, path)
        elif not self._units.hold(path, at=live_fd):
            self._plan.put(path, staged=ours.st_ino, live=0)

    def _goes(self, found: Found, *, as_link: bool = False) -> int | None:
        """The number of paths that go with a live one, None when it stays."""
        if self._staying.known(found.path) is not Stay.GOES or self._units.hold(found.path, at=found.folder):
            return None
        return self._staying.look(found, as_link=as_link, check=self._progress.advance)

    def _find_extras(self, folder: bytes, staged_fd: int, live_fd: int) -> None:
        """Take away the live names without a member, all chosen ones or only companions of members; note those that
        stay.
        """
        for name in folder_scan(live_fd):
            path = folder + b"/" + name if folder else name
            if self._unchanged.has(path):
                self._unchanged_found += 1
                continue
            if self._is_reserved(folder, name) or status_at(name, at=staged_fd) is not None:
                continue
            if (self._mode is Mode.REPLACE and self._chosen.covers(path)) or self._is_companion(path, name, live_fd):
                self._take(path, name, live_fd)

    def _take(self, path: bytes, name: bytes, live_fd: int) -> None:
        """Take a live name away unless it stays. A folder with a staying entry is noted, and thinned out later."""
        live = os.stat(name, dir_fd=live_fd, follow_symlinks=False)
        if goes := self._goes(Found(path, name, live_fd, live)):
            self._plan.note_barred(path, live)
            self._plan.take(path, live=live.st_ino)
            self._removed += goes
        elif self._staying.known(path) is Stay.HOLDS:
            self._plan.note_barred(path, live)
            self._plan.note_extra(path)
        self._progress.advance()

    def _is_reserved(self, folder: bytes, name: bytes) -> bool:
        return name == RESERVED_FOLDER and self._places.at(folder) is not None

    def _is_companion(self, path: bytes, name: bytes, live_fd: int) -> bool:
        def member(other: bytes) -> bytes | None:
            return self._member_head(path.removesuffix(name) + other, live_fd)

        head = partial(file_head, name, at=live_fd)
        return is_companion(name, backup=member, live=lambda _: head() or b"") and head() is not None

    def _member_head(self, path: bytes, live_fd: int) -> bytes | None:
        """The first bytes of the member at a path in an open live folder, None when it is no file."""
        if self._unchanged.has(path):
            return file_head(path.rpartition(b"/")[2], at=live_fd)
        try:
            at, name = self._staged.parent(path)
        except (FileNotFoundError, NotADirectoryError):
            return None  # no member has its folder
        return file_head(name, at=at)

    def _why_stays(self, found: Found) -> WarningKind | None:
        return None if self._unchanged.has(found.path) else self._staying.reason(found)
