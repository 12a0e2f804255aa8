"""Restores a file together with its companions, and removes newer companions.

A database replays the journal beside it when it opens next: the journal of a later state would corrupt it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from repository.chunked.contents.selection import Selection
from repository.chunked.manifest.stream import Manifest
from repository.chunked.packs.fetching import ChunkStore
from repository.chunked.restoring.folders import name_of, parent_of
from repository.chunked.restoring.reading import snapshot_file_head
from repository.chunked.restoring.target import RestoreRoot
from repository.chunked.restoring.workers import Pulse
from trees.companions import is_companion, is_of_store, units_brought
from trees.folders import file_head
from trees.source import Kind

_SEEKS_MAX = 64


class _Folder(NamedTuple):
    """A folder whose records are being read, and the names of its restored files so far."""

    path: bytes
    files: set[bytes]


def companions_chosen(manifest: Manifest, chunks: ChunkStore, paths: Sequence[bytes]) -> list[bytes]:
    """Given chosen paths of a snapshot, return them and all their companions."""
    head = partial(snapshot_file_head, manifest, chunks)
    others = {path: [other for other in _candidates(manifest, path) if other != path] for path in paths}
    present = _present(manifest, {other for found in others.values() for other in found})
    chosen = set(paths)
    for path, found in others.items():
        within = path[: len(path) - len(name_of(path))]

        def of_snapshot(name: bytes, within: bytes = within) -> bytes | None:
            return head(within + name)

        for other in found:
            if other in present and any(
                is_companion(name_of(one), backup=of_snapshot, live=lambda name: of_snapshot(name) or b"")
                for one in (path, other)
            ):
                chosen.add(other)
    return sorted(chosen)


def companions_remove(
    selection: Selection, target: RestoreRoot, pulse: Pulse, *, hold: Callable[[bytes], bool]
) -> None:
    """Remove live companions of restored files that the snapshot does not have, except where `hold` says True."""
    above: list[_Folder] = []
    for record, _ in selection.entries():
        while above and record.path and above[-1].path != parent_of(record.path):
            _remove_from(above.pop(), target, hold)
        if record.kind is Kind.FOLDER:
            above.append(_Folder(record.path, set()))
        elif record.kind in (Kind.FILE, Kind.HARDLINK) and selection.covers(record.path) and above:
            above[-1].files.add(name_of(record.path))
        pulse.tick()
    while above:
        _remove_from(above.pop(), target, hold)


def _remove_from(folder: _Folder, target: RestoreRoot, hold: Callable[[bytes], bool]) -> None:
    if not folder.files or target.tally.has_failed(folder.path):
        return
    with target.tally.failing(folder.path), os.scandir(target.folders.get(folder.path).fd) as entries:
        live = [name for entry in entries if (name := os.fsencode(entry.name)) not in folder.files]
    at = target.folders.get(folder.path).fd

    def restored(name: bytes) -> bytes | None:
        return file_head(name, at=at) if name in folder.files and not target.tally.has_failed(path_of(name)) else None

    def path_of(name: bytes) -> bytes:
        return folder.path + b"/" + name if folder.path else name

    for name in live:
        is_file = file_head(name, at=at) is not None
        is_one = is_file and is_companion(name, backup=restored, live=lambda name: file_head(name, at=at) or b"")
        if is_one and not hold(path_of(name)):
            with target.tally.failing(path_of(name)):
                os.unlink(name, dir_fd=at)
                target.tally.report.removed += 1


def _candidates(manifest: Manifest, path: bytes) -> Iterator[bytes]:
    """The paths that may be companions of a path, or that it may be a companion of."""
    name = name_of(path)
    within = path[: len(path) - len(name)]
    for main, others in units_brought(name):
        if others is not None:
            yield from (within + other for other in (main, *others))
    if is_of_store(name):
        for record, _ in manifest.under(parent_of(path)) if within else manifest.files():
            if parent_of(record.path) == parent_of(path) and is_of_store(name_of(record.path)):
                yield record.path


def _present(manifest: Manifest, paths: set[bytes]) -> set[bytes]:
    """The subset of the paths that are files in the snapshot."""
    kinds = (Kind.FILE, Kind.HARDLINK)
    if len(paths) > _SEEKS_MAX:
        return {record.path for record, _ in manifest.files() if record.path in paths and record.kind in kinds}
    found = (next(manifest.under(path), None) for path in paths)
    return {entry[0].path for entry in found if entry and entry[0].path in paths and entry[0].kind in kinds}
