"""Companion files are restored together or not at all: real daemon, real worker, real databases."""

# ruff: noqa: F811 - a fixture is found by its name

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.network.test_outside import mounted
from tests.network.test_staying import NOBODY, Place, place, told  # noqa: F401  # a fixture among them
from tests.services.require import program_require
from tests.sidecar_restore.test_companions import KILLED, content, database

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

MODES = pytest.mark.parametrize("mode", ["replace", "overlay"])
BOTH_USERS = pytest.mark.parametrize("place", ["root", "nobody"], indirect=True)


@dataclass
class Hazards:
    """Undoes changes to files at the end, so that they can be removed."""

    stack: ExitStack

    def unreadable(self, path: Path) -> str:
        os.chown(path, 0, 0)
        path.chmod(0o600)
        return "unreadable"

    def fifo(self, path: Path) -> str:
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        return "skipped"

    def mounted(self, path: Path) -> str:
        copy = path.parents[2] / f"mounted-{path.name}"
        shutil.copy(path, copy)
        self.stack.enter_context(mounted("--bind", copy, at=path))
        return "mounted"

    def immutable(self, path: Path) -> str:
        return self._flagged(path, "i")

    def append_only(self, path: Path) -> str:
        return self._flagged(path, "a")

    def _flagged(self, path: Path, flag: str) -> str:
        chattr = program_require("chattr", package="e2fsprogs")
        subprocess.run([chattr, f"+{flag}", path], check=True)
        self.stack.callback(subprocess.run, [chattr, f"-{flag}", path], check=True)
        return "fixed"


Hazard = Callable[[Hazards, Path], str]
READABLE: list[Hazard] = [Hazards.mounted, Hazards.immutable, Hazards.append_only]
ALL: list[Hazard] = [Hazards.unreadable, Hazards.fifo, *READABLE]


@pytest.fixture
def hazards(place: Place) -> Iterator[Hazards]:
    with ExitStack() as stack:
        yield Hazards(stack)


def played_on(path: Path, journal: str) -> None:
    """Change the database, then kill its program so that a log or journal is left."""
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM t WHERE id >= 1000")
        db.execute("UPDATE t SET v = ?", (os.urandom(600),))
    db.close()
    subprocess.run([sys.executable, "-c", KILLED, path, journal], check=False)


