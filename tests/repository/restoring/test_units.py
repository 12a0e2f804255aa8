"""Companion files are restored together or not at all: real databases, and files that cannot be replaced."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from repository.chunked.restoring.outcome import FailureReason, RestoreReport
from tests.network.test_units import LEVEL, READABLE, STORE, Hazard, Hazards, opened, played_on, unit
from tests.repository.restoring.trees import Kept, write
from tests.services.require import unavailable
from tests.sidecar_restore.test_companions import KILLED, content, database

NOBODY = 65534
DELETE = pytest.mark.parametrize("delete", [False, True], ids=["keep", "delete"])
STUCK = [Hazards.fifo, *READABLE]


@pytest.fixture
def hazards() -> Iterator[Hazards]:
    if os.geteuid() != 0:
        unavailable("the right to make files that cannot be removed")
    with contextlib.ExitStack() as stack:
        yield Hazards(stack)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder on a disk: a volume in memory may not support immutable files."""
    source = tmp_path / "source"
    write(source / "other", b"as it was")
    return source


def stuck(hazards: Hazards, hazard: Hazard, path: Path) -> FailureReason:
    """Make a file hard to replace, and check that it is."""
    hazard(hazards, path)
    if hazard == Hazards.fifo:
        assert stat.S_ISFIFO(path.lstat().st_mode)
        return FailureReason.NO_FILE
    with pytest.raises(OSError, match=r"not permitted|busy"):
        path.unlink()
    return FailureReason.DENIED


def failed(report: RestoreReport, folder: Path, source: Path) -> dict[str, FailureReason]:
    """The files that were not restored; all are in one folder."""
    within = os.fsencode(folder.relative_to(source)) + b"/"
    assert all(path.startswith(within) for path, _ in report.failed)
    assert len(report.failed) == len(dict(report.failed))
    return {os.fsdecode(path.removeprefix(within)): reason for path, reason in report.failed}


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@DELETE
@pytest.mark.parametrize("paths", [None, [b"plugins/data.db"], [b"plugins"]], ids=["all", "one file", "folder"])
@pytest.mark.parametrize(("journal", "suffix"), [("wal", "-wal"), ("delete", "-journal"), ("persist", "-journal")])
@pytest.mark.parametrize("hazard", READABLE)
def test_database_stays_with_a_log_that_stays(  # noqa: PLR0917
    kept: Kept, source: Path, hazards: Hazards, hazard: Hazard, journal: str, suffix: str, paths: list[bytes] | None,
    tmp_path: Path, *, delete: bool,
) -> None:  # fmt: skip
    path = source / "plugins" / "data.db"
    database(path)
    snapshot = kept.keep(source)
    played_on(path, journal)
    log = path.with_name(path.name + suffix)
    assert log.stat().st_size, "the game was killed with its journal in place"
    write(source / "other", b"ruined")
    newer = opened(path, tmp_path / "before")
    reason = stuck(hazards, hazard, log)
    before = unit(path)

    report = kept.restore(snapshot, source, paths=paths, delete=delete)

    assert unit(path) == before
    assert opened(path, tmp_path / "after") == newer
    assert failed(report, path.parent, source) == dict.fromkeys(before, FailureReason.COMPANION) | {log.name: reason}
    assert (source / "other").read_bytes() == (b"ruined" if paths else b"as it was")


@DELETE
@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("live", [True, False], ids=["database", "no database"])
def test_database_stays_with_a_pipe_of_its_logs_name(
    kept: Kept, source: Path, hazards: Hazards, suffix: str, *, live: bool, delete: bool
) -> None:
    path = source / "plugins" / "x.db"
    database(path)
    snapshot = kept.keep(source)
    if live:
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM t WHERE id > 3")
        db.close()
    else:
        path.unlink()
    stuck(hazards, Hazards.fifo, path.with_name(path.name + suffix))
    before = unit(path)

    report = kept.restore(snapshot, source, delete=delete)

    assert unit(path) == before
    assert failed(report, path.parent, source) == {
        "x.db": FailureReason.COMPANION,
        f"x.db{suffix}": FailureReason.NO_FILE,
    }


@DELETE
@pytest.mark.parametrize("name", ["x.db", "x.db-wal"])
def test_pipe_in_the_place_of_a_file_of_the_snapshot_holds_the_others(
    kept: Kept, source: Path, hazards: Hazards, name: str, *, delete: bool
) -> None:
    path = source / "plugins" / "x.db"
    database(path)
    subprocess.run([sys.executable, "-c", KILLED, path, "wal"], check=False)
    snapshot = kept.keep(source)
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    stuck(hazards, Hazards.fifo, path.with_name(name))

    report = kept.restore(snapshot, source, delete=delete)

    assert [found.name for found in path.parent.iterdir()] == [name]
    found = failed(report, path.parent, source)
    assert found.pop(name) is FailureReason.NO_FILE
    assert {"x.db", "x.db-wal"} - {name} <= set(found)
    assert set(found.values()) == {FailureReason.COMPANION}


