"""The preview tells what a restore takes away with a file that it brings back."""

from __future__ import annotations

import os
from pathlib import Path

from sidecar.preview import ChangeKind
from sidecar.restore.outcomes import Mode
from tests.sidecar_archive.listings import packed, preview


def test_companions_that_a_restore_takes_away_are_told(world: Path) -> None:
    """As `tests/sidecar_restore/test_companions.py` has them go, in the mode that keeps other newer files."""
    for name in ("a.db", "b.db,1", "sub/level.dat", "sub/deeper/level.dat", "store/CURRENT", "store/MANIFEST-000004"):
        (world / name).parent.mkdir(parents=True, exist_ok=True)
        (world / name).write_bytes(b"SQLite format 3\0" if ".db" in name else b"MANIFEST-000004\n")
    (world / "notes").write_bytes(b"text")
    listing = packed(world).listing
    going = [
        "a.db-journal",
        "a.db-wal",
        "store/000001.log",
        "store/MANIFEST-000009",
        "sub/level.dat_old",
        "sub/session.lock",
    ]
    staying = ["b.db-wal", "notes-journal", "new/level.dat", "new/session.lock", "new/CURRENT", "new/000001.log", "z"]
    (world / "new").mkdir()
    for name in (*going, *staying):
        (world / name).write_bytes(b"MANIFEST-000004\n")
    found = preview(world, listing, Mode.OVERLAY)
    removed = [change.path for change in found.changes if change.kind is ChangeKind.REMOVED]
    assert sorted(map(os.fsdecode, removed)) == going