def given(place: Place) -> None:
    """Give everything below the data root to the sidecar's user."""
    for path in [place.world, *place.world.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def unit(path: Path) -> dict[str, object]:
    """The companion files of one file, itself included, with their content."""
    return {
        other.name: (other.lstat().st_ino, other.read_bytes() if other.is_file() else None)
        for other in sorted(path.parent.iterdir())
    }


def opened(path: Path, folder: Path) -> list[tuple[object, ...]]:
    """The content of a database with its log, as its program would find it at its next start."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for other in path.parent.iterdir():
        if other.is_file():
            shutil.copyfile(other, folder / other.name)
    return content(folder / path.name)


@MODES
@pytest.mark.parametrize(("journal", "suffix"), [("wal", "-wal"), ("delete", "-journal"), ("persist", "-journal")])
@pytest.mark.parametrize("hazard", [Hazards.unreadable, *READABLE])
def test_database_stays_with_a_log_that_stays(
    place: Place, hazards: Hazards, hazard: Hazard, journal: str, suffix: str, mode: str, tmp_path: Path
) -> None:
    path = place.world / "plugins" / "data.db"
    database(path)
    given(place)
    backup = place.backup()
    played_on(path, journal)
    given(place)
    log = path.with_name(path.name + suffix)
    assert log.stat().st_size, "the game was killed with its journal in place"
    newer = opened(path, tmp_path / "before")
    reason = hazard(hazards, log)
    place.file("plugins/readable", b"ruined")
    before = unit(path)
    before.pop("readable")

    stays = place.stays(backup, mode)
    operation = place.restore(backup, mode=mode)

    after = unit(path)
    after.pop("readable")
    assert after == before
    assert opened(path, tmp_path / "after") == newer
    assert told(operation) == dict.fromkeys(stays, "companion") | {f"plugins/{log.name}": reason}
    assert stays == [f"plugins/{name}" for name in before]
    assert (place.world / "plugins/readable").read_bytes() == b"as it was"


@BOTH_USERS
@MODES
@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_database_stays_with_a_pipe_of_its_logs_name(place: Place, hazards: Hazards, suffix: str, mode: str) -> None:
    path = place.world / "plugins" / "x.db"
    database(path)
    given(place)
    backup = place.backup()
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM t WHERE id > 3")
    db.close()
    hazards.fifo(path.with_name(path.name + suffix))
    given(place)
    before = path.stat().st_ino, path.read_bytes()
    expected = {"plugins/x.db": "companion", f"plugins/x.db{suffix}": "skipped"}

    assert place.stays(backup, mode) == list(expected)
    assert told(place.restore(backup, mode=mode)) == expected
    assert (path.stat().st_ino, path.read_bytes()) == before


STORE = {
    "000005.ldb": b"t", "000006.log": b"l", "CURRENT": b"MANIFEST-000004\n", "LOCK": b"", "MANIFEST-000004": b"m",
}  # fmt: skip
LEVEL = {"level.dat": b"level", "level.dat_old": b"older", "session.lock": b"1"}


@MODES
@pytest.mark.parametrize("hazard", ALL)
@pytest.mark.parametrize(
    ("files", "name"),
    [*((STORE, name) for name in STORE), *((LEVEL, name) for name in LEVEL)],
    ids=[*STORE, *LEVEL],
)
def test_store_and_level_stay_with_a_file_that_stays(
    place: Place, hazards: Hazards, files: dict[str, bytes], name: str, hazard: Hazard, mode: str
) -> None:
    folder = place.world / "world" / "db"
    for each, data in files.items():
        place.file(f"world/db/{each}", data)
    place.file("world/db/notes", b"as it was")
    backup = place.backup()
    newer = [*files, "000010.log"] if "CURRENT" in files else [*files, "level.dat_new"]
    for each in newer:
        place.file(f"world/db/{each}", b"MANIFEST-000004\n\n")
    place.file("world/db/notes", b"ruined")
    reason = hazard(hazards, folder / name)
    before = unit(folder / name)

    stays = place.stays(backup, mode)
    operation = place.restore(backup, mode=mode)

    expected = {f"world/db/{each}": "companion" for each in newer} | {f"world/db/{name}": reason}
    assert told(operation) == expected
    assert stays == sorted(expected)
    after = unit(folder / name)
    assert {each: after[each] for each in newer} == {each: before[each] for each in newer}
    assert (folder / "notes").read_bytes() == b"as it was"


@MODES
@pytest.mark.parametrize("main", [True, False], ids=["main file", "log"])
def test_database_of_which_the_backup_lacks_a_file_stays(place: Place, main: bool, mode: str, tmp_path: Path) -> None:  # noqa: FBT001
    """The backup has one without the other, which is consistent with no point in time."""
    path = place.world / "plugins" / "data.db"
    database(path)
    played_on(path, "wal")
    given(place)
    log = path.with_name("data.db-wal")
    missing = path if main else log
    os.chown(missing, 0, 0)
    missing.chmod(0o600)
    backup = place.backup()
    played_on(path, "wal")
    given(place)
    newer = opened(path, tmp_path / "before")
    before = {name: path.with_name(name).read_bytes() for name in ("data.db", "data.db-wal")}
    assert before["data.db-wal"]

    stays = place.stays(backup, mode)
    operation = place.restore(backup, mode=mode)

    assert {name: path.with_name(name).read_bytes() for name in before} == before
    assert opened(path, tmp_path / "after") == newer
    assert told(operation)[f"plugins/{missing.name}"] == "left_out"
    assert sorted(told(operation)) == stays


@MODES
@pytest.mark.parametrize("change", ["nothing", "mode", "content", "gone"])
@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_left_out_main_file_is_named_where_its_log_would_be_written(
    place: Place, suffix: str, change: str, mode: str
) -> None:
    place.file("plugins/data.db", b"SQLite format 3\0", owner=0, mode=0o600)
    log = place.file(f"plugins/data.db{suffix}", b"\x37\x7f\x06\x82 as it was")
    backup = place.backup()
    assert backup.warnings == [{"kind": "unreadable", "path": "plugins/data.db"}]
    if change == "mode":
        log.chmod(0o600)
    elif change == "content":
        log.write_bytes(b"\x37\x7f\x06\x82 played on")
    elif change == "gone":
        log.unlink()
    before = unit(log)

    stays = place.stays(backup, mode)
    operation = place.restore(backup, mode=mode)

    assert sorted(told(operation)) == stays
    assert ("plugins/data.db" in stays) == (mode == "replace" or change in {"content", "gone"})
    assert unit(log) == before
    if change == "mode":
        assert log.stat().st_mode & 0o777 == 0o644


@MODES
def test_missing_database_is_not_put_beside_a_log_that_stays(place: Place, hazards: Hazards, mode: str) -> None:
    path = place.world / "plugins" / "data.db"
    database(path)
    given(place)
    backup = place.backup()
    played_on(path, "wal")
    path.unlink()
    hazards.unreadable(path.with_name("data.db-wal"))

    stays = place.stays(backup, mode)
    operation = place.restore(backup, mode=mode)

    assert not path.exists()
    assert {"plugins/data.db": "companion", "plugins/data.db-wal": "unreadable"}.items() <= told(operation).items()
    assert sorted(told(operation)) == stays


def test_extra_database_stays_with_its_unreadable_log(place: Place, hazards: Hazards) -> None:
    backup = place.backup()
    for folder in ("plugins", "new"):
        path = place.world / folder / "extra.db"
        database(path)
        played_on(path, "wal")
    given(place)
    for folder in ("plugins", "new"):
        hazards.unreadable(place.world / folder / "extra.db-wal")

    stays = place.stays(backup)
    operation = place.restore(backup)

    for folder in ("plugins", "new"):
        assert (place.world / folder / "extra.db").exists()
        assert told(operation)[f"{folder}/extra.db"] == "companion"
        assert told(operation)[f"{folder}/extra.db-wal"] == "unreadable"
    assert sorted(told(operation)) == stays


def test_right_file_of_a_store_that_cannot_change_holds_nothing_back(place: Place, hazards: Hazards) -> None:
    for each, data in STORE.items():
        place.file(f"db/{each}", data)
    backup = place.backup()
    place.file("db/000010.log", b"newer")
    for name in STORE:
        hazards.immutable(place.world / "db" / name)

    assert place.stays(backup) == []
    assert told(place.restore(backup)) == {}
    assert sorted(path.name for path in (place.world / "db").iterdir()) == sorted(STORE)


@MODES
def test_right_file_that_cannot_change_holds_nothing_back(place: Place, hazards: Hazards, mode: str) -> None:
    path = place.world / "plugins" / "data.db"
    wanted = database(path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=wal")
    db.close()
    given(place)
    backup = place.backup()
    subprocess.run([sys.executable, "-c", KILLED, path, "wal"], check=False)
    given(place)
    hazards.immutable(path)

    assert place.stays(backup, mode) == []
    assert told(place.restore(backup, mode=mode)) == {}
    assert not path.with_name("data.db-wal").exists()
    assert content(path) == wanted


@MODES
def test_unit_holds_back_only_itself(place: Place, hazards: Hazards, mode: str) -> None:
    for name in ("notes", "other.db", "x.db"):
        place.file(f"plugins/{name}", b"SQLite format 3\0" if ".db" in name else b"text")
    backup = place.backup()
    for name in ("notes", "notes-journal", "other.db", "other.db-wal", "x.db"):
        place.file(f"plugins/{name}", b"text" if "notes" in name else b"SQLite format 3\0 newer")
    hazards.immutable(place.world / "plugins/notes-journal")
    hazards.fifo(place.world / "plugins/x.db-wal")

    stays = place.stays(backup, mode)
    operation = place.restore(backup, mode=mode)

    fixed = {"plugins/notes-journal": "fixed"} if mode == "replace" else {}
    assert told(operation) == {"plugins/x.db": "companion", "plugins/x.db-wal": "skipped", **fixed}
    assert stays == sorted(told(operation))
    assert (place.world / "plugins/notes").read_bytes() == b"text"
    assert (place.world / "plugins/other.db").read_bytes() == b"SQLite format 3\0"
    assert not (place.world / "plugins/other.db-wal").exists()
