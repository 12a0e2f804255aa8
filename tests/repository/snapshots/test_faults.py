"""R4, R9, R10 for snapshots: a storage fault or crash at any call leaves nothing half made and nothing lost."""

from __future__ import annotations

import time
from contextlib import suppress
from random import Random

import pytest

from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.objects import MARKS, PACKS
from repository.errors import Overtaken
from repository.retrying import Retry, RetryingStorage
from repository.storage import StorageFull, StorageUnavailable
from tests.descriptors import descriptors
from tests.repository.snapshots.kept import Kept, pause
from tests.repository.snapshots.trees import edit, kept_picture, picture, region
from tests.storage.memory import FaultyStorage, MemoryStorage
from trees.local.tree import LocalTree

pytestmark = pytest.mark.usefixtures("small")


class Killed(BaseException):
    """Simulates the end of the process."""


@pytest.fixture
def grown(kept: Kept) -> tuple[Kept, SnapshotRoot]:
    """A snapshot, then changes of every kind whose chunks need several packs."""
    random = Random(1)  # noqa: S311
    for number in range(4):
        (kept.root / f"{number}.txt").write_bytes(random.randbytes(40_000))
    (kept.root / "r.mca").write_bytes(region(500_000, random))
    first = kept.snapshot()
    edit(kept.root / "r.mca", 300_000, random.randbytes(5000))
    (kept.root / "large.zip").write_bytes(random.randbytes(700_000))
    for number in range(4, 8):
        (kept.root / f"{number}.txt").write_bytes(random.randbytes(40_000))
    return kept, first


def calls(kept: Kept, parent: bytes) -> list[str]:
    """The storage calls of a fault-free snapshot, on a copy of the storage."""
    before = dict(kept.storage.objects)
    kept.snapshot(counted := FaultyStorage(kept.storage, at=0), parent=parent, threads=1)
    kept.storage.objects = before
    return counted.calls


def sound(kept: Kept, *, stored_once: bool = True) -> None:
    """Assert that every listed snapshot reads back, and that no chunk is stored twice."""
    repository = kept.opened()
    for snapshot in kept.listed():
        kept_picture(repository, snapshot)
    assert not stored_once or set(kept.copies().values()) == {1}


def resumed(kept: Kept, parent: bytes, storage: MemoryStorage | FaultyStorage | None = None) -> int:
    """Make the next snapshot, which must be whole; returns the bytes of packs that it stored."""
    before = kept.names(PACKS)
    root = kept.snapshot(storage, parent=parent)
    assert kept_picture(kept.opened(), root.snapshot) == picture(kept.root)
    after = kept.names(PACKS)
    assert before.items() <= after.items()
    return sum(after.values()) - sum(before.values())


@pytest.mark.parametrize("fault", ["once", "reply_lost"])
def test_a_passing_fault_at_any_call_does_not_show(grown: tuple[Kept, SnapshotRoot], fault: str) -> None:
    kept, first = grown
    base = dict(kept.storage.objects)
    for at in range(1, len(calls(kept, first.snapshot)) + 1):
        kept.storage.objects = dict(base)
        resumed(kept, first.snapshot, FaultyStorage(kept.storage, at=at, fault=fault))
        assert len(kept.listed()) == 2
        sound(kept)


@pytest.mark.parametrize("error", [StorageFull, Killed])
def test_storage_failing_for_good_lists_nothing_and_keeps_stored_packs(
    grown: tuple[Kept, SnapshotRoot], error: type[BaseException]
) -> None:
    kept, first = grown
    named = calls(kept, first.snapshot)
    base = dict(kept.storage.objects)
    stored_left = []
    for at in range(1, len(named) + 1):
        kept.storage.objects = dict(base)
        try:
            kept.snapshot(FaultyStorage(kept.storage, at=at, fault="forever", error=error), parent=first.snapshot)
        except error:
            done = len(kept.listed()) == 2
        else:
            done = True
        # Once the root is stored, only a look at the mark and its deletion are left.
        assert not done or at >= len(named) - 1, named[at - 1]
        sound(kept)
        stored_left.append(resumed(kept, first.snapshot))
        sound(kept)
    assert stored_left[-1] < stored_left[0] / 100


