"""Files that belong together: a restored one takes its companions with it, also where other newer files stay.

A journal of a later state, beside a database of an earlier one, is played into it at its next opening and corrupts it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_SQLITE = b"SQLite format 3\0"
_SQLITE_SUFFIXES = (b"-wal", b"-shm", b"-journal")
_SQLITE_LOGS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
_LEVEL = b"level.dat"
_OF_LEVEL = frozenset({b"level.dat_old", b"level.dat_new", b"session.lock"})
_CURRENT = b"CURRENT"
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
    manifest = (backup(_CURRENT) or b"").strip()
    return _MANIFEST.fullmatch(manifest) is not None and backup(manifest) is not None
