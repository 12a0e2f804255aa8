"""A cancelled restore leaves no leftovers, and each file wholly old or wholly new."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest

from demo.comparison import tree_read
from repository.chunked.restoring import target as target_module
from repository.chunked.restoring import window, workers
from repository.chunked.restoring.outcome import RestoreLimits, Tally
from repository.chunked.restoring.workers import Pulse, Workers
from tests.repository.restoring.trees import Kept, settle, write

RANDOM = Random(13)  # noqa: S311 - content to be told apart
OLD, NEW = RANDOM.randbytes(5_000_000), RANDOM.randbytes(3_000_000)


class Stopped(Exception):
    pass


class Stopping:
    """Raises at its n-th call."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Stopped


@pytest.fixture
def world(source: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(workers, "TICK_BYTES", 0)
    monkeypatch.setattr(window, "WINDOW_FILES", 4)
    monkeypatch.setattr(target_module, "COMMIT_FILES", 3)
    write(source / "large", OLD[:2_000_000] + NEW)
    write(source / "other", NEW[::-1])
    for number in range(12):
        write(source / "small" / f"{number}", b"%d" % number * 99)
    os.link(source / "large", source / "small" / "large")
    (source / "link").symlink_to("large")
    settle(source)
    return source


@pytest.mark.parametrize("existing", [True, False], ids=["delta", "fresh"])
@pytest.mark.parametrize("delete", [True, False])
def test_at_every_checkpoint(kept: Kept, world: Path, place: Path, *, existing: bool, delete: bool) -> None:
    snapshot, wanted = kept.keep(world), tree_read(world)
    live = write(place / "live")
    if existing:
        write(live / "large", OLD)
        write(live / "small" / "3", b"old")
        write(live / "more" / "of it", b"extra")
    before = tree_read(live)
    at = 0
    while True:
        at += 1
        target = place / "target"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(live, target)
        try:
            kept.restore(snapshot, target, checkpoint=Stopping(at), delete=delete)
        except Stopped:
            assert not (target / ".savepoint").exists()
            for path, told in tree_read(target).items():
                assert told.content in {found[path].content for found in (wanted, before) if path in found}
            continue
        assert {path: told.content for path, told in tree_read(target).items()} == {
            path: told.content for path, told in ((before | wanted) if not delete else wanted).items()
        }
        break
    assert at > 20


def test_error_of_the_progress_callback_ends_the_restore(kept: Kept, world: Path, target: Path) -> None:
    def progress(_: object) -> None:
        if target.exists() and (target / "small").exists():
            raise Stopped

    with pytest.raises(Stopped):
        kept.restore(kept.keep(world), target, progress=progress)

    assert not (target / ".savepoint").exists()


def test_tasks_not_begun_at_the_end_never_begin() -> None:
    """If the storage is gone, each waiting task would retry for minutes."""
    team = Workers(1, Pulse(Tally(RestoreLimits()), progress=None, checkpoint=None))
    begun: list[int] = []

    def fail() -> None:
        raise Stopped

    def hold() -> None:
        while True:
            team.go_on()

    team.start([fail])
    team.start([hold])
    team.start(partial(begun.append, number) for number in range(5))
    with pytest.raises(Stopped):
        team.finish()
    team.close()

    assert begun == []


def test_a_worker_that_dies_by_itself_ends_it(
    kept: Kept, world: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An internal error is not damage: it is raised, and nothing half done stays."""
    snapshot = kept.keep(world)
    write(target / "large", OLD)

    def mistaken(*_: object) -> int:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(os, "pwrite", mistaken)

    with pytest.raises(RuntimeError):
        kept.restore(snapshot, target)

    assert (target / "large").read_bytes() == OLD
    assert not (target / ".savepoint").exists()


def test_leftovers_of_a_dead_process_are_repaired_by_the_next(
    kept: Kept, world: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulates a crash after each rename: nothing is cleaned up."""
    snapshot, wanted = kept.keep(world), tree_read(world)
    rename = os.rename
    for last in range(12):
        shutil.rmtree(target, ignore_errors=True)
        write(target / "large", OLD)
        pid = os.fork()
        if pid == 0:
            os.rename = _dying(rename, last)
            kept.restore(snapshot, target, threads=1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        for path, told in tree_read(target).items():
            if not path.startswith(b".savepoint"):
                assert told.content == wanted[path].content or (target / os.fsdecode(path)).read_bytes() == OLD

        assert kept.restore(snapshot, target).failed == []

        assert tree_read(target) == wanted


def _dying(rename: Callable, last: int) -> Callable:
    left = iter(range(last, -1, -1))

    def call(*arguments, **options):
        if next(left, 0) == 0:
            os._exit(7)
        return rename(*arguments, **options)

    return call
