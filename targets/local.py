"""A folder as a target: an object is synced to disk, then appears whole by a hard link."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from repository.key_grammar import key_checked, prefix_checked, segment_is_valid
from repository.retrying import Retry
from repository.storage import ObjectInfo, ObjectNotFound, ObjectWriter, StorageDenied
from targets.kinds import Option, OptionInvalid, TargetKind, folder_checked, gettext_noop
from targets.local_files import (
    LocalWriter,
    file_open,
    file_read,
    file_size,
    folder_sync,
    storage_errors,
    unlink_unless_locked,
)

PIECE_SIZE = 1 << 20
RANGE_SIZE = 4 << 20
_PARTIAL = ".partial"  # on the objects' own file system; no segment of a key begins with a dot


class LocalStorage:
    """Objects as files below `root`, which must exist; files are 0600, folders 0700.

    The file system must support hard links: a link appears atomically, and fails for a taken name.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def writer(
        self,
        key: str,
        *,
        expected_size: int,  # noqa: ARG002  # the protocol's; a file needs no plan
    ) -> AbstractContextManager[ObjectWriter]:
        """Open a new object; leaving the block without `commit` leaves nothing."""
        return self._writer(self._path(key))

    def read(self, key: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop` (or the end), 1 MiB at a time, a range of up to 4 MiB at once.

        Raises `ObjectNotFound`, and `ObjectUnreadable` when the disk cannot read a part of the object.
        """
        if start < 0:
            raise ValueError("a start is not negative")
        path = self._path(key)
        self._root_check("read")
        with storage_errors("read"):
            descriptor = file_open(path)
        try:
            at_once = PIECE_SIZE if stop is None or stop - start > RANGE_SIZE else RANGE_SIZE
            while stop is None or start < stop:
                length = at_once if stop is None else min(at_once, stop - start)
                with storage_errors("read"):
                    piece = file_read(descriptor, length, start, path=path)
                if not piece:
                    return
                start += len(piece)
                yield piece
        finally:
            os.close(descriptor)

    def size(self, key: str) -> int:
        """The object's size in bytes; raises `ObjectNotFound`."""
        self._root_check("size")
        with storage_errors("size"):
            size = file_size(self._path(key))
        if size is None:
            self._mounted_check("size")
            raise ObjectNotFound("size: no such object")
        return size

    def delete(self, key: str) -> None:
        """Remove the object and the folders it leaves empty; a missing object is no error."""
        path = self._path(key)
        # In an unmounted folder every object is missing, so a delete would seem to succeed.
        self._root_check("delete")
        try:
            with storage_errors("delete"):
                path.unlink()
                folder_sync(path.parent)
        except ObjectNotFound:
            self._mounted_check("delete")
            with storage_errors("delete"):
                folder_sync(path.parent)  # an earlier try may have removed the name, and failed here
        for folder in path.parents:
            if folder == self._root:
                break
            try:
                folder.rmdir()
            except OSError:
                break  # another object lives here, or another process was faster

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object whose key begins with `prefix`; raises rather than ending early."""
        folder, _, _ = prefix_checked(prefix).rpartition("/")
        self._root_check("list")
        pending = [folder]
        while pending:
            for key, entry in self._entries(pending.pop()):
                if not key.startswith(prefix):
                    continue
                with storage_errors("list"):
                    size = file_size(entry)
                    if size is None and entry.is_dir(follow_symlinks=False):
                        pending.append(key)
                if size is not None:
                    yield ObjectInfo(key=key, size=size)

    def partials_sweep(self, *, older_than_seconds: float) -> int:
        """Delete files of uncommitted objects that were not written to for that time; return their number.

        An object that is still being written has a lock on its file, and stays at any age.
        """
        removed = 0
        self._root_check("sweep")
        with storage_errors("sweep"):
            for path in list((self._root / _PARTIAL).glob("*")):
                with suppress(FileNotFoundError):
                    age = time.time() - path.lstat().st_mtime
                    removed += age >= older_than_seconds and unlink_unless_locked(path)
        return removed

    @contextmanager
    def _writer(self, path: Path) -> Iterator[LocalWriter]:
        self._root_check("write")
        with storage_errors("write"):
            folder = self._root / _PARTIAL
            folder.mkdir(mode=0o700, exist_ok=True)
            partial = folder / secrets.token_hex(16)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with storage_errors("write"):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield LocalWriter(descriptor, partial=partial, path=path, root=self._root)
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()
            os.close(descriptor)

    def _entries(self, folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """The entries of a folder with their keys. Names that are no segment of a key are skipped as foreign."""
        with storage_errors("list"):
            try:
                entries = os.scandir(self._root / folder)
            except (FileNotFoundError, NotADirectoryError):
                return  # no object has that prefix, or the last one was deleted meanwhile
        with entries:
            while True:
                with storage_errors("list"):
                    entry = next(entries, None)
                if entry is None:
                    return
                if segment_is_valid(entry.name):
                    yield (f"{folder}/{entry.name}" if folder else entry.name), entry

    def _root_check(self, action: str) -> None:
        with storage_errors(action):
            if not self._root.is_dir():
                raise StorageDenied(f"{action}: the target's folder does not exist")

    def _mounted_check(self, action: str) -> None:
        """Raise StorageDenied for an empty folder: it may be an unmounted volume, whose objects are not deleted."""
        if not (self._root / _PARTIAL).is_dir():
            raise StorageDenied(f"{action}: the target's folder is empty; is its volume mounted?")

    def _path(self, key: str) -> Path:
        return self._root / key_checked(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """The settings of a folder target."""

    root: Annotated[
        Path,
        Option(
            label=gettext_noop("folder"),
            help=gettext_noop("An absolute path below a folder that SAVEPOINT_STORAGE_ROOTS names."),
            argument="--folder",
            argument_help="a folder: the root of the target",
        ),
    ]

    def __post_init__(self) -> None:
        folder_checked("root", self.root)


def _open(settings: LocalSettings, retry: Retry) -> LocalStorage:  # noqa: ARG001  # each of its calls is one request
    return LocalStorage(settings.root)


def _found_here(given: dict[str, Any]) -> LocalSettings:
    root = Path(given["root"])
    if not root.is_dir():
        raise OptionInvalid("root", f"there is no folder {root}")
    return LocalSettings(root=root.absolute())


LOCAL = TargetKind(
    name="local", label=gettext_noop("local folder"), settings=LocalSettings, open=_open, found_here=_found_here
)
