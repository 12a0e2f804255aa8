"""R16: the storage lists nothing, too little, or breaks off on a later page. The prune deletes nothing and says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from backups.models import Backup, Depth
from backups.services.upkeep import repository_prune, repository_verify
from operations.models import Operation, OperationState
from repository.chunked.objects import CONDEMNED, DAMAGED, INDEX, MARKS, PACKS, SNAPSHOTS, TOMBSTONES
from repository.storage import ObjectInfo, StorageUnavailable
from targets import local
from targets.local import LocalStorage
from tests.api.admin_pages import page
from tests.factories import UserFactory
from tests.world.clients import browser_of
from tests.world.snapshots import Snapshots, later

DAY = timedelta(days=1)
Entries = Iterator[ObjectInfo]


def breaks_off(entries: Entries) -> Entries:
    """The first entries, and an error in the place of the next page."""
    for number, found in enumerate(entries):
        if number == 1:
            break
        yield found
    raise StorageUnavailable("page 3 did not come")


def is_empty(_entries: Entries) -> Entries:
    return iter(())


def lacks_one(entries: Entries) -> Entries:
    next(entries, None)
    return entries


class Listing(LocalStorage):
    """A folder whose listings `spoil` changes, where `is_spoilt` says so of the prefix and the number of the call."""

    def __init__(self, root: Path, spoil: Callable[[Entries], Entries], is_spoilt: Callable[[str, int], bool]) -> None:
        super().__init__(root)
        self.lists = 0
        self._spoil = spoil
        self._is_spoilt = is_spoilt

    def list(self, prefix: str) -> Entries:
        self.lists += 1
        entries = super().list(prefix)
        return self._spoil(entries) if self._is_spoilt(prefix, self.lists) else entries


@pytest.fixture
def due(snapshots: Snapshots, garbage: Backup, monkeypatch: pytest.MonkeyPatch) -> Backup:
    """The backup to keep. Packs were condemned a day ago, and the next prune deletes them."""
    assert pruned(snapshots).result["plan"]["condemned"] > 0
    later(monkeypatch, DAY)
    return garbage


def pruned(world: Snapshots) -> Operation:
    return world.run(repository_prune(repository=world.row, user=None))


def contents(world: Snapshots) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in world.root.rglob("*") if path.is_file()}


def whole_require(world: Snapshots) -> None:
    verification = world.run(repository_verify(repository=world.row, user=None, depth=Depth.DATA))
    assert (verification.result["done"]["snapshots"], verification.result["done"]["degraded"]) == (1, 0)


@pytest.mark.parametrize(
    ("folder", "spoil", "why"),
    [
        *((folder, breaks_off, "does not answer") for folder in (
            SNAPSHOTS, PACKS, INDEX, MARKS, CONDEMNED, TOMBSTONES, DAMAGED
        )),
        (SNAPSHOTS, is_empty, "should be there are not listed"),
        (SNAPSHOTS, lacks_one, "should be there are not listed"),
        (PACKS, is_empty, "packs that are not listed"),
        (INDEX, is_empty, "no index"),
    ],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", None)),
)  # fmt: skip
def test_a_listing_that_is_not_whole_deletes_nothing_and_staff_see_why(
    snapshots: Snapshots, due: Backup, folder, spoil, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(snapshots)
    with monkeypatch.context() as patched:
        storage = Listing(snapshots.root, spoil, lambda prefix, _: prefix.endswith(f"/{folder.name}/"))
        patched.setattr(local, "LocalStorage", lambda _root: storage)
        operation = pruned(snapshots)
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "prune_refused")
    assert why in operation.error_params["reason"]
    assert contents(snapshots) == before
    staff = browser_of(UserFactory(is_staff=True, is_superuser=True))
    shown = staff.get(page(Operation, "change", operation.pk)).content.decode()
    assert "Nothing was deleted" in shown
    assert why in shown
    again = pruned(snapshots)
    assert again.result["done"]["deleted"] > 0
    whole_require(snapshots)


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [breaks_off, is_empty, lacks_one])
def test_a_broken_listing_at_any_time_of_a_prune_costs_no_backup(
    snapshots: Snapshots, due: Backup, spoil: Callable[[Entries], Entries], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also between plan and deletion, and once only."""
    ended, at = [], 0
    while True:
        at += 1
        with monkeypatch.context() as patched:
            # A listing that breaks off is asked for again: it breaks off from then on.
            storage = Listing(
                snapshots.root, spoil, lambda _, number, at=at: number == at or (spoil is breaks_off and number > at)
            )
            patched.setattr(local, "LocalStorage", lambda _root, storage=storage: storage)
            operation = pruned(snapshots)
        if operation.state == OperationState.FAILED:
            assert operation.error_code in ("prune_refused", "storage_unavailable")
        ended.append(operation.state)
        whole_require(snapshots)
        if storage.lists < at:
            break
        snapshots.write(**{f"e{at}": 5000})
        snapshots.delete(snapshots.snapshot())
        later(monkeypatch, DAY * (at + 1))
    # An object that a single listing lacks is there when the plan is made anew.
    assert ended[-1] == OperationState.SUCCEEDED
    assert (OperationState.FAILED in ended) == (spoil is breaks_off)
