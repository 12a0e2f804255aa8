"""Companion files are restored together, even in the mode that keeps newer files."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.restore.outcome import outcome_release
from sidecar.restore.reading.chosen import Chosen
from tests.sidecar_archive.listings import listing_of
from tests.sidecar_restore.archives import pack
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.trees import write
from wire.enums import Mode

KILLED = """
import os, sqlite3, sys
path, mode = sys.argv[1:]
db = sqlite3.connect(path, isolation_level=None)
db.execute(f"PRAGMA journal_mode={mode}")
db.execute("PRAGMA cache_size=5")
db.execute("PRAGMA wal_autocheckpoint=0")
db.execute("BEGIN")
for n in range(400):
    db.execute("UPDATE t SET v = ? WHERE id = ?", (os.urandom(900), n))
    db.execute("INSERT INTO t VALUES (?, ?)", (1000 + n, os.urandom(900)))
if mode == "wal":
    db.execute("COMMIT")
os.kill(os.getpid(), 9)
"""


def database(path: Path) -> list[tuple[object, ...]]:
    """Create a database, closed cleanly, and return its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)")
        db.executemany("INSERT INTO t VALUES (?, ?)", ((n, os.urandom(700)) for n in range(400)))
    db.close()
    return content(path)


def killed(path: Path, mode: str) -> None:
    """Kill a game in the middle of its writes."""
    ended = subprocess.run([sys.executable, "-c", KILLED, path, mode], check=False)
    assert ended.returncode == -signal.SIGKILL


def content(path: Path) -> list[tuple[object, ...]]:
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return db.execute("SELECT * FROM t ORDER BY id").fetchall()
    finally:
        db.close()


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.value)
@pytest.mark.parametrize(("journal", "suffix"), [("delete", "-journal"), ("persist", "-journal"), ("wal", "-wal")])
@pytest.mark.parametrize("other_main", [False, True], ids=["killed", "main written too"])
def test_killed_database_opens_as_in_the_backup(
    place: Path, root: Path, extract: Extract, mode: Mode, journal: str, suffix: str, *, other_main: bool
) -> None:
    path = root / "plugins" / "data.db"
    wanted = database(path)
    archive = pack(root, place / "a.tar.gz")
    killed(path, journal)
    left = path.with_name(path.name + suffix)
    assert left.stat().st_size, "the game was killed with its journal in place"
    if other_main:
        path.write_bytes(path.read_bytes()[:-4096])

    extract(archive, mode)

    assert not left.exists()
    assert content(path) == wanted