@DELETE
@pytest.mark.parametrize("hazard", STUCK)
@pytest.mark.parametrize(
    ("files", "name"), [*((STORE, name) for name in STORE), *((LEVEL, name) for name in LEVEL)], ids=[*STORE, *LEVEL]
)
def test_store_and_level_stay_with_a_file_that_stays(
    kept: Kept, source: Path, hazards: Hazards, files: dict[str, bytes], name: str, hazard: Hazard, *, delete: bool
) -> None:
    folder = source / "world" / "db"
    for each, data in (files | {"notes": b"as it was"}).items():
        write(folder / each, data)
    snapshot = kept.keep(source)
    newer = [*files, "000010.log"] if "CURRENT" in files else [*files, "level.dat_new"]
    for each in newer:
        write(folder / each, b"MANIFEST-000004\n\n")
    write(folder / "notes", b"ruined")
    reason = stuck(hazards, hazard, folder / name)
    before = unit(folder / name)

    report = kept.restore(snapshot, source, delete=delete)

    after = unit(folder / name)
    assert {each: after[each] for each in newer} == {each: before[each] for each in newer}
    assert failed(report, folder, source) == dict.fromkeys(newer, FailureReason.COMPANION) | {name: reason}
    assert (folder / "notes").read_bytes() == b"as it was"


@DELETE
@pytest.mark.parametrize("hazard", STUCK)
def test_new_database_stays_with_its_log(
    kept: Kept, source: Path, hazards: Hazards, hazard: Hazard, *, delete: bool
) -> None:
    (source / "plugins").mkdir()
    snapshot = kept.keep(source)
    path = source / "plugins" / "new.db"
    database(path)
    played_on(path, "wal")
    reason = stuck(hazards, hazard, path.with_name("new.db-wal"))
    before = unit(path)

    report = kept.restore(snapshot, source, delete=delete)

    assert unit(path) == before
    expected = dict.fromkeys(before, FailureReason.COMPANION) | {"new.db-wal": reason}
    assert failed(report, path.parent, source) == (expected if delete else {})


@DELETE
@pytest.mark.parametrize("hazard", [Hazards.immutable, Hazards.append_only])
def test_right_file_that_cannot_change_holds_nothing_back(
    kept: Kept, source: Path, hazards: Hazards, hazard: Hazard, *, delete: bool
) -> None:
    path = source / "plugins" / "data.db"
    wanted = database(path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=wal")
    db.close()
    for name, data in STORE.items():
        write(source / "db" / name, data)
    snapshot = kept.keep(source)
    subprocess.run([sys.executable, "-c", KILLED, path, "wal"], check=False)
    write(source / "db" / "000010.log", b"newer")
    for right in (path, *(source / "db" / name for name in STORE)):
        stuck(hazards, hazard, right)

    report = kept.restore(snapshot, source, delete=delete)

    assert report.failed == []
    assert [found.name for found in path.parent.iterdir()] == ["data.db"]
    assert sorted(found.name for found in (source / "db").iterdir()) == sorted(STORE)
    shutil.copy(path, source / "copy.db")
    assert content(source / "copy.db") == wanted


@DELETE
def test_unit_holds_back_only_itself(kept: Kept, source: Path, hazards: Hazards, *, delete: bool) -> None:
    folder = source / "plugins"
    for name in ("notes", "other.db", "x.db"):
        write(folder / name, b"SQLite format 3\0" if ".db" in name else b"text")
    snapshot = kept.keep(source)
    for name in ("notes", "notes-journal", "other.db", "other.db-wal", "x.db"):
        write(folder / name, b"newer text" if "notes" in name else b"SQLite format 3\0 newer")
    stuck(hazards, Hazards.immutable, folder / "notes-journal")
    stuck(hazards, Hazards.fifo, folder / "x.db-wal")

    report = kept.restore(snapshot, source, delete=delete)

    fixed = {"notes-journal": FailureReason.DENIED} if delete else {}
    expected = {"x.db": FailureReason.COMPANION, "x.db-wal": FailureReason.NO_FILE, **fixed}
    assert failed(report, folder, source) == expected
    assert (folder / "notes").read_bytes() == b"text"
    assert (folder / "other.db").read_bytes() == b"SQLite format 3\0"
    assert not (folder / "other.db-wal").exists()


def not_writable(folder: Path) -> None:
    folder.chmod(0o755)


def not_readable(folder: Path) -> None:
    folder.chmod(0o733)


def closed(folder: Path) -> None:
    folder.chmod(0o700)


def sticky(folder: Path) -> None:
    folder.chmod(0o1777)
    os.chown(folder / "data.db-wal", 0, 0)
    (folder / "data.db-wal").chmod(0o644)


@DELETE
@pytest.mark.parametrize("make", [not_writable, not_readable, closed, sticky])
@pytest.mark.parametrize("paths", [None, [b"plugins/data.db"]], ids=["all", "one file"])
def test_database_in_a_folder_of_another_user_stays_whole(
    kept: Kept, place: Path, hazards: Hazards, make: Callable[[Path], None], paths: list[bytes] | None,
    tmp_path: Path, *, delete: bool,
) -> None:  # fmt: skip
    del hazards  # requested because it needs the right to give files away
    source = place / "source"
    path = source / "plugins" / "data.db"
    database(path)
    write(source / "other", b"as it was")
    snapshot = kept.keep(source)
    played_on(path, "wal")
    newer = opened(path, tmp_path / "before")
    write(source / "other", b"ruined")
    for found in [place, source, *source.rglob("*")]:
        os.chown(found, NOBODY, NOBODY)
    os.chown(path.parent, 0, 0)
    make(path.parent)
    before = unit(path)

    with as_nobody():
        with pytest.raises(PermissionError):
            list(path.parent.iterdir()) if make is not_readable else path.with_name("data.db-wal").unlink()
        report = kept.restore(snapshot, source, paths=paths, delete=delete)

    assert unit(path) == before
    assert opened(path, tmp_path / "after") == newer
    assert b"plugins/data.db" in dict(report.failed)
    assert (source / "other").read_bytes() == (b"ruined" if paths else b"as it was")
