"""R4 with a real process: the next snapshot uses everything that a killed one has stored."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.prune import prune_execute, prune_plan
from repository.chunked.maintenance.usage import repository_usage
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.objects import CONDEMNED, MARKS, PACKS, SNAPSHOTS
from repository.chunked.pack_layout import directory_read
from repository.chunked.repository import Repository, now, repository_create, repository_open
from repository.chunked.snapshots.create import snapshot_create
from repository.errors import PruneRefused
from targets.local import LocalStorage
from tests.repository.snapshots.kept import KEY, REPOSITORY, TENANT
from tests.repository.snapshots.killed import PACK_SIZE
from tests.repository.snapshots.trees import kept_picture, picture
from trees.local.tree import LocalTree
from trees.sectors.map import SectorMap

PACKS_WHOLE = 8


def run(store: Path, tree: Path, at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.repository.snapshots.killed", str(store), str(tree), str(at)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_killed_snapshot_is_resumed(tmp_path: Path) -> None:
    tree, store = tmp_path / "tree", tmp_path / "store"
    tree.mkdir()
    store.mkdir()
    for number in range(PACKS_WHOLE):
        (tree / f"{number}.zip").write_bytes(Random(number).randbytes(PACK_SIZE - 1000))  # noqa: S311
    repository_create(LocalStorage(store), tenant=TENANT, repository=REPOSITORY, keys=KEY)
    probe = shutil.copytree(store, tmp_path / "probe")
    ended = run(probe, tree, 0)
    assert ended.returncode == 0, ended.stderr
    calls = len(ended.stdout.split())
    for share in (0.5, 0.8, 0.95):
        again = shutil.copytree(store, tmp_path / f"store {share}")
        ended = run(again, tree, int(calls * share))
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        repository = repository_open(LocalStorage(again), tenant=TENANT, repository=REPOSITORY, keys=KEY)
        assert list(repository.objects.list(SNAPSHOTS)) == []
        assert len(list(repository.objects.list(MARKS))) == 1
        left = dict(repository.objects.list(PACKS))
        assert len(left) >= 2
        root = snapshot_create(repository, source=LocalTree(tree))
        assert kept_picture(repository, root.snapshot) == picture(tree)
        chunks = [
            chunk
            for pack, size in repository.objects.list(PACKS)
            for chunk, _ in directory_read(repository.objects, pack, size)
        ]
        assert len(chunks) == len(set(chunks))
        assert root.added_bytes < (PACKS_WHOLE - len(left) + 2) * PACK_SIZE


KILLS = 6
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def opened(store: Path, *, ahead: timedelta = timedelta(0)) -> Repository:
    """The repository, with a clock that is fast by `ahead`."""
    return repository_open(
        LocalStorage(store), tenant=TENANT, repository=REPOSITORY, keys=KEY, clock=lambda: now() + ahead
    )


def pruned(store: Path, *, ahead: timedelta) -> int:
    """The number of half-written objects that a prune removed."""
    repository = opened(store, ahead=ahead)
    return prune_execute(repository, prune_plan(repository, grace=HOUR)).partials


def aged(store: Path, by: timedelta) -> list[Path]:
    """Make the half-written objects older; returns them."""
    found = list((store / ".partial").iterdir())
    for path in found:
        os.utime(path, (time.time() - by.total_seconds(),) * 2)
    return found


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store and a tree, after snapshots that were killed while they wrote, and one that completed."""
    folder = tmp_path_factory.mktemp("killed")
    tree, store = folder / "tree", folder / "store"
    tree.mkdir()
    store.mkdir()
    for number in range(3):
        (tree / f"{number}.zip").write_bytes(Random(number).randbytes(PACK_SIZE - 1000))  # noqa: S311
    (tree / "level.db").write_bytes(b"SQLite format 3\0" + Random(9).randbytes(PACK_SIZE))  # noqa: S311
    repository_create(LocalStorage(store), tenant=TENANT, repository=REPOSITORY, keys=KEY)
    calls = run(shutil.copytree(store, folder / "probe"), tree, 0).stdout.split()
    # Kill at each step of storing an object: begun, written, about to be renamed.
    steps = [number for number, name in enumerate(calls, 1) if name in {"writer", "write", "commit"}]
    for at in steps[3 : 3 + KILLS]:
        assert run(store, tree, at).returncode == -signal.SIGKILL
        for number in range(3):  # new content, or the next run would find this one's packs
            (tree / f"{number}.zip").write_bytes(Random(at * 10 + number).randbytes(PACK_SIZE - 1000))  # noqa: S311
    assert run(store, tree, 0).returncode == 0
    return folder


