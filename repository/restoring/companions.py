"""Files that belong together: a restored one brings its companions, and takes newer ones away.

A journal of a later state, beside a database of an earlier one, is played into it at its next opening and corrupts it.
The rule itself is the sidecar's too (`sidecar/restore/companions.py`), which knows nothing of repositories.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from repository.packs.fetching import ChunkStore
from repository.restoring.folders import name_of, parent_of
from repository.restoring.reading import HEAD_BYTES, snapshot_file_head
from repository.restoring.selection import Selection
from repository.restoring.target import Target
from repository.restoring.workers import Pulse
from repository.sources.protocol import Kind
from repository.tree.stream import Manifest

_SEEKS_MAX = 64
_SQLITE = b"SQLite format 3\0"
_SQLITE_SUFFIXES = (b"-wal", b"-shm", b"-journal")
_SQLITE_LOGS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
_LEVEL = b"level.dat"
_OF_LEVEL = frozenset({b"level.dat_old", b"level.dat_new", b"session.lock"})
CURRENT = b"CURRENT"
_MANIFEST = re.compile(rb"MANIFEST-\d+")
# Of LevelDB and RocksDB, which name all the files of a folder in a manifest.
_OF_STORE = re.compile(
    rb"\d+\.(ldb|sst|log|blob|dbtmp)|MANIFEST-\d+|OPTIONS-\d+(\.dbtmp)?|CURRENT|IDENTITY|LOCK|LOG(\.old.*)?"
)


def is_companion(name: bytes, *, backup: Callable[[bytes], bytes | None], live: Callable[[bytes], bytes]) -> bool:
    """Whether a live file that the backup does not have belongs to one that it has, all in one folder.

    `backup` gives the first bytes of a file in the backup, None when there is none; `live` those of a live file.
    """
    for suffix in _SQLITE_SUFFIXES:
        if name.endswith(suffix) and (head := backup(name.removesuffix(suffix))) is not None:
            # An empty file is a database before its first transaction; an encrypted one has no signature.
            return not head or head.startswith(_SQLITE) or live(name).startswith(_SQLITE_LOGS)
    if name in _OF_LEVEL:
        return backup(_LEVEL) is not None
    if not _OF_STORE.fullmatch(name):
        return False
    manifest = (backup(CURRENT) or b"").strip()
    return _MANIFEST.fullmatch(manifest) is not None and backup(manifest) is not None


def units_of(name: bytes) -> Iterator[tuple[bytes, Sequence[bytes] | None]]:
    """The units that a name may be of: the name of its main file, and those of the others; None: all of a store."""
    main = main_of_log(name)
    for each in [name] if main is None else [name, main]:
        yield each, [each + suffix for suffix in _SQLITE_SUFFIXES]
    if is_of_level(name):
        yield _LEVEL, sorted(_OF_LEVEL)
    if is_of_store(name):
        yield CURRENT, None


def main_of_log(name: bytes) -> bytes | None:
    """The name of the database whose log would have a name."""
    return next((name.removesuffix(suffix) for suffix in _SQLITE_SUFFIXES if name.endswith(suffix)), None)


def is_of_level(name: bytes) -> bool:
    """Whether a name is a level's, or of one of its companions."""
    return name == _LEVEL or name in _OF_LEVEL


def is_of_store(name: bytes) -> bool:
    """Whether a name is one that LevelDB and RocksDB give."""
    return _OF_STORE.fullmatch(name) is not None


def belong_together(main: bytes, other: bytes, *, heads: Callable[[bytes], Iterable[bytes]]) -> bool:
    """Whether a file and the main one of its unit, by their names, are what these say.

    `heads` gives the first bytes of a file in the snapshot and live, if there are such; empty ones count by the name.
    """
    if main == _LEVEL and other in _OF_LEVEL:
        return any(True for _ in heads(main))
    if main == CURRENT and is_of_store(other):
        return any(not head or _MANIFEST.fullmatch(head.strip()) for head in heads(main))
    of_main = list(heads(main))
    if any(not head or head.startswith(_SQLITE) for head in of_main):
        return True
    return bool(of_main) and any(not head or head.startswith(_SQLITE_LOGS) for head in heads(other))


class _Folder(NamedTuple):
    """A folder whose records are coming by, and the names of the files among them that were restored."""

    path: bytes
    files: set[bytes]


def companions_chosen(manifest: Manifest, chunks: ChunkStore, paths: Sequence[bytes]) -> list[bytes]:
    """Given chosen paths of a snapshot, return them with all that belong to them, or that they belong to."""
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


def companions_remove(selection: Selection, target: Target, pulse: Pulse, *, hold: Callable[[bytes], bool]) -> None:
    """Remove live files that the snapshot does not have and that belong to restored ones, save those that `hold`."""
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


def _remove_from(folder: _Folder, target: Target, hold: Callable[[bytes], bool]) -> None:
    if not folder.files or target.tally.has_failed(folder.path):
        return
    with target.tally.failing(folder.path), os.scandir(target.folders.get(folder.path).fd) as entries:
        live = [name for entry in entries if (name := os.fsencode(entry.name)) not in folder.files]
    at = target.folders.get(folder.path).fd

    def restored(name: bytes) -> bytes | None:
        return live_head(name, at) if name in folder.files and not target.tally.has_failed(path_of(name)) else None

    def path_of(name: bytes) -> bytes:
        return folder.path + b"/" + name if folder.path else name

    for name in live:
        is_file = live_head(name, at) is not None
        is_one = is_file and is_companion(name, backup=restored, live=lambda name: live_head(name, at) or b"")
        if is_one and not hold(path_of(name)):
            with target.tally.failing(path_of(name)):
                os.unlink(name, dir_fd=at)
                target.tally.report.removed += 1


def _candidates(manifest: Manifest, path: bytes) -> Iterator[bytes]:
    """The paths that may belong to one, or that it may belong to."""
    name = name_of(path)
    within = path[: len(path) - len(name)]
    mains = [path, *(path.removesuffix(suffix) for suffix in _SQLITE_SUFFIXES if name.endswith(suffix))]
    for main in mains:
        yield from (main, *(main + suffix for suffix in _SQLITE_SUFFIXES))
    if name == _LEVEL:
        yield from (within + other for other in sorted(_OF_LEVEL))
    if _OF_STORE.fullmatch(name):
        for record, _ in manifest.under(parent_of(path)) if within else manifest.files():
            if parent_of(record.path) == parent_of(path) and _OF_STORE.fullmatch(name_of(record.path)):
                yield record.path


def _present(manifest: Manifest, paths: set[bytes]) -> set[bytes]:
    """Those of some paths that the snapshot has as files."""
    kinds = (Kind.FILE, Kind.HARDLINK)
    if len(paths) > _SEEKS_MAX:
        return {record.path for record, _ in manifest.files() if record.path in paths and record.kind in kinds}
    found = (next(manifest.under(path), None) for path in paths)
    return {entry[0].path for entry in found if entry and entry[0].path in paths and entry[0].kind in kinds}


def live_head(name: bytes, at: int) -> bytes | None:
    """The first bytes of a live file, None when it is none; of one that cannot be read, none."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
    except PermissionError:
        return b""
    except OSError:
        return None
    try:
        return os.read(fd, HEAD_BYTES) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    finally:
        os.close(fd)
