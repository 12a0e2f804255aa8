"""Deletes files that are not in the snapshot."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from repository.chunked.contents.selection import Selection
from repository.chunked.restoring.folders import name_of, parent_of
from repository.chunked.restoring.target import RestoreRoot
from repository.chunked.restoring.workers import Pulse
from trees.folders import is_folder
from trees.paths import RESERVED_FOLDER
from trees.source import Kind


class _Listed(NamedTuple):
    """A folder whose records are being read, and its live names without a record so far, in reverse order."""

    path: bytes
    names: list[bytes]


def extras_remove(selection: Selection, target: RestoreRoot, pulse: Pulse, *, hold: Callable[[bytes], bool]) -> None:
    """In every chosen folder, remove the names without a record, except where `hold` says True.

    Records and names are both sorted by name.
    """
    open_folders: list[_Listed] = []
    for record, _ in selection.entries():
        path = record.path
        while open_folders and path and open_folders[-1].path != parent_of(path):
            _remove_before(open_folders.pop(), None, target, hold)
        if open_folders and path:
            _remove_before(open_folders[-1], name_of(path), target, hold)
        if record.kind is Kind.FOLDER and selection.covers(path):
            open_folders.append(_Listed(path, _names(path, target)))
        pulse.tick()
    while open_folders:
        _remove_before(open_folders.pop(), None, target, hold)


def _names(path: bytes, target: RestoreRoot) -> list[bytes]:
    if target.tally.has_failed(path):
        return []
    with target.tally.failing(path), os.scandir(target.folders.get(path).fd) as entries:
        # A folder that changes while it is listed may give a name twice: the second would count as an extra.
        names = {os.fsencode(entry.name) for entry in entries}
        if not path:
            names.discard(RESERVED_FOLDER)
        return sorted(names, reverse=True)
    return []


def _remove_before(folder: _Listed, name: bytes | None, target: RestoreRoot, hold: Callable[[bytes], bool]) -> None:
    """Remove the names before `name`, or all remaining ones for None; `name` itself stays."""
    names = folder.names
    while names and (name is None or names[-1] < name):
        _remove(folder.path, names.pop(), target, hold)
    if names and names[-1] == name:
        names.pop()


def _remove(folder: bytes, name: bytes, target: RestoreRoot, hold: Callable[[bytes], bool]) -> None:
    path = folder + b"/" + name if folder else name
    if hold(path) or target.tally.has_failed(path):
        return
    with target.tally.failing(path):
        at = target.folders.get(folder).fd
        if is_folder(name, at=at):
            target.reserved.take(name, at=at)
        else:
            os.unlink(name, dir_fd=at)
        target.tally.report.removed += 1