@pytest.fixture
def littered(killed: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy, to be changed."""
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
    return tmp_path / "tree", tmp_path / "store"


def test_leftovers_of_killed_snapshots_are_swept_after_their_grace(littered: tuple[Path, Path]) -> None:
    tree, store = littered
    objects = opened(store).objects
    partials, marks = aged(store, HOUR), list(objects.list(MARKS))
    assert len(partials) >= KILLS // 2
    assert len(marks) == KILLS
    assert sum(path.stat().st_size for path in partials) > PACK_SIZE

    assert pruned(store, ahead=timedelta(0)) == 0
    assert sorted(aged(store, DAY - HOUR)) == sorted(partials)
    assert list(objects.list(MARKS)) == marks

    aged(store, DAY + HOUR)
    assert pruned(store, ahead=DAY + HOUR) == len(partials)
    assert list((store / ".partial").iterdir()) == []
    assert list(objects.list(MARKS)) == marks

    for hours in range(4):
        pruned(store, ahead=2 * DAY + (hours + 1) * 2 * HOUR)
    assert list(objects.list(MARKS)) == []
    assert list(objects.list(CONDEMNED)) == []
    repository = opened(store)
    assert repository_usage(repository).dead == 0
    [(snapshot, _)] = repository.objects.list(SNAPSHOTS)
    kept, live = kept_picture(repository, snapshot), picture(tree)
    assert {path: kept[path].content for path in kept} == {path: live[path].content for path in live}
    assert repository_verify(repository, coverage=Coverage.full()).whole


def test_refused_prune_sweeps_half_written_objects(littered: tuple[Path, Path]) -> None:
    _, store = littered
    partials = aged(store, DAY + HOUR)
    repository = opened(store)
    plan = prune_plan(repository, expected=frozenset([b"unknown snapshot"]))
    assert partials
    with pytest.raises(PruneRefused):
        prune_execute(repository, plan)
    assert list((store / ".partial").iterdir()) == []


def test_living_writer_keeps_its_half_written_object(littered: tuple[Path, Path]) -> None:
    _, store = littered
    with LocalStorage(store).writer("archive", expected_size=7) as writer:
        writer.write(b"content")
        dead = len(aged(store, 3 * DAY)) - 1
        assert pruned(store, ahead=timedelta(0)) == dead > 0
        writer.commit()
    assert (store / "archive").read_bytes() == b"content"


def test_killed_snapshots_leave_no_rows_in_the_sector_map(littered: tuple[Path, Path], tmp_path: Path) -> None:
    tree, store = littered
    (tree / "level.db").write_bytes(b"SQLite format 3\0" + Random(8).randbytes(PACK_SIZE))  # noqa: S311
    steps = run(shutil.copytree(store, tmp_path / "second probe"), tree, 0).stdout.split()
    root_appears = len(steps) - steps[::-1].index("commit")
    assert run(store, tree, root_appears).returncode == -signal.SIGKILL
    assert (tmp_path / "map-wal").exists()
    snapshot_create(opened(store), source=LocalTree(tree, sector_map=SectorMap(tmp_path / "map")))
    assert [path.name for path in tmp_path.glob("map*")] == ["map"]
    with sqlite3.connect(tmp_path / "map") as connection:
        assert connection.execute("SELECT count(*) FROM staged").fetchone() == (0,)
    connection.close()
