"""Units of files that belong together: a database and its logs, a level and its older one, the files of a store.

A database replays the journal beside it when it opens next, and a journal of a later state would corrupt it. So a
restored file replaces or removes its companions, even in a mode in which other newer files stay.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence

from trees.folders import status_at

_SQLITE = b"SQLite format 3\0"
_SQLITE_SUFFIXES = (b"-wal", b"-shm", b"-journal")
_SQLITE_LOGS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
LEVEL = b"level.dat"
_OF_LEVEL = frozenset({b"level.dat_old", b"level.dat_new", b"session.lock"})
CURRENT = b"CURRENT"
_MANIFEST = re.compile(rb"MANIFEST-\d+")
# Names that hardly anything but such a store gives a file. Its numbers have six digits or more; `1.log` is another's.
_STORE_FILE = re.compile(rb"\d+\.(ldb|sst)|\d{6,}\.(log|blob|dbtmp)|MANIFEST-\d+|OPTIONS-\d{6,}(\.dbtmp)?|CURRENT")
# The files of LevelDB and RocksDB, which list all files of a folder in a manifest.
_OF_STORE = re.compile(
    rb"\d+\.(ldb|sst|log|blob|dbtmp)|MANIFEST-\d+|OPTIONS-\d+(\.dbtmp)?|CURRENT|IDENTITY|LOCK|LOG(\.old.*)?"
)


def is_companion(name: bytes, *, backup: Callable[[bytes], bytes | None], live: Callable[[bytes], bytes]) -> bool:
    """Whether a live file that is not in the backup is a companion of one that is, in the same folder.

    `backup` returns the first bytes of a file in the backup, None for a missing one; `live` those of a live file.
    """
    for suffix in _SQLITE_SUFFIXES:
        if name.endswith(suffix) and (head := backup(name.removesuffix(suffix))) is not None:
            # An empty file is a database before its first transaction; an encrypted one has no signature.
            return not head or head.startswith(_SQLITE) or live(name).startswith(_SQLITE_LOGS)
    if name in _OF_LEVEL:
        return backup(LEVEL) is not None
    if not _OF_STORE.fullmatch(name):
        return False
    manifest = (backup(CURRENT) or b"").strip()
    return _MANIFEST.fullmatch(manifest) is not None and backup(manifest) is not None


def units_of(name: bytes) -> Iterator[tuple[bytes, Sequence[bytes] | None]]:
    """Yield the units that a name may be in: the main file's name, and the others' (None: all files of a store)."""
    main = main_of_log(name)
    for each in [name] if main is None else [name, main]:
        yield each, [each + suffix for suffix in _SQLITE_SUFFIXES]
    if is_of_level(name):
        yield LEVEL, sorted(_OF_LEVEL)
    if is_of_store(name):
        yield CURRENT, None


def units_brought(name: bytes) -> Iterator[tuple[bytes, Sequence[bytes] | None]]:
    """Yield the units, as `units_of` does, whose files are restored with a file that was chosen alone.

    A log is useless, or worse, without its database. The older level is one that a user may want alone.
    """
    return ((main, others) for main, others in units_of(name) if main != LEVEL or name == LEVEL)


def main_of_log(name: bytes) -> bytes | None:
    """The name of the database whose log is named `name`, None when no log has such a name."""
    if not name.endswith(_SQLITE_SUFFIXES):  # as most names do not
        return None
    return next(name.removesuffix(suffix) for suffix in _SQLITE_SUFFIXES if name.endswith(suffix))


def is_of_level(name: bytes) -> bool:
    """Whether a name is that of a level or of one of its companions."""
    return name == LEVEL or name in _OF_LEVEL


def is_of_store(name: bytes) -> bool:
    """Whether a name is one of LevelDB's or RocksDB's."""
    return _OF_STORE.fullmatch(name) is not None


def is_store_file(name: bytes) -> bool:
    """Whether a name alone tells that a file belongs to a store: `LOG`, for example, does not."""
    return _STORE_FILE.fullmatch(name) is not None


def belong_together(main: bytes, other: bytes, *, heads: Callable[[bytes], Iterable[bytes]]) -> bool:
    """Whether two files whose names form a unit do so by their content, too.

    `heads` returns the first bytes of a file in the backup and of the live one, if they exist. For an empty file, the
    name decides.
    """
    if main == LEVEL and other in _OF_LEVEL:
        return any(True for _ in heads(main))
    if main == CURRENT and is_of_store(other):
        return any(not head or _MANIFEST.fullmatch(head.strip()) for head in heads(main))
    is_there = False
    for head in heads(main):
        is_there = True
        if not head or head.startswith(_SQLITE):
            return True
    return is_there and any(not head or head.startswith(_SQLITE_LOGS) for head in heads(other))


def member_status(name: bytes, at: int) -> os.stat_result | None:
    """The lstat of a live name that may be in a unit; None for a missing name, a folder or a link."""
    live = status_at(name, at=at)
    return None if live is None or stat.S_ISDIR(live.st_mode) or stat.S_ISLNK(live.st_mode) else live
