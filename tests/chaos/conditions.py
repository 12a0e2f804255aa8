"""What a data volume and a storage may be like: entries that cannot be changed, archives that were damaged."""

from __future__ import annotations

import os
from random import Random

from backups.models import Asset
from tests.chaos.trees import paths_of
from tests.chaos.volume import immutable_set
from tests.chaos.world import World


def immutable(world: World, rng: Random) -> str:
    """An administrator forbids every change of a file or a folder, or allows them again."""
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