def test_database_with_an_unchanged_main_file_loses_its_log(place: Path, root: Path, extract: Extract) -> None:
    """All newer changes are in the log: the main file stays in place, byte for byte."""
    path = root / "data.db"
    wanted = database(path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=wal")
    db.close()
    archive = pack(root, place / "a.tar.gz")
    inode = path.stat().st_ino
    killed(path, "wal")
    assert (root / "data.db-wal").stat().st_size

    extract(archive, Mode.OVERLAY)

    assert path.stat().st_ino == inode
    assert content(path) == wanted


@pytest.mark.parametrize(("journal", "suffix"), [("delete", "-journal"), ("wal", "-wal")])
def test_log_chosen_alone_brings_its_database(
    place: Path, root: Path, extract: Extract, journal: str, suffix: str
) -> None:
    """A log of the backup beside a newer database would take away what both have."""
    path = root / "data.db"
    database(path)
    killed(path, journal)
    archive = pack(root, place / "a.tar.gz")
    shutil.copytree(root, place / "copy")
    main = path.read_bytes()
    wanted = content(place / "copy" / "data.db")
    content(path)  # the game starts, and goes on
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=delete")
        db.execute("DELETE FROM t WHERE id % 3 = 0")
    db.close()

    extract(archive, Mode.OVERLAY, chosen=Chosen([b"data.db" + suffix.encode()]))

    assert path.read_bytes() == main
    assert content(path) == wanted


STORE = {"CURRENT": b"MANIFEST-000004\n", "MANIFEST-000004": b"m", "000005.ldb": b"t", "000006.log": b""}
GOING = {
    "level's copy": ({"level.dat": b"l"}, ["level.dat_old", "session.lock"]),
    "store": (
        STORE,
        ["CURRENT.x/file", "MANIFEST-000009", "000010.log", "000011.sst", "LOCK", "LOG", "OPTIONS-000012"],
    ),
    "empty database": ({"a.db": b""}, ["a.db-journal"]),
    "no database": ({"notes": b"text"}, ["notes-journal", "notes-wal"]),
    "no store": ({"CURRENT": b"of the air"}, ["000010.log"]),
    "store without its manifest": ({"CURRENT": b"MANIFEST-000004\n"}, ["MANIFEST-000009"]),
    "names alone": ({"other": b"x"}, ["000010.log", "level.dat_old", "session.lock", "a.db-wal", "-wal"]),
}
STAYING = {
    "store": ["CURRENT.x/file"], "no database": ["notes-journal", "notes-wal"], "no store": ["000010.log"],
    "store without its manifest": ["MANIFEST-000009"],
    "names alone": ["000010.log", "level.dat_old", "session.lock", "a.db-wal", "-wal"],
}  # fmt: skip


@pytest.mark.parametrize("changed", [False, True], ids=["as in the backup", "changed"])
@pytest.mark.parametrize("folder", ["", "world/db"])
@pytest.mark.parametrize("kind", GOING)
def test_newer_companions_go_and_other_newer_files_stay(
    place: Path, root: Path, extract: Extract, kind: str, folder: str, *, changed: bool
) -> None:
    backup, newer = GOING[kind]
    for name, data in backup.items():
        write(root / folder / name, data)
    archive = pack(root, place / "a.tar.gz")
    for name in newer:
        write(root / folder / name, b"newer")
    if changed:
        for name in backup:
            write(root / folder / name, b"other")

    summary = extract(archive, Mode.OVERLAY)

    files = {str(path.relative_to(root / folder)) for path in (root / folder).rglob("*") if path.is_file()}
    outcome_release(root=root, operation=OPERATION)
    staying = STAYING.get(kind, [])
    assert files - {f".savepoint/{OPERATION}/journal"} == {*backup, *staying}
    assert all((root / folder / name).read_bytes() == data for name, data in backup.items())
    assert summary.removed == len(newer) - len(staying)


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", ["a.db-wal", "a.db-journal", "level.dat_old", "000010.log"])
def test_companion_goes_though_the_backup_left_an_earlier_one_out(
    place: Path, root: Path, extract: Extract, mode: Mode, name: str
) -> None:
    """A log often vanishes during packing, so it is not in the backup; the live one belongs to a later state."""
    backup = {"a.db": b"SQLite format 3\0", "level.dat": b"1", "CURRENT": b"MANIFEST-000004\n", "MANIFEST-000004": b"1"}
    for other, data in backup.items():
        write(root / "world" / other, data)
    archive = pack(root, place / "a.tar.gz")
    left_out = [b"x 0 0 0 0 0 0 world/%b vanished" % each for each in sorted([name.encode(), b"notes"])]
    listing = write(place / "a.listing", listing_of(*left_out))
    for newer in (name, "notes"):
        write(root / "world" / newer, b"newer")

    summary = extract(archive, mode, listing=listing)

    others = ["notes"] if mode is Mode.OVERLAY else []
    assert sorted(path.name for path in (root / "world").iterdir()) == sorted([*backup, *others])
    assert (summary.removed, summary.staying.total) == (2 - len(others), 0)


def test_companions_in_the_backup_come_back_with_it(place: Path, root: Path, extract: Extract) -> None:
    """A backup beside a running game includes the log, which belongs to the main file of that moment."""
    path = root / "data.db"
    database(path)
    killed(path, "wal")
    archive = pack(root, place / "a.tar.gz")
    shutil.copytree(root, place / "copy")
    wanted = content(place / "copy" / "data.db")
    content(path)  # opening the database applies the log

    extract(archive, Mode.OVERLAY)

    assert content(path) == wanted


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("newer", [1, 40, 3000])
@pytest.mark.parametrize("others", [0, 1, 40], ids=lambda count: f"{count} others")
def test_store_is_looked_at_once(
    place: Path, root: Path, extract: Extract, mode: Mode, newer: int, others: int
) -> None:
    """Its companions are requested in the middle of a listing of its folder: each name is still handled once."""
    for number in range(others):
        write(root / "db" / f"note-{number}", b"note")
    for name, data in STORE.items():
        write(root / "db" / name, data)
    archive = pack(root, place / "a.tar.gz")
    kept = {path: path.stat().st_ino for path in (root / "db").iterdir()}
    for number in range(newer):
        write(root / "db" / f"{10 + number:06}.log", b"newer")

    summary = extract(archive, mode)

    assert summary.removed == newer
    assert {path: path.stat().st_ino for path in (root / "db").iterdir()} == kept


@pytest.mark.parametrize("newer", [1, 40, 3000])
def test_new_folder_that_holds_a_store_and_stays_is_thinned_out_once(
    place: Path, root: Path, extract: Extract, newer: int
) -> None:
    write(root / "level", b"1")
    archive = pack(root, place / "a.tar.gz")
    for number in range(newer):
        write(root / "new" / f"{number:06}.log", b"newer")
    os.mkfifo(root / "new" / "pipe")

    summary = extract(archive)

    assert summary.removed == newer
    assert [path.name for path in (root / "new").iterdir()] == ["pipe"]
