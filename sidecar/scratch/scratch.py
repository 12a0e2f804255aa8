"""The daemon's own folder: what it remembers, the files that `/tmp` names, and those that are not whole yet.

SCRATCH/fences.json   the daemon's memory
SCRATCH/files/        `/tmp` on the wire: whole files, without folders
SCRATCH/partial/      files being written, under names of their own
"""

import errno
import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sidecar.errors import ScratchFull, SidecarError, SourceFailed, StartError, cause_of

_OWNER_ONLY: Final = 0o700
_FILE_MODE: Final = 0o600
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# No operation lives longer: what is older was left behind by a worker that never came back.
_ON_THE_WIRE: Final = "/tmp"  # noqa: S108 - a name on the wire, not this machine's folder
_KEPT_SECONDS: Final = 24 * 3600


class Scratch:
    """One folder of one daemon; any other is kept out for as long as the process lives."""

    def __init__(self, folder: Path) -> None:
        """Create what is missing. Raises `StartError` when the folder cannot be used, or others might use it."""
        self.folder = folder
        self.files = folder / "files"
        self._partial = folder / "partial"
        try:
            folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
            if folder.stat().st_mode & _WRITABLE_BY_OTHERS:
                raise StartError(f"{folder} must not be writable by others")
            for own in (self.files, self._partial):
                own.mkdir(mode=_OWNER_ONLY, exist_ok=True)
            self._lock = _locked(folder)
        except OSError as error:
            raise StartError(f"{folder} cannot be used as scratch: {error.strerror}") from error

    @property
    def fences(self) -> Path:
        """Where the fences are remembered."""
        return self.folder / "fences.json"

    def sweep(self) -> None:
        """Remove every file an earlier process left: whoever wanted one starts again."""
        for folder in (self.files, self._partial):
            shutil.rmtree(folder)
            folder.mkdir(mode=_OWNER_ONLY)

    def partial_create(self) -> "PartialFile":
        """A new file that is not whole yet, having removed files that nobody came back for. Raises `ScratchFull`."""
        too_old = time.time() - _KEPT_SECONDS
        for path in self._all_files():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < too_old:
                    path.unlink()
        return PartialFile(self._partial / secrets.token_hex(16), files=self.files)

    def remove(self, name: str) -> None:
        """Remove a whole file; one that is not there is no error."""
        with _room_needed():
            (self.files / name).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """The room that is left."""
        return free_bytes(self.folder)

    def _all_files(self) -> Iterator[Path]:
        yield from self.files.iterdir()
        yield from self._partial.iterdir()


class PartialFile:
    """A file under a name of its own until `publish`; leaving the `with` without that removes it."""

    def __init__(self, path: Path, *, files: Path) -> None:
        self._path = path
        self._files = files
        with _room_needed():
            self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _FILE_MODE)

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        """Append all of the bytes. Raises `ScratchFull`."""
        write_all(self.descriptor, data)

    def publish(self, name: str) -> None:
        """Make the file appear in scratch under `name`, in place of any before. Raises `ScratchFull`."""
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
    """What an ordinary user may still write on the folder's volume. Raises `SourceFailed` when it is not there."""
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
        if error.errno in _NO_ROOM:
            failure = ScratchFull("The scratch folder's disk is full.")
        failure.params = cause_of(error, _ON_THE_WIRE)
        raise failure from error


def _locked(folder: Path) -> int:
    """A descriptor of the folder that keeps every other daemon off for as long as it is open."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StartError(f"another sidecar uses {folder}") from error
    return descriptor
