"""The daemon's own folder: its fences, the files that `/tmp` names, and incomplete files.

SCRATCH/fences.json   the highest fence of each operation
SCRATCH/files/        `/tmp` on the wire: complete files, without folders
SCRATCH/partial/      files being written, under unique names
"""

import fcntl
import os
import secrets
import shutil
import stat
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sidecar.errors import ScratchFull, SidecarError, SourceFailed, StartError, cause_of
from trees.limits import NO_ROOM

_OWNER_ONLY: Final = 0o700
_FILE_MODE: Final = 0o600
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
# No operation lives longer: older files were abandoned by a worker that never came back.
_ON_THE_WIRE: Final = "/tmp"  # noqa: S108 - a name on the wire, not this machine's folder
_KEPT_SECONDS: Final = 24 * 3600
_READ_BYTES: Final = 256 << 10


class Scratch:
    """The scratch folder of one daemon, locked against other daemons for the life of the process."""

    def __init__(self, folder: Path) -> None:
        """Create missing folders. Raises `StartError` when the folder is unusable, or other users can write to it."""
        self.folder = folder
        self.files = folder / "files"
        self._partial = folder / "partial"
        try:
            folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
            if folder.stat().st_mode & _WRITABLE_BY_OTHERS:
                raise StartError(f"{folder} must not be writable by others")
            for own in (self.files, self._partial):
                own.mkdir(mode=_OWNER_ONLY, exist_ok=True)
            self._lock = folder_locked(folder)
        except OSError as error:
            raise StartError(f"{folder} cannot be used as scratch: {error.strerror}") from error

    @property
    def fences(self) -> Path:
        """The path of the file with the fences."""
        return self.folder / "fences.json"

    def sweep(self) -> None:
        """Remove every file of an earlier process: a worker that needs one starts again."""
        for folder in (self.files, self._partial):
            shutil.rmtree(folder)
            folder.mkdir(mode=_OWNER_ONLY)

    def partial_create(self) -> "PartialFile":
        """Create a partial file, after removing files that were abandoned. Raises `ScratchFull`."""
        too_old = time.time() - _KEPT_SECONDS
        for path in self._all_files():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < too_old:
                    path.unlink()
        return PartialFile(self._partial / secrets.token_hex(16), files=self.files)

    def spool(self, parts: Iterable[bytes | memoryview]) -> "Spooled":
        """Write the parts into a file without a name. Raises `ScratchFull`."""
        with self.partial_create() as file:
            for part in parts:
                file.write(part)
            return Spooled(file.descriptor)

    def remove(self, name: str) -> None:
        """Remove a complete file; a missing one is no error."""
        with _room_needed():
            (self.files / name).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """The free space in bytes."""
        return free_bytes(self.folder)

    def _all_files(self) -> Iterator[Path]:
        yield from self.files.iterdir()
        yield from self._partial.iterdir()


class Spooled:
    """The bytes of a file without a name, which is gone with `close`, or with the last reference to this."""

    def __init__(self, descriptor: int) -> None:
        """Keep an open file that was written."""
        self._descriptor = os.dup(descriptor)
        self.close = weakref.finalize(self, os.close, self._descriptor)

    def read(self) -> Iterator[bytes]:
        """The bytes in parts, from the beginning."""
        offset = 0
        while part := os.pread(self._descriptor, _READ_BYTES, offset):
            offset += len(part)
            yield part


class PartialFile:
    """A file under a unique name until `publish`; leaving the `with` before that removes it."""

    def __init__(self, path: Path, *, files: Path) -> None:
        self._path = path
        self._files = files
        with _room_needed():
            self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _FILE_MODE)

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        """Append all of the bytes. Raises `ScratchFull`."""
        write_all(self.descriptor, data)

    def publish(self, name: str) -> None:
        """Give the file its `name` in scratch, replacing an earlier file. Raises `ScratchFull`."""
        with _room_needed():
            self._path.replace(self._files / name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.descriptor)
        self._path.unlink(missing_ok=True)


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of the bytes. Raises `ScratchFull`."""
    rest = memoryview(data)
    with _room_needed():
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def free_bytes(folder: Path) -> int:
    """The space in bytes that an ordinary user may still use on the folder's volume. Raises `SourceFailed`."""
    try:
        volume = os.statvfs(folder)
    except OSError as error:
        raise SourceFailed("A folder of this sidecar is missing, or its disk fails.") from error
    return volume.f_bavail * volume.f_frsize


@contextmanager
def _room_needed() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        failure: SidecarError = SourceFailed(f"The scratch folder's disk fails: {error.strerror}.")
        if error.errno in NO_ROOM:
            failure = ScratchFull("The scratch folder's disk is full.")
        failure.params = cause_of(error, _ON_THE_WIRE)
        raise failure from error


def folder_locked(folder: Path) -> int:
    """Open and lock a folder of one daemon; the lock lasts while the descriptor is open.

    Raises `StartError` when another daemon has it, and OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StartError(f"another sidecar uses {folder}") from error
    return descriptor
