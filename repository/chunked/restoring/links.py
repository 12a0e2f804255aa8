"""Makes hard and symbolic links after all files, so that nothing is ever written through a link."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from repository.chunked.manifest.records import Record
from repository.chunked.restoring.folders import Folder, Folders, name_of, parent_of
from repository.chunked.restoring.outcome import FailureReason
from repository.chunked.restoring.target import Destination, RestoreRoot
from trees.folders import status_at


def hard_link_make(record: Record, target: RestoreRoot) -> None:
    """Add a name to a restored file; a name that it already has stays."""
    tally, first = target.tally, record.target or b""
    if tally.has_failed(first):
        tally.fail(record.path, FailureReason.FIRST_LINK_FAILED)
        return
    with tally.failing(record.path), _held(target.folders, parent_of(first)) as source:
        name = name_of(first)
        wanted = os.lstat(name, dir_fd=source.fd)
        if not stat.S_ISREG(wanted.st_mode):
            tally.fail(record.path, FailureReason.FIRST_LINK_FAILED)
            return
        folder = target.folders.get(parent_of(record.path))
        live = status_at(name_of(record.path), at=folder.fd)
        if live is None or (live.st_dev, live.st_ino) != (wanted.st_dev, wanted.st_ino):
            place = _place(target, folder, record)
            os.link(name, place.name, src_dir_fd=source.fd, dst_dir_fd=place.at, follow_symlinks=False)
            _put(target, place, folder, record)


def symbolic_link_make(record: Record, target: RestoreRoot) -> None:
    """Make a symbolic link with the record's target, wherever that leads: a restore follows no link."""
    with target.tally.failing(record.path):
        folder, name = target.folders.get(parent_of(record.path)), name_of(record.path)
        live = status_at(name, at=folder.fd)
        if live is not None and stat.S_ISLNK(live.st_mode) and os.readlink(name, dir_fd=folder.fd) == record.target:
            target.metadata.apply_to_link(name, record, at=folder.fd, live=live)
            return
        place = _place(target, folder, record)
        os.symlink(record.target or b"", place.name, dir_fd=place.at)
        made = os.lstat(place.name, dir_fd=place.at)
        target.metadata.apply_to_link(place.name, record, at=place.at, live=made)
        _put(target, place, folder, record)


@contextlib.contextmanager
def _held(folders: Folders, path: bytes) -> Iterator[Folder]:
    folder = folders.get(path)
    folders.hold(folder)
    try:
        yield folder
    finally:
        folders.release(folder)


def _place(target: RestoreRoot, folder: Folder, record: Record) -> Destination:
    if target.fresh:
        return Destination(folder.fd, name_of(record.path), beside=True)
    target.reserved.enter(folder)
    return Destination(*target.reserved.place(folder), beside=folder.foreign)


def _put(target: RestoreRoot, place: Destination, folder: Folder, record: Record) -> None:
    if target.fresh:
        return
    try:
        target.put(place, folder, name_of(record.path))
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(place.name, dir_fd=place.at)
        raise
