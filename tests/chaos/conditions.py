"""Conditions of data volume and storage: entries that cannot be changed, a volume that is away, damaged archives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from backups.errors import BackupCollapsed
from backups.models import Asset, Backup, BackupStatus
from backups.services.backups import backup_create
from backups.services.restores import RestoreOptions, backup_restore
from common.errors import ApplicationError
from tests.chaos.invariants import Violated
from tests.chaos.trees import paths_of
from tests.chaos.volume import immutable_set
from tests.chaos.working import work
from tests.chaos.world import World


def immutable(world: World, rng: Random) -> str:
    """An administrator forbids every change of a file or a folder, or allows them again.

    Never while a restore is to be told from it: immutable entries stay.
    """
    if world.restores:
        return "nothing, a restore is on its way"
    if world.immutable and rng.random() < 0.4:
        return immutable_lift(world)
    paths = paths_of(world.root)
    path = rng.choice(paths) if paths else b""
    if not path or not immutable_set(path, on=True):
        return "nothing"
    world.immutable.add(path)
    world.happened["data volume: immutable"] += 1
    return repr(path[-40:])


def immutable_lift(world: World) -> str:
    """Every entry may be changed again."""
    for path in sorted(world.immutable):
        immutable_set(path, on=False)
    lifted = len(world.immutable)
    world.immutable.clear()
    return f"lifted {lifted}"


def collapse(world: World, rng: Random) -> str:
    """A backup is made while the data volume is away: it is marked, and its restore asks again."""
    if world.restores or world.live() or world.immutable:
        return "nothing, the tree is needed"
    before = world.usable()
    aside = world.folder / "aside"
    aside.mkdir()
    with _moved(world.root, aside):
        with suppress(ApplicationError):
            backup_create(
                user=world.user, order_id=world.order.id, provision_id=world.server.id, name=None, idempotency=None
            )
        world.sidecar_ensure()
        for operation in world.live():
            work(world, operation.id)
    aside.rmdir()
    for backup in Backup.objects.filter(id__in=world.usable() - before):
        _asks_again(world, backup)
        world.happened["data volume: away"] += 1
    return "and back"


@contextmanager
def _moved(root: Path, aside: Path) -> Iterator[None]:
    """Everything that is in a folder, in another one for the block."""
    for path in list(root.iterdir()):
        path.rename(aside / path.name)
    try:
        yield
    finally:
        for path in list(aside.iterdir()):
            path.rename(root / path.name)


def _asks_again(world: World, backup: Backup) -> None:
    if not backup.collapsed:
        raise Violated(f"backup {backup.id} of an empty server is not marked")
    try:
        backup_restore(
            user=world.user, order_id=world.order.id, provision_id=world.server.id, backup_id=backup.id,
            options=RestoreOptions(), idempotency=None,
        )  # fmt: skip
    except BackupCollapsed:
        return
    except ApplicationError as refusal:
        if world.live() or backup.status != BackupStatus.READY:
            return
        raise Violated(f"the restore of a collapsed backup was refused as {refusal.code}") from None
    raise Violated(f"the restore of collapsed backup {backup.id} did not ask again")


def damage(world: World, rng: Random) -> str:
    """A bit of a stored archive flips; that backup cannot be restored any more, and no other suffers."""
    whole = Asset.objects.filter(backup__in=world.usable() - world.damaged).order_by("key")
    # One is left whole, so that a run has something to bring back.
    if whole.count() < 2:
        return "nothing"
    asset = whole[int(rng.random() * whole.count())]
    with (world.storage / asset.key).open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(int(rng.random() * size))
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1 << rng.randrange(8)]))
    world.damaged.add(asset.backup.id)
    world.happened["storage: bit flipped"] += 1
    return str(asset.backup.id)
