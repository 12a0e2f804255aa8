"""The preview reports the companion files that a restore removes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sidecar_archive.listings import file_line, listing_of, packed, preview, told
from wire.enums import ChangeKind, Mode


def test_companions_that_a_restore_removes_are_reported(world: Path) -> None:
    """The same cases as in `tests/sidecar_restore/test_companions.py`, in the mode that keeps other newer files."""
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


@pytest.mark.parametrize("mode", list(Mode))
def test_companion_that_vanished_under_the_backup_is_told_to_go(world: Path, mode: Mode) -> None:
    """A restore removes it too: a file that vanished during packing is not in the backup."""
    head = b"SQLite format 3\0"
    for name in ("a.db", "a.db-wal", "b"):
        (world / name).write_bytes(head)
    (world / "a.db").chmod(0o644)
    left_out = (b"x 0 0 0 0 0 0 %b vanished" % name for name in (b"a.db-wal", b"b"))
    found = preview(world, listing_of(file_line(b"a.db", content=head), *left_out), mode)
    others = [(ChangeKind.REMOVED, b"b", len(head))] if mode is Mode.REPLACE else []
    assert told(found) == [(ChangeKind.REMOVED, b"a.db-wal", len(head)), *others]


@pytest.mark.parametrize("line", [b"x 0 0 0 0 0 0 a.db vanished", b"l 511 0 0 0 0 0 a.db elsewhere"])
def test_nothing_belongs_to_a_file_that_the_backup_does_not_have(world: Path, line: bytes) -> None:
    (world / "a.db-wal").write_bytes(b"1")
    found = preview(world, listing_of(line), Mode.OVERLAY)
    assert all(change.kind is not ChangeKind.REMOVED for change in found.changes)
