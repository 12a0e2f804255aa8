"""A chunked repository of the live tree, used through its package: snapshots, and flipped bits of its packs."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.repository import Repository, repository_create, repository_open
from repository.chunked.restoring.restore import snapshot_restore
from repository.chunked.snapshots.create import snapshot_create
from repository.chunked.snapshots.listing import snapshots_list
from repository.retrying import RetryingStorage
from targets.local import LocalStorage
from tests.chaos.trees import SPECIAL, Tree, alike, difference, tree_read, within
from trees.local.tree import LocalTree
from trees.sectors.map import SectorMap

if TYPE_CHECKING:
    from tests.chaos.world import World

TENANT, REPOSITORY, KEY = UUID(int=1), UUID(int=2), DataKey(b"k" * 32)


class Snapshots:
    """`trees` holds the tree of each snapshot that was never found damaged."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._objects = folder, folder / "objects"
        self._objects.mkdir(parents=True)
        self._storage = RetryingStorage(LocalStorage(self._objects))
        repository_create(self._storage, tenant=TENANT, repository=REPOSITORY, keys=KEY)
        self.trees: dict[bytes, Tree] = {}
        self._last: bytes | None = None

    def take(self, root: Path, *, trust: bool) -> None:
        """Make a snapshot of a tree at rest, and check that it is whole."""
        source = LocalTree(root, sector_map=SectorMap(self._folder / "map"))
        made = snapshot_create(self._opened(), source=source, parent=self._last, trust_stat=trust)
        self._last = made.snapshot
        self.trees[made.snapshot] = tree_read(root)
        self._restores(made.snapshot)

    def flip(self, rng: Random) -> bool:
        """Flip a bit of a pack; returns whether a verification reports it: it does not read unused packs."""
        packs = sorted(path for path in self._objects.rglob("*") if "packs" in path.parts and path.is_file())
        chosen, place, bit = rng.random(), rng.random(), rng.randrange(8)
        with packs[int(chosen * len(packs))].open("r+b") as file:
            at = int(place * file.seek(0, os.SEEK_END))
            file.seek(at)
            (byte,) = file.read(1)
            file.seek(at)
            file.write(bytes([byte ^ 1 << bit]))
        return bool(repository_verify(self._opened(), coverage=Coverage.full()).damaged)

    def damaged_forget(self) -> int:
        """Forget the damaged snapshots, and return how many; the last one must be whole."""
        lost = 0
        for found in repository_verify(self._opened(), coverage=Coverage.full()).snapshots:
            if not found.whole:
                assert found.snapshot != self._last, "a snapshot made after the damage was found has it too"
                snapshot_forget(self._opened(), snapshot=found.snapshot)
                del self.trees[found.snapshot]
                lost += 1
        return lost

    def check(self) -> None:
        """Check that every undamaged snapshot is listed, and restores to the byte."""
        found = snapshots_list(self._opened())
        listed = {root.snapshot for root in found.roots}
        assert (listed, found.damaged) == (self.trees.keys(), []), "I3: the snapshots are others"
        for snapshot in self.trees:
            self._restores(snapshot)

    def _restores(self, snapshot: bytes) -> None:
        # The target keeps the files of earlier restores.
        target = self._folder / "target"
        report = snapshot_restore(
            self._opened(), snapshot=snapshot, target=target, delete=True, special_bits=True, durable=False
        )
        assert report.failed == []
        taken = {path: entry for path, entry in self.trees[snapshot].items() if entry.kind != SPECIAL}
        left_out = self.trees[snapshot].keys() - taken.keys()
        # Entries that the snapshot could not take are left as they are.
        restored = {
            path: entry for path, entry in tree_read(target).items() if not any(within(path, top) for top in left_out)
        }
        assert alike(restored, taken), f"I1: {difference(restored, taken)}"

    def _opened(self) -> Repository:
        return repository_open(self._storage, tenant=TENANT, repository=REPOSITORY, keys=KEY)


def snapshot(world: World, rng: Random) -> str:
    """Make a snapshot of the live tree."""
    trust = rng.random() < 0.7
    if world.restores:
        return "nothing, a restore is on its way"
    world.snapshots.take(world.root, trust=trust)
    world.happened["repository: snapshot"] += 1
    return f"{len(world.snapshots.trees)} kept"


def rot(world: World, rng: Random) -> str:
    """Flip a bit of a pack and verify; the next snapshot is whole all the same."""
    if world.restores:
        return "nothing, a restore is on its way"
    if not world.snapshots.trees:
        snapshot(world, rng)
    if not world.snapshots.flip(rng):
        return "nothing that is needed"
    world.snapshots.take(world.root, trust=True)
    lost = world.snapshots.damaged_forget()
    world.snapshots.check()
    world.happened["repository: bit flipped"] += 1
    return f"lost {lost}, {len(world.snapshots.trees)} kept"