def test_a_snapshot_that_no_reply_says_is_there_is_listed_once(grown: tuple[Kept, SnapshotRoot]) -> None:
    kept, first = grown
    named = calls(kept, first.snapshot)
    last_commit = len(named) - named[::-1].index("commit")
    storage = FaultyStorage(kept.storage, at=last_commit, fault="reply_lost", error=Killed)
    with pytest.raises(Killed):
        kept.snapshot(storage, parent=first.snapshot, threads=1)
    assert len(kept.listed()) == 2
    sound(kept)


def test_a_pack_cut_short_on_its_way_into_storage_is_stored_again(grown: tuple[Kept, SnapshotRoot]) -> None:
    kept, first = grown
    before = set(kept.storage.objects)
    kept.snapshot(parent=first.snapshot)
    fresh = set(kept.storage.objects) - before
    for key in fresh:
        if "/packs/" in key:
            kept.storage.objects[key] = kept.storage.objects[key][:-20]
        else:
            del kept.storage.objects[key]
    assert resumed(kept, first.snapshot) > 700_000


def test_a_mark_that_is_taken_away_overtakes_the_snapshot(grown: tuple[Kept, SnapshotRoot]) -> None:
    kept, first = grown

    class Late(LocalTree):
        def begin(self, parent: bytes | None) -> int:
            for mark in kept.names(MARKS):
                kept.opened().objects.delete(MARKS, mark)
            return super().begin(parent)

    with pytest.raises(Overtaken):
        kept.snapshot(source=Late(kept.root), parent=first.snapshot)
    assert kept.listed() == {first.snapshot}
    assert resumed(kept, first.snapshot) < 20_000


def test_no_descriptor_stays_after_a_failure(grown: tuple[Kept, SnapshotRoot]) -> None:
    kept, first = grown
    before = descriptors(kept.root)
    for at in (1, 10, 20):
        with pytest.raises(StorageUnavailable):
            kept.snapshot(FaultyStorage(kept.storage, at=at, fault="forever"), parent=first.snapshot)
    assert descriptors(kept.root) == before


class Cancelled(Exception):
    """Raised by a checkpoint."""


def test_a_cancel_at_any_checkpoint_ends_the_snapshot(grown: tuple[Kept, SnapshotRoot]) -> None:
    kept, first = grown
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 1

    base = dict(kept.storage.objects)
    kept.snapshot(parent=first.snapshot, checkpoint=count)
    assert counted > 20
    for at in range(1, counted + 1):
        kept.storage.objects = dict(base)
        left, cancelled = at, 0.0

        def cancel() -> None:
            nonlocal left, cancelled
            left -= 1
            if left <= 0:
                cancelled = cancelled or time.monotonic()
                raise Cancelled

        with pytest.raises(Cancelled):
            kept.snapshot(parent=first.snapshot, checkpoint=cancel)
        assert time.monotonic() - cancelled < 1
        assert kept.listed() == {first.snapshot}
        assert kept.names(MARKS) == {}
    resumed(kept, first.snapshot)
    sound(kept)


def test_a_cancel_while_the_storage_is_tried_again_ends_the_snapshot(grown: tuple[Kept, SnapshotRoot]) -> None:
    kept, first = grown
    storage = FaultyStorage(kept.storage, at=12, fault="forever")

    def cancel() -> None:
        if len(storage.calls) > 13:
            raise Cancelled

    retrying = RetryingStorage(storage, Retry(sleep=pause, checkpoint=cancel))
    with pytest.raises(Cancelled):
        kept.snapshot(retrying, parent=first.snapshot)
    assert kept.listed() == {first.snapshot}


def test_cancelled_writer_leaves_no_mark(grown: tuple[Kept, SnapshotRoot]) -> None:
    kept, first = grown
    asked = at = 0

    def cancel() -> None:
        nonlocal asked
        asked += 1
        if asked > at:
            raise Cancelled

    while len(kept.listed()) == 1:
        at, asked = at + 1, 0
        with suppress(Cancelled):
            kept.snapshot(RetryingStorage(kept.storage, Retry(checkpoint=cancel)), parent=first.snapshot)
        assert kept.names(MARKS) == {}
    # At the last checkpoint the root was stored already: that snapshot exists.
    assert at > 10
    sound(kept)
