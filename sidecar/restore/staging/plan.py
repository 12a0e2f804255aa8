"""Compares the staged tree with the live one and writes down, before anything live is touched, what will be exchanged.

The steps are lines of the list `moves`; the folders that both sides have are lines of `merged`, with their live
metadata for the way back. Files that are kept have no step here, nor have live paths that stay, which are lines of
`staying`. Where the live side lacks a name, or either side has something other than a folder, one step moves everything
below the name too. `extras` are live folders that the archive does not have and that stay because of something in them.
`unset` are folders that both sides have and that cannot be given the archive's owner or permissions: these stay alone.
`barred` are those live folders that lack their owner's permissions, and in which a name changes or which move.

    put STAGED LIVE PATH    the staged inode takes the name; LIVE is the inode that has it now, 0 for none
    take LIVE PATH          a live name that the archive does not have goes away (in overlay: a companion, see there)
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import partial

from sidecar.places.places import Places
from sidecar.restore.comparing.comparison import folder_differs
from sidecar.restore.comparing.path_table import PathTable
from sidecar.restore.comparing.staying import Stay, Staying
from sidecar.restore.comparing.units import LiveUnits
from sidecar.restore.staging.kept import KeptFiles
from sidecar.restore.workspace.failures import at_entry
from sidecar.restore.workspace.progress import Progress
from sidecar.restore.workspace.records import RecordWriter, records_read
from sidecar.restore.workspace.workspace import STAYING, UNSET, Workspace
from trees.companions import is_companion
from trees.filesystem import Metadata
from trees.fixed import metadata_fixed, names_fixed
from trees.folders import file_head, folder_scan, status_at
from trees.paths import RESERVED_FOLDER
from trees.walk import Found
from wire.enums import Mode, WarningKind

PUT = b"put"
TAKE = b"take"


@dataclass(frozen=True, slots=True)
class Plan:
    """How many live paths are taken away, and whether every file that is kept was seen where it should be."""

    removed: int
    kept_all: bool


def plan_write(
    *, places: Places, workspace: Workspace, mode: Mode, kept: KeptFiles, left_out: PathTable, progress: Progress
) -> Plan:
    """Given a staged tree, the live files that are kept and the paths that the backup left out, write the plan, anew if
    there is one.

    Raise Cancelled or OSError.
    """
    planning = _Planning(places, workspace, mode, kept, left_out, progress)
    try:
        planning.compare()
        planning.thin_out()
        planning.look_at_metadata()
        planning.flush()
        # What is kept would be lost below a folder that was away for a moment, and so is to be put; or as an extra, on
        # a volume that takes two spellings for one name.
        return Plan(planning.removed, kept_all=planning.kept == kept.files)
    finally:
        planning.close()


class _Planning:
    """Folders wait in a list on the disk, not in memory, for their turn to be compared or thinned out."""

    def __init__(
        self,
        places: Places,
        workspace: Workspace,
        mode: Mode,
        kept: KeptFiles,
        left_out: PathTable,
        progress: Progress,
    ) -> None:
        self._workspace = workspace
        self._kept = kept
        self._mode = mode
        self._progress = progress
        self._places = places
        self._live = places.tree()
        self._staged = workspace.staged_tree()
        self._moves, self._merged, self._extras = (
            RecordWriter(workspace.list_made(name), workspace.filesystem) for name in (b"moves", b"merged", b"extras")
        )
        self._told, self._unset, self._barred = (
            RecordWriter(workspace.list_made(name), workspace.filesystem) for name in (STAYING, UNSET, b"barred")
        )
        self._staying = Staying(places, tell=self._tell, left_out=left_out)
        self._units = LiveUnits(self._staying, archived=self._archived_head, reason=self._why_stays)
        self._merge(b"", os.fstat(places.root.fd))
        self._steps = 0
        self.removed = 0
        self.kept = 0

    def compare(self) -> None:
        """Write the steps for everything below every folder that both sides have. What was staged for a place must go
        there, and not where its name leads by now.
        """
        self._places.require_unmoved(self._live)
        with self._workspace.list_read(b"merged") as merged:
            for *_, path in records_read(merged, self._merged):
                with at_entry(path):
                    self._compare_folder(path)

    def thin_out(self) -> None:
        """Write the steps for the live folders that stay while some of what is in them goes."""
        with self._workspace.list_read(b"extras") as extras:
            for (folder,) in records_read(extras, self._extras):
                with at_entry(folder):
                    self._thin_folder(folder)

    def look_at_metadata(self) -> None:
        """Tell the folders of both sides whose metadata differs and cannot be set. Their content is restored."""
        with self._workspace.list_read(b"folders") as folders:
            for mode, uid, gid, mtime_ns, path in records_read(folders):
                with at_entry(path):
                    self._look_at_folder(path, Metadata(int(mode), int(uid), int(gid), int(mtime_ns)))
                self._progress.advance()

    def flush(self) -> None:
        """The plan is whole."""
        for written in (self._moves, self._barred, self._told, self._unset):
            written.flush()

    def _look_at_folder(self, path: bytes, metadata: Metadata) -> None:
        if self._staying.covers(path):
            return
        try:
            live = self._live.folder_status(path)
        except (FileNotFoundError, NotADirectoryError):
            return  # it is put with a folder above it
        if live is None or not stat.S_ISDIR(live.st_mode) or not folder_differs(metadata, live):
            return
        fd = self._live.open_folder(path)
        try:
            if metadata_fixed(fd):
                self._unset.add(path)
                self._tell(WarningKind.FIXED, path)
        finally:
            os.close(fd)

    def _thin_folder(self, folder: bytes) -> None:
        fd = self._live.open_folder(folder)
        try:
            for name in folder_scan(fd):
                if not self._is_reserved(folder, name):
                    self._take(folder + b"/" + name, name, fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        self._live.close()
        self._staged.close()

    def _compare_folder(self, path: bytes) -> None:
        """A folder in which no name changes is not touched, so that nothing is asked of it."""
        steps = self._steps
        staged_fd = self._staged.open_folder(path)
        live_fd = self._live.open_folder(path)
        try:
            self._compare_staged(path, staged_fd, live_fd)
            self._find_extras(path, staged_fd, live_fd)
            if self._steps != steps:
                self._note_barred(path, os.fstat(live_fd))
        finally:
            os.close(staged_fd)
            os.close(live_fd)

    def _compare_staged(self, folder: bytes, staged_fd: int, live_fd: int) -> None:
        for name in folder_scan(staged_fd):
            path = folder + b"/" + name if folder else name
            ours = os.stat(name, dir_fd=staged_fd, follow_symlinks=False)
            live = status_at(name, at=live_fd)
            if live is None:
                self._put_new(path, ours, live_fd)
            elif stat.S_ISDIR(ours.st_mode) and (folder_live := self._folder(path, name, live_fd, live)):
                if not self._staying.look_here(Found(path, name, live_fd, live)):
                    self._merge(path, folder_live)
            elif goes := self._goes(Found(path, name, live_fd, live), as_link=not stat.S_ISDIR(ours.st_mode)):
                self.removed += goes - 1
                self._note_barred(path, live)
                self._move(PUT, ours.st_ino, live.st_ino, path)
            self._progress.advance()

    def _folder(self, path: bytes, name: bytes, live_fd: int, live: os.stat_result) -> os.stat_result | None:
        """The status of a live folder, or of the one where a place begins, be its name a link; None for all else."""
        if place := self._places.met(path, name, at=live_fd):
            return os.fstat(place.fd)
        return live if stat.S_ISDIR(live.st_mode) else None

    def _put_new(self, path: bytes, ours: os.stat_result, live_fd: int) -> None:
        """Give a name that the live folder lacks, where the folder and the files of its unit allow it."""
        if names_fixed(live_fd):
            self._staying.stay(WarningKind.FIXED, path)
        elif not self._units.hold(path, at=live_fd):
            self._move(PUT, ours.st_ino, 0, path)

    def _goes(self, found: Found, *, as_link: bool = False) -> int | None:
        """How many paths go with a live one, None when it stays."""
        if self._staying.known(found.path) is not Stay.GOES or self._units.hold(found.path, at=found.folder):
            return None
        return self._staying.look(found, as_link=as_link, check=self._progress.advance)

    def _find_extras(self, folder: bytes, staged_fd: int, live_fd: int) -> None:
        """Count what stays, and take away what the archive does not have: all of it, or what belongs to what it has."""
        for name in folder_scan(live_fd):
            path = folder + b"/" + name if folder else name
            if self._kept.has(path):
                self.kept += 1
                continue
            if self._is_reserved(folder, name) or status_at(name, at=staged_fd) is not None:
                continue
            if self._mode is Mode.REPLACE or self._is_companion(path, name, live_fd):
                self._take(path, name, live_fd)

    def _take(self, path: bytes, name: bytes, live_fd: int) -> None:
        """Take a live name away unless it stays; of a folder that holds what stays, the rest has its turn later."""
        live = os.stat(name, dir_fd=live_fd, follow_symlinks=False)
        if goes := self._goes(Found(path, name, live_fd, live)):
            self._note_barred(path, live)
            self._move(TAKE, live.st_ino, path)
            self.removed += goes
        elif self._staying.known(path) is Stay.HOLDS:
            self._note_barred(path, live)
            self._extras.add(path)
        self._progress.advance()

    def _is_reserved(self, folder: bytes, name: bytes) -> bool:
        return name == RESERVED_FOLDER and self._places.at(folder) is not None

    def _is_companion(self, path: bytes, name: bytes, live_fd: int) -> bool:
        def archived(other: bytes) -> bytes | None:
            return self._archived_head(path.removesuffix(name) + other, live_fd)

        head = partial(file_head, name, at=live_fd)
        return is_companion(name, backup=archived, live=lambda _: head() or b"") and head() is not None

    def _archived_head(self, path: bytes, live_fd: int) -> bytes | None:
        """The first bytes of the archive's file of a path in an open live folder."""
        if self._kept.has(path):
            return file_head(path.rpartition(b"/")[2], at=live_fd)
        try:
            at, name = self._staged.parent(path)
        except (FileNotFoundError, NotADirectoryError):
            return None  # the archive does not have its folder
        return file_head(name, at=at)

    def _why_stays(self, found: Found) -> WarningKind | None:
        return None if self._kept.has(found.path) else self._staying.reason(found)

    def _merge(self, path: bytes, live: os.stat_result) -> None:
        self._merged.add(*_described(live), path)

    def _move(self, word: bytes, *fields: int | bytes) -> None:
        self._moves.add(word, *fields)
        self._steps += 1

    def _note_barred(self, path: bytes, live: os.stat_result) -> None:
        """Without being root, a folder can only be filled, emptied or moved with its owner's permissions."""
        if stat.S_ISDIR(live.st_mode) and ~live.st_mode & stat.S_IRWXU:
            self._barred.add(*_described(live), path)

    def _tell(self, kind: WarningKind, path: bytes) -> None:
        self._told.add(kind.value.encode(), path)


def _described(live: os.stat_result) -> tuple[int, int, int, int]:
    return stat.S_IMODE(live.st_mode), live.st_uid, live.st_gid, live.st_mtime_ns
