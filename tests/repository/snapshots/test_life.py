"""The life of a repository: all operations in any order, with crashes at any storage call.

The draws never depend on the state: names of objects are random, so the same draws may lead elsewhere.
After each step every snapshot that is listed reads back byte for byte (I1), no chunk that a manifest names is missing
(I2), and the snapshots that are listed are those of the model (I3). `EXAMPLES=1000` plays longer.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from demo import comparison
from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.maintenance.prune import prune_execute, prune_plan
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.repository import Repository, repository_create, repository_keys_rotate, repository_open
from repository.chunked.restoring.restore import snapshot_restore
from repository.chunked.snapshots.create import snapshot_create
from repository.chunked.snapshots.listing import snapshots_list
from repository.errors import PruneRefused, PruneRunning, RepositoryKeyWrong
from repository.retrying import Retry, RetryingStorage
from repository.storage import Storage, StorageFull, StorageUnavailable
from tests.repository.snapshots.kept import REPOSITORY, TENANT, pause
from tests.repository.snapshots.test_evolution import Tree, lasting, steps
from tests.repository.snapshots.trees import kept_picture, picture
from tests.storage.memory import FaultyStorage, MemoryStorage
from trees.local.tree import LocalTree
from trees.sectors.map import SectorMap


class Killed(BaseException):
    """Simulates the end of the process."""


faults = st.one_of(
    st.none(),
    st.tuples(
        st.integers(1, 8) | st.integers(1, 60),
        st.sampled_from([Killed, Killed, StorageFull, StorageUnavailable]),
        st.sampled_from(["forever", "forever", "reply_lost"]),
    ),
)
whole_numbers = st.integers(0, 100)


class Life(RuleBasedStateMachine):
    """A repository, its folder, and a model: the expected picture of each snapshot."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="life"))
        (self.folder / "tree").mkdir()
        self.tree = Tree(self.folder / "tree")
        self.storage = MemoryStorage()
        self.now = datetime(2026, 1, 31, 12, tzinfo=UTC)
        self.key, self.keys = DataKey(b"\x00" * 32), 0
        self.model: dict[bytes, comparison.Tree] = {}
        self.last: bytes | None = None
        self.looked = 0
        self.rotten: set[str] = set()
        repository_create(self.storage, tenant=TENANT, repository=REPOSITORY, keys=self.key, clock=self.clock)

    def clock(self) -> datetime:
        return self.now

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def opened(self, storage: Storage | None = None) -> Repository:
        retrying = RetryingStorage(storage or self.storage, Retry(sleep=pause))
        return repository_open(retrying, tenant=TENANT, repository=REPOSITORY, keys=self.key, clock=self.clock)

    def listed(self) -> set[bytes]:
        found = snapshots_list(self.opened())
        assert found.damaged == []
        return {root.snapshot for root in found.roots}

    def faulty(self, fault: Any, deed: Callable[[Storage], None]) -> bool:
        """Run `deed` with a storage that fails as told; returns whether it completed."""
        if fault is None:
            deed(self.storage)
            return True
        at, error, kind = fault
        try:
            deed(FaultyStorage(self.storage, at=at, error=error, fault=kind, must_strike=False))
        except (Killed, StorageFull, StorageUnavailable):
            return False
        return True

    def any_snapshot(self, number: int) -> bytes:
        found = list(self.model)
        return found[number % len(found)]

    @initialize(changes=st.lists(steps, min_size=1, max_size=4))
    def begin(self, changes: list[Any]) -> None:
        self.edit(changes)
        self.back_up("last", "kept", None, trust=True)

    @rule(changes=st.lists(steps, min_size=1, max_size=4))
    def edit(self, changes: list[Any]) -> None:
        for step in changes:
            self.tree.step(*step)

    @rule(
        parent=st.sampled_from(["last", "last", "any", "none"]),
        sector_map=st.sampled_from(["kept", "kept", "lost"]),
        fault=faults,
        trust=st.booleans(),
    )
    def back_up(self, parent: str, sector_map: str, fault: Any, trust: bool) -> None:  # noqa: FBT001
        given = {"last": self.last, "any": next(iter(self.model), None)}.get(parent)
        if sector_map == "lost":
            (self.folder / "map").unlink(missing_ok=True)
        source = LocalTree(self.folder / "tree", sector_map=SectorMap(self.folder / "map"))

        def deed(storage: Storage) -> None:
            snapshot_create(self.opened(storage), source=source, parent=given, trust_stat=trust)

        ended = self.faulty(fault, deed)
        fresh = self.listed() - self.model.keys()
        # A snapshot that was cut off after its root was stored exists; any other is invisible.
        assert len(fresh) == 1 if ended else len(fresh) <= 1
        for snapshot in fresh:
            self.model[snapshot] = picture(self.folder / "tree")
            self.last = snapshot

    @rule(number=whole_numbers, fault=faults)
    def delete(self, number: int, fault: Any) -> None:
        if not self.model:
            return
        snapshot = self.any_snapshot(number)
        if self.faulty(fault, lambda storage: snapshot_forget(self.opened(storage), snapshot=snapshot)):
            assert snapshot not in self.listed()
        if snapshot not in self.listed():
            del self.model[snapshot]

    @rule(number=whole_numbers)
    def restore(self, number: int) -> None:
        if not self.model:
            return
        snapshot = self.any_snapshot(number)
        target = self.folder / "target"  # keeps the files of earlier restores
        report = snapshot_restore(
            self.opened(), snapshot=snapshot, target=target, delete=True, special_bits=True, durable=False
        )
        assert report.failed == []
        expected = lasting(self.model[snapshot])
        found = lasting(picture(target))
        assert found.keys() == expected.keys()
        assert {path: found[path] for path in expected if path} == {path: expected[path] for path in expected if path}

    @rule(number=whole_numbers, place=st.integers(0, 1 << 30))
    def rot(self, number: int, place: int) -> None:
        """Flip a bit of a pack and verify; the next snapshot is whole all the same."""
        if not self.model:
            return
        packs = sorted(key for key in self.storage.objects if "/packs/" in key)
        key = packs[number % len(packs)]
        data = bytearray(self.storage.objects[key])
        data[place % len(data)] ^= 1
        self.storage.objects[key] = bytes(data)
        self.rotten.add(key)
        if not repository_verify(self.opened(), coverage=Coverage.full()).damaged:
            return  # an unindexed pack of a killed snapshot, or the same bit flipped back
        self.back_up("last", "kept", None, trust=True)
        for found in repository_verify(self.opened(), coverage=Coverage.full()).snapshots:
            if not found.whole:
                assert found.snapshot != self.last
                snapshot_forget(self.opened(), snapshot=found.snapshot)
                del self.model[found.snapshot]

    @rule(fault=faults, hours=st.sampled_from([0, 2, 60]))
    def prune(self, fault: Any, hours: int) -> None:
        self.now += timedelta(hours=hours)

        def deed(storage: Storage) -> None:
            repository = self.opened(storage)
            planned = prune_plan(
                repository,
                grace=timedelta(hours=1),
                small_pack=50_000,
                allow_empty=not self.model,
                expected=frozenset(self.model),
            )
            prune_execute(repository, planned)

        try:
            self.faulty(fault, deed)
        except (PruneRefused, PruneRunning):
            return

    @rule(fault=faults)
    def rotate_key(self, fault: Any) -> None:
        self.keys += 1
        new = DataKey(self.keys.to_bytes(32, "big"))

        def deed(storage: Storage) -> None:
            retrying = RetryingStorage(storage, Retry(sleep=pause))
            repository_keys_rotate(retrying, tenant=TENANT, repository=REPOSITORY, old=self.key, new=new)

        old, ended = self.key, self.faulty(fault, deed)
        if ended:
            self.key = new
            return
        try:
            self.opened()
        except RepositoryKeyWrong:
            self.key = new
            self.opened()
        else:
            assert self.key is old

    @rule(by=st.sampled_from([timedelta(minutes=1), timedelta(hours=30), timedelta(days=3), -timedelta(hours=1)]))
    def move_clock(self, by: timedelta) -> None:
        self.now += by

    @rule()
    def verify(self) -> None:
        report = repository_verify(self.opened(), coverage=Coverage.full())
        assert {found.snapshot for found in report.snapshots} == self.model.keys()
        assert all(found.whole for found in report.snapshots), report.snapshots
        assert all(any(key.endswith(said) for key in self.rotten) for said in report.damaged)

    @invariant()
    def everything_listed_is_whole(self) -> None:
        state = hash(frozenset(self.storage.objects))
        if state == self.looked:
            return
        self.looked = state
        assert self.listed() == self.model.keys()
        repository = self.opened()
        for snapshot, expected in self.model.items():
            assert kept_picture(repository, snapshot) == expected


TestLife = pytest.mark.usefixtures("small")(Life.TestCase)
TestLife.settings = settings(
    max_examples=int(os.environ.get("EXAMPLES", "60")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
