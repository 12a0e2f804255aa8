"""Files that belong together: a restored one takes its companions with it, also where other newer files stay.

A journal of a later state, beside a database of an earlier one, is played into it at its next opening and corrupts it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from trees.folders import file_head

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
    mains = [name, *(name.removesuffix(suffix) for suffix in _SQLITE_SUFFIXES if name.endswith(suffix))]
    for main in mains:
        yield main, [main + suffix for suffix in _SQLITE_SUFFIXES]
    if name == _LEVEL or name in _OF_LEVEL:
        yield _LEVEL, sorted(_OF_LEVEL)
    if is_of_store(name):
        yield CURRENT, None


def is_of_store(name: bytes) -> bool:
    """Whether a name is one that LevelDB and RocksDB give."""
    return _OF_STORE.fullmatch(name) is not None


def belong_together(main: bytes, other: bytes, *, heads: Callable[[bytes], Iterable[bytes]]) -> bool:
    """Whether a file and the main one of its unit, by their names, are what these say.

    `heads` gives the first bytes of a file in the backup and live, those that there are; empty ones count by the name.
    """
    if main == _LEVEL and other in _OF_LEVEL:
        return any(True for _ in heads(main))
    if main == CURRENT and is_of_store(other):
        return any(not head or _MANIFEST.fullmatch(head.strip()) for head in heads(main))
    of_main = list(heads(main))
    if any(not head or head.startswith(_SQLITE) for head in of_main):
        return True
    return bool(of_main) and any(not head or head.startswith(_SQLITE_LOGS) for head in heads(other))


class Passed:
    """Entries of an archive that passed by in the order of a walk, as far as a live file that follows may belong to one
    of them.

    Names that begin with another follow it in a row, so that a chain of such names is all there is to keep. What the
    files hold is told from the live ones, as a listing has no content.
    """

    def __init__(self) -> None:
        self._files: list[bytes] = []
        self._folders: list[bytes] = [b""]
        self._levels: list[bytes] = []
        self._stores: list[bytes] = []

    def note(self, path: bytes, *, is_folder: bool) -> None:
        """An entry passes by."""
        for kept in (self._files, self._folders, self._levels, self._stores):
            while kept and not path.startswith(kept[-1]):
                kept.pop()
        folder, _, name = path.rpartition(b"/")
        if is_folder:
            self._folders.append(path + b"/")
        elif name == _LEVEL:
            self._levels.append(folder + b"/" if folder else b"")
        elif name == CURRENT:
            self._stores.append(folder + b"/" if folder else b"")
        if not is_folder:
            self._files.append(path)

    def has_store(self, current: bytes) -> bool:
        """Whether the file passed by that tells the state of a store."""
        return current.removesuffix(CURRENT) in self._stores

    def take_along(self, path: bytes, *, at: int) -> bool:
        """Whether a live file that the archive does not have goes with one that it has; `at` is its folder."""
        name = path.rpartition(b"/")[2]
        within = path[: len(path) - len(name)]

        def archived(other: bytes) -> bytes | None:
            of_store = is_of_store(other) and within in self._folders
            return file_head(other, at=at) if of_store else self.head(within + other, at=at)

        return is_companion(name, backup=archived, live=lambda _: file_head(name, at=at) or b"")

    def head(self, path: bytes, *, at: int) -> bytes | None:
        """The first bytes of the archive's file of a path, as far as the live one tells; None when none passed by."""
        within, name = path[: path.rfind(b"/") + 1], path.rpartition(b"/")[2]
        is_there = path in self._files or (name == _LEVEL and within in self._levels)
        return (file_head(name, at=at) or b"") if is_there else None
