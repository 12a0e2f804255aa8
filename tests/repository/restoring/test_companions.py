"""Companion files are restored together, from a whole snapshot and from a selection."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.restoring.trees import Kept, write
from tests.sidecar_restore.test_companions import GOING, KILLED, STAYING, STORE, content, database


@pytest.mark.parametrize("paths", [None, [b"plugins/data.db"], [b"plugins"]], ids=["all", "one file", "folder"])
@pytest.mark.parametrize("delete", [False, True], ids=["keep", "delete"])
@pytest.mark.parametrize(("journal", "suffix"), [("delete", "-journal"), ("persist", "-journal"), ("wal", "-wal")])
def test_killed_database_opens_as_in_the_snapshot(
    kept: Kept, source: Path, paths: list[bytes] | None, journal: str, suffix: str, *, delete: bool
) -> None:
    path = source / "plugins" / "data.db"
    wanted = database(path)
    snapshot = kept.keep(source)
    subprocess.run([sys.executable, "-c", KILLED, path, journal], check=False)
    left = path.with_name(path.name + suffix)
    assert left.stat().st_size, "the game was killed with its journal in place"

    report = kept.restore(snapshot, source, paths=paths, delete=delete)

    assert report.failed == []
    assert not left.exists()
    assert content(path) == wanted


@pytest.mark.parametrize("chosen", ["data.db", "data.db-wal"])
def test_chosen_database_brings_its_log(kept: Kept, source: Path, place: Path, chosen: str) -> None:
    """A chosen log brings its database too: one without the other is inconsistent."""
    path = source / "data.db"
    database(path)
    subprocess.run([sys.executable, "-c", KILLED, path, "wal"], check=False)
    write(source / "data.db-notes", b"as in the snapshot")
    snapshot = kept.keep(source)
    wanted = content(path)  # opening the database applies the log
    write(source / "data.db-notes", b"newer")
    path.write_bytes(b"")

    kept.restore(snapshot, source, paths=[os.fsencode(chosen)])

    assert content(path) == wanted
    assert (source / "data.db-notes").read_bytes() == b"newer"


def test_chosen_file_of_a_store_brings_all_of_it(kept: Kept, source: Path) -> None:
    for name, data in STORE.items():
        write(source / "world" / "db" / name, data)
    write(source / "world" / "db" / "note", b"old")
    snapshot = kept.keep(source)
    for name in (*STORE, "000011.ldb", "note"):
        write(source / "world" / "db" / name, b"newer")

    kept.restore(snapshot, source, paths=[b"world/db/000005.ldb"])

    found = {path.name: path.read_bytes() for path in (source / "world" / "db").iterdir()}
    assert found == STORE | {"note": b"newer"}


@pytest.mark.parametrize("folder", ["", "world/db"])
@pytest.mark.parametrize("kind", GOING)
def test_newer_companions_go_and_other_newer_files_stay(kept: Kept, source: Path, kind: str, folder: str) -> None:
    """The cases are those of the sidecar: both follow one rule."""
    backup, newer = GOING[kind]
    for name, data in backup.items():
        write(source / folder / name, data)
    snapshot = kept.keep(source)
    for name in newer:
        write(source / folder / name, b"newer")

    report = kept.restore(snapshot, source)

    files = {str(path.relative_to(source / folder)) for path in (source / folder).rglob("*") if path.is_file()}
    staying = STAYING.get(kind, [])
    assert files == {*backup, *staying}
    assert report.removed == len(newer) - len(staying)
