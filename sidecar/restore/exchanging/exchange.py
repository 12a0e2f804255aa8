"""Carries out a committed plan, or takes it back: every step looks first at what is done already.

The staged side is private, so it tells how far a step got: while the staged inode still is at its staged place, the
name has not been put. That makes each step idempotent in both directions, without a write to the journal for each.
Nothing is touched that is right already, in neither direction: it may be refused, and then nothing could ever end.
Kept files are given their metadata behind the names, in both directions, while their inode is the planned one. A
game that runs on may change live names meanwhile: what it made instead is set aside like what was planned.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import replace

from sidecar.errors import at_entry
from sidecar.places.places import Place, PlacedTree, Places
from sidecar.restore.comparing.comparison import metadata_live, metadata_settable
from sidecar.restore.comparing.staying import StayingPaths
from sidecar.restore.exchanging.aside import PIECEWISE, Aside
from sidecar.restore.staging.plan import PUT
from sidecar.restore.workspace.progress import ProgressMeter
from sidecar.restore.workspace.records import records_read
from sidecar.restore.workspace.workspace import KEPT, Workspace
from trees.filesystem import Metadata
from trees.folders import status_at

_FINAL = frozenset({errno.EPERM, errno.EACCES, errno.EROFS, errno.EOPNOTSUPP})
_SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX


class Exchange:
    """The live tree and the staged one, open for exchanging names. All methods raise OSError.

    Nothing is done in places that are away; both directions can be begun again when they are back.
    """

    def __init__(self, places: Places, workspace: Workspace, progress: ProgressMeter) -> None:
        self._places = places
        self._workspace = workspace
        self._filesystem = workspace.filesystem
        self._progress = progress
        self._live = places.tree()
        self._staged = workspace.staged_tree()
        self._asides: dict[Place, Aside] = {}
        self._staying = StayingPaths(workspace)

    def forward(self) -> None:
        """Make the live data wholly new, and durable."""
        self._set_barred(b"barred", opened=True)
        for number, word, inodes, path in self._moves():
            with at_entry(path):
                if word == PUT:
                    self._put(path, inodes[0], inodes[1], number)
                else:
                    self._take(path, inodes[0], number)
        errors: list[OSError] = []
        self._set_kept(errors, forward=True)
        if errors:
            raise errors[0]
        self._set_barred(b"barred", opened=False)
        for path, metadata in self._listed(b"folders"):
            with at_entry(path):
                self._set_folder(path, metadata, keep_special=True)
        self._workspace.sync()

    def backward(self) -> OSError | None:
        """Make the live data wholly old again, and durable. Every step is tried; the first error is raised after.

        Metadata that is refused its way back for good does not keep the rest from its end: the first such refusal is
        returned. All content is old again then.
        """
        for listed in (b"barred", b"folders"):
            self._set_barred(listed, opened=True, errors=[])  # if that is in the way, the steps that need it will say
        stuck: list[OSError] = []
        refused: OSError | None = None
        for number, word, inodes, path in self._moves():
            with _collected(stuck), at_entry(path):
                if word == PUT:
                    self._put_back(path, inodes[0], inodes[1], number)
                else:
                    self._take_back(path, inodes[0], number)
        with _collected(stuck):
            refused = self._give_back_metadata()
        if stuck:
            raise stuck[0]
        self._workspace.sync()
        return refused

    def _give_back_metadata(self) -> OSError | None:
        errors: list[OSError] = []
        self._set_kept(errors, forward=False)
        listed = [PIECEWISE] if self._workspace.has_list(PIECEWISE) else []
        for name in [*listed, b"merged", b"barred"]:
            for path, metadata in self._listed(name):
                with _collected(errors), at_entry(path):
                    self._set_folder(path, metadata, keep_special=False)
        for error in errors:
            if error.errno not in _FINAL:
                raise error
        return errors[0] if errors else None

    def close(self) -> None:
        """Give back the descriptors."""
        self._live.close()
        self._staged.close()

    def _moves(self) -> Iterator[tuple[bytes, bytes, list[int], bytes]]:
        """Number, word, inodes and path of each step, but those in places that are not there."""
        with self._workspace.list_read(b"moves") as moves:
            for number, (word, *inodes, path) in enumerate(records_read(moves)):
                if not self._is_gone(path):
                    yield b"%d" % number, word, [int(inode) for inode in inodes], path
                self._progress.advance()

    def _is_gone(self, path: bytes) -> bool:
        return self._places.is_gone(path) or self._places.is_left(path)

    def _aside(self, path: bytes) -> Aside:
        place = self._places.of(path)
        if place not in self._asides:
            self._asides[place] = Aside(self._live, self._workspace, self._workspace.part(place))
        return self._asides[place]

    def _put(self, path: bytes, staged: int, live: int, number: bytes) -> None:
        """Give the staged inode its live name; what had the name is then at the staged place, or set aside."""
        if self._staged_inode(path, staged, live) != staged:
            return
        now = self._inode(self._live, path)
        live_at, name = self._live.parent(path)
        staged_at, _ = self._staged.parent(path)
        # Only what was planned for may take the staged place: anything else there could not be told apart later.
        if now and now == live and self._filesystem.exchange(name, at=staged_at, other=name, other_at=live_at):
            return
        if now:
            self._aside(path).take(path, number)
        self._filesystem.move(name, at=staged_at, to=name, to_at=live_at)

    def _put_back(self, path: bytes, staged: int, live: int, number: bytes) -> None:
        """The inverse of `_put`, whichever of its two ways it went, and however far."""
        now = self._inode(self._live, path)
        if live and now == live:
            self._aside(path).give_back(path, number)
            return
        displaced = self._staged_inode(path, staged, live)
        live_at, name = self._live.parent(path)
        staged_at, _ = self._staged.parent(path)
        if displaced and displaced == live:
            if not now:
                self._filesystem.move(name, at=staged_at, to=name, to_at=live_at)
            elif not self._filesystem.exchange(name, at=staged_at, other=name, other_at=live_at):
                raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
            return
        if now and not displaced:
            self._filesystem.move(name, at=live_at, to=name, to_at=staged_at)
            now = 0
        if not now and status_at(number, at=self._aside(path).fd) is not None:
            self._filesystem.move(number, at=self._aside(path).fd, to=name, to_at=live_at)

    def _take(self, path: bytes, live: int, number: bytes) -> None:
        """Set a live name aside. One that somebody made anew after it was taken is not the one that was planned."""
        now = self._inode(self._live, path)
        if now and (now == live or status_at(number, at=self._aside(path).fd) is None):
            self._aside(path).take(path, number)

    def _take_back(self, path: bytes, live: int, number: bytes) -> None:
        live_at, name = self._live.parent(path)
        now = self._inode(self._live, path)
        if now == live:
            self._aside(path).give_back(path, number)
            return
        if status_at(number, at=self._aside(path).fd) is None:
            return
        if not now:
            self._filesystem.move(number, at=self._aside(path).fd, to=name, to_at=live_at)
        elif not self._filesystem.exchange(number, at=self._aside(path).fd, other=name, other_at=live_at):
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _set_kept(self, errors: list[OSError], *, forward: bool) -> None:
        """Give kept files the archive's metadata, or what they had. One that has another inode by now, or on
        the way forward another time, was written after the commit record: it is the game's.
        """
        with contextlib.suppress(FileNotFoundError), self._workspace.list_read(KEPT) as kept:
            for _, inode, *fields, path in records_read(kept):
                if fields[3:7] == fields[7:11] or self._is_gone(path):
                    continue
                wanted, had = (Metadata(*map(int, group)) for group in (fields[3:7], fields[7:11]))
                with _collected(errors), at_entry(path):
                    self._set_file(path, int(inode), wanted if forward else had, (wanted, had) if forward else ())
                self._progress.advance()

    def _set_file(self, path: bytes, inode: int, metadata: Metadata, expected: tuple[Metadata, ...]) -> None:
        live = self._live.status(path)
        if live is None or live.st_ino != inode or metadata_live(live) == metadata:
            return
        at, name = self._live.parent(path)
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
        try:
            status = os.fstat(fd)
            is_times = not expected or status.st_mtime_ns in [known.mtime_ns for known in expected]
            if status.st_ino == inode and is_times:
                self._filesystem.set_metadata(fd, metadata)
        finally:
            os.close(fd)

    def _listed(self, listed: bytes) -> Iterator[tuple[bytes, Metadata]]:
        with self._workspace.list_read(listed) as folders:
            for mode, uid, gid, mtime_ns, path in records_read(folders):
                self._progress.advance()
                # A folder that stays is given no metadata of the archive, in either direction.
                if not self._is_gone(path) and (listed != b"folders" or not self._staying.cover(path)):
                    yield path, Metadata(int(mode), int(uid), int(gid), int(mtime_ns))

    def _set_folder(self, path: bytes, metadata: Metadata, *, keep_special: bool) -> None:
        """Set a live folder's metadata. With `keep_special` its own setuid, setgid and sticky bits stay: an archive
        never brings any, and a shared group must not be lost to a restore. One that is right already is not opened.
        """
        live = self._live.folder_status(path) if path else None
        if live is not None and metadata_live(live) == _wanted(metadata, live, keep_special=keep_special):
            return
        fd = self._live.open_folder(path)
        try:
            self._filesystem.set_metadata(fd, _wanted(metadata, os.fstat(fd), keep_special=keep_special))
        finally:
            os.close(fd)

    def _set_barred(self, listed: bytes, *, opened: bool, errors: list[OSError] | None = None) -> None:
        """Give those live folders of a list that lack their owner's permissions these, or take them away again. One
        that is no folder any more has been exchanged already. With `errors` the first one is kept instead of raised.
        """
        for path, metadata in self._listed(listed):
            if metadata.mode & stat.S_IRWXU == stat.S_IRWXU:
                continue
            with _collected(errors), at_entry(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self._set_mode(path, metadata.mode, opened=opened)

    def _set_mode(self, path: bytes, mode: int, *, opened: bool) -> None:
        fd = self._live.open_folder(path)
        try:
            had = stat.S_IMODE(os.fstat(fd).st_mode)
            self._filesystem.set_mode(fd, had | stat.S_IRWXU if opened else mode)
        finally:
            os.close(fd)

    def _staged_inode(self, path: bytes, staged: int, live: int) -> int:
        """What is at a staged place: the staged inode, the one it displaced, or nothing. Raise ESTALE for any other,
        as on a volume that numbers its inodes anew: better unfinished than guessed.
        """
        inode = self._inode(self._staged, path)
        if inode not in (0, staged, live):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return inode

    @staticmethod
    def _inode(tree: PlacedTree, path: bytes) -> int:
        """The inode that has a name, 0 for none."""
        status = tree.status(path)
        return status.st_ino if status else 0


def _wanted(metadata: Metadata, live: os.stat_result, *, keep_special: bool) -> Metadata:
    special = live.st_mode & _SPECIAL if keep_special else 0
    return metadata_settable(replace(metadata, mode=metadata.mode | special), live)


@contextlib.contextmanager
def _collected(errors: list[OSError] | None) -> Iterator[None]:
    """Keep an error instead of letting it end the work, where there is a list; only the first that may pass and the
    first that is final, for there may be as many as steps.
    """
    try:
        yield
    except OSError as error:
        if errors is None:
            raise
        if not any((known.errno in _FINAL) == (error.errno in _FINAL) for known in errors):
            errors.append(error)
