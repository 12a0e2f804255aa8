"""The target of a restore: temporary files, and their renames to the final names."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import NamedTuple

from repository.chunked.restoring.folders import Folder, Folders, name_of, parent_of
from repository.chunked.restoring.metadata import RecordMetadata
from repository.chunked.restoring.outcome import Tally
from repository.chunked.restoring.reserved import Reserved
from trees.filesystem import Filesystem
from trees.trust import Trust

MIB = 1 << 20
COMMIT_FILES = 16_384
COMMIT_BYTES = 256 * MIB
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Destination(NamedTuple):
    """The place of a new file: a name in an open folder. `beside`: this is already its final folder."""

    at: int
    name: bytes
    beside: bool


class RestoreRoot:
    """The folder that a restore writes to.

    In an empty folder (`fresh`), files are made under their final names. Otherwise they are made in the reserved
    folder, synced, and renamed in batches, so that each file is wholly old or wholly new. A rename gives the name a
    new inode: programs that have the old file open keep it. `trust` decides which live files need not be read.
    """

    def __init__(
        self,
        root: int,
        *,
        tally: Tally,
        metadata: RecordMetadata,
        fresh: bool,
        delete: bool,
        durable: bool,
        trust: Trust,
    ) -> None:
        self.folders = Folders(root)
        self.reserved = Reserved(root)
        self.metadata = metadata
        self.tally = tally
        self.fresh = fresh
        self.trust = trust
        self._delete = delete
        self._durable = durable
        self._filesystem = Filesystem()
        self._waiting: list[tuple[bytes, Destination]] = []
        self._waiting_bytes = 0

    def create(self, folder: Folder, name: bytes) -> tuple[int, Destination]:
        """Make a file for a name; return its descriptor, and its place."""
        if self.fresh:
            place = Destination(folder.fd, name, beside=True)
        else:
            place = Destination(*self.reserved.place(folder), beside=folder.foreign)
        return os.open(place.name, _CREATE, 0o600, dir_fd=place.at), place

    def offer(self, path: bytes, place: Destination, size: int) -> None:
        """Queue a finished file for its rename by the next commit."""
        self._waiting.append((path, place))
        self._waiting_bytes += size

    def commit(self, *, force: bool = False) -> None:
        """Rename the queued files once there are enough, or with `force`. Raises `TargetFailed`, OSError."""
        if not self._waiting or not (
            force or len(self._waiting) >= COMMIT_FILES or self._waiting_bytes >= COMMIT_BYTES
        ):
            return
        self.sync()
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for done, (path, place) in enumerate(waiting):
            try:
                self._commit(path, place)
            except BaseException:
                self._waiting = waiting[done:]
                raise

    def put(self, place: Destination, folder: Folder, name: bytes) -> None:
        """Rename a file or link to its name, replacing anything there."""
        at = folder.fd if place.beside else place.at
        try:
            os.rename(place.name, name, src_dir_fd=at, dst_dir_fd=folder.fd)
        except IsADirectoryError:
            self._clear(folder, name)
            os.rename(place.name, name, src_dir_fd=at, dst_dir_fd=folder.fd)

    def sync(self) -> None:
        """Sync the volumes that were written to; does nothing unless `durable`."""
        if not self._durable:
            return
        fds = [self.folders.root.fd]
        foreign = {parent_of(path) for path, place in self._waiting if place.beside}
        for fd in [*fds, *(self.folders.get(path).fd for path in foreign)]:
            self._filesystem.sync_volume(fd)

    def close(self) -> None:
        """Remove unfinished files and close the descriptors."""
        for path, place in self._waiting:
            if place.beside:
                with contextlib.suppress(OSError):
                    os.unlink(place.name, dir_fd=self.folders.get(parent_of(path)).fd)
        self._waiting = []
        self.reserved.close()

    def _commit(self, path: bytes, place: Destination) -> None:
        put = False
        with self.tally.failing(path):
            folder = self.folders.get(parent_of(path))
            self.put(place, folder, name_of(path))
            self.tally.file(kept=False)
            put = True
        if not put:
            self._unlink(path, place)

    def _unlink(self, path: bytes, place: Destination) -> None:
        with contextlib.suppress(OSError):
            at = self.folders.get(parent_of(path)).fd if place.beside else place.at
            os.unlink(place.name, dir_fd=at)

    def _clear(self, folder: Folder, name: bytes) -> None:
        """Remove a folder whose name another entry takes: an empty one, or with `delete` any."""
        try:
            os.rmdir(name, dir_fd=folder.fd)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or not self._delete:
                raise
            self.reserved.take(name, at=folder.fd)
