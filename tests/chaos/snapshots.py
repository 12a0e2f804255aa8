"""The customer's repository in a world: prunes, damage in it, and a sector map that lies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from backups.errors import OperationInProgress
from backups.models import Backup
from backups.services.backups import backup_delete, backup_update
from backups.services.upkeep import repository_prune
from operations.models import Operation, OperationState
from orders.models import BackupFormat
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.plan import PrunePlan
from repository.chunked.maintenance.prune import prune_plan
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.repository import Repository as OpenRepository
from tests.chaos.invariants import Violated
from tests.chaos.processes import worker_run
from vault.models import Asset, Repository
from vault.services.repositories import repository_folder, repository_get, snapshot_of

if TYPE_CHECKING:
    from datetime import timedelta

    from tests.chaos.world import World

TO_DO = (
    "refusals", "delete", "rescue", "dead", "orphans", "repack", "adopt", "settled", "waiting", "deleted_snapshots",
    "dead_marks",
)  # fmt: skip
PRUNES_TO_REST = 6
"""Marks of dead writers live for two days; then packs are condemned, and deleted a day later."""


def prune_ask(world: World) -> Operation | None:
    """Start a prune as the upkeep does; None without a repository, or beside another prune that has not ended."""
    row = Repository.objects.select_related("target").first()
    if row is None or not _objects(world, "keys"):
        return None
    try:
        return repository_prune(repository=row, user=None)
    except OperationInProgress:
        world.happened["repository: a prune at a time"] += 1
        return None


def prune_once(world: World) -> str:
    """Let a worker prune, undisturbed; returns what it did, or why it did nothing."""
    operation = prune_ask(world)
    if operation is None:
        return "no prune"
    if code := worker_run(operation.id, None, log=world.log, act=lambda _: None):
        raise Violated(f"a prune ended with {code}")
    operation.refresh_from_db()
    world.tally.operations[BackupFormat.REPOSITORY][f"prune: {operation.state}"] += 1
    return prune_told(world, operation)


def prune_told(world: World, operation: Operation) -> str:
    """The result of a prune, in words."""
    operation.refresh_from_db()
    if operation.state != OperationState.SUCCEEDED:
        world.happened["repository: prune refused"] += operation.error_code == "prune_refused"
        return f"{operation.state} {operation.error_code} {operation.error_params}"
    world.happened["repository: pruned"] += 1
    return str(operation.result.get("done"))


def rot(world: World, rng: Random) -> str:
    """Damage a pack or a root and verify: the damage is found, and the next snapshot is whole all the same."""
    opened = _opened(world)
    folder = "snapshots" if rng.random() < 0.25 else "packs"
    found = _objects(world, folder)
    if opened is None or not found or len(world.usable()) < 2:
        return "nothing"
    kind, path = rng.choice(list(DAMAGES)), found[int(rng.random() * len(found))]
    DAMAGES[kind](path, found, rng)
    world.rotten = True
    damaged = damage_look(world, opened)
    world.happened[f"repository: {folder} {kind}"] += 1
    return f"{kind} in {folder}, {damaged} backups"


def damage_look(world: World, opened: OpenRepository) -> int:
    """Verify everything, and note the damaged backups; returns how many snapshots are damaged."""
    report = repository_verify(opened, coverage=Coverage.full())
    damaged = {found.snapshot for found in report.snapshots if not found.whole}
    for asset in Asset.objects.filter(backup__in=world.usable(), repository__isnull=False):
        if snapshot_of(asset) in damaged:
            world.damaged.add(asset.backup.id)
    return len(damaged)


def map_lie(world: World, rng: Random) -> str:
    """The sidecar's sector map is lost, damaged, or that of an earlier time."""
    kind, scratch = rng.choice(["kept", "older", "older", "damaged", "lost"]), world.sidecar.scratch
    found = sorted(path for path in scratch.iterdir() if path.name.startswith("sectors") and path.is_file())
    if not found or world.live():
        return "nothing"
    aside = world.folder / "older map"
    world.sidecar.kill()
    if kind == "kept" or (kind == "older" and not aside.exists()):
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(scratch, aside, ignore=lambda _, names: [name for name in names if "sectors" not in name])
    elif kind == "older":
        for path in found:
            path.unlink()
        for path in aside.iterdir():
            shutil.copy2(path, scratch)
            os.chown(scratch / path.name, scratch.stat().st_uid, scratch.stat().st_gid)
    elif kind == "damaged":
        _flip(found[0], found, rng)
    else:
        for path in found:
            path.unlink()
    world.sidecar_ensure()
    world.happened[f"sector map: {kind}"] += 1
    return kind


def damaged_delete(world: World) -> None:
    """Delete the damaged snapshots, as a customer would: nothing is pruned beside a manifest that does not open."""
    damaged = Backup.objects.filter(id__in=world.damaged & world.usable(), format=BackupFormat.REPOSITORY)
    for backup in damaged:
        backup_update(user=world.user, backup=backup, locked=False)
        backup_delete(user=world.user, backup=backup)
        world.removed.add(backup.id)


def repository_settle(world: World, *, grace: timedelta) -> None:
    """Prune until nothing is left to do. Raises Violated when something stays."""
    said: list[str] = []
    while (left := _left(world)) and len(said) < PRUNES_TO_REST:
        said.append(prune_once(world))
        world.clock.offset += grace
    if left:
        raise Violated(f"I6: prunes leave {left}: {said}")


def _left(world: World) -> dict[str, int]:
    """How much of each kind a prune would still do."""
    opened = _opened(world)
    if opened is None:
        return {}
    plan = _plan(opened, world)
    # A damaged pack that no index names stays: it may hold anything.
    told = {name: len(getattr(plan, name)) for name in (*TO_DO, *([] if world.rotten else ["unreadable"]))}
    told |= {folder: len(_objects(world, folder)) for folder in ("marks", "condemned")}
    return {name: count for name, count in told.items() if count}


def repository_check(world: World) -> None:
    """I2: every snapshot is whole, and the listed ones are those of the ready backups (I6)."""
    opened = _opened(world)
    if opened is None:
        return
    report = repository_verify(opened, coverage=Coverage.full())
    expected = _expected(world)
    listed = {found.snapshot for found in report.snapshots}
    if listed != expected:
        raise Violated(f"I6: {len(listed)} snapshots are listed, {len(expected)} are needed")
    broken = [found for found in report.snapshots if not found.whole]
    # A pack stays whose end was damaged: its chunks are found by the index. So does one that no index names.
    if broken or (report.damaged and not world.rotten):
        raise Violated(f"I2: {report.damaged}, {broken}")


def _plan(opened: OpenRepository, world: World) -> PrunePlan:
    expected = _expected(world)
    return prune_plan(opened, expected=frozenset(expected), allow_empty=not expected)


def _expected(world: World) -> set[bytes]:
    assets = Asset.objects.filter(backup__in=world.usable(), repository__isnull=False)
    return {snapshot_of(asset) for asset in assets}


def _opened(world: World) -> OpenRepository | None:
    row = Repository.objects.select_related("customer", "target").first()
    return repository_get(row) if row is not None and _objects(world, "keys") else None


def _objects(world: World, folder: str) -> list[Path]:
    """The objects of one kind in the customer's repository."""
    row = Repository.objects.first()
    if row is None:
        return []
    found = world.storage / repository_folder(row) / folder
    return sorted(path for path in found.rglob("*") if path.is_file())


def _flip(path: Path, _paths: Iterable[Path], rng: Random) -> None:
    with path.open("r+b") as file:
        at = int(rng.random() * file.seek(0, os.SEEK_END))
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1 << rng.randrange(8)]))


def _cut(path: Path, _paths: Iterable[Path], rng: Random) -> None:
    os.truncate(path, int(rng.random() * path.stat().st_size))


def _empty(path: Path, _paths: Iterable[Path], _rng: Random) -> None:
    os.truncate(path, 0)


def _swap(path: Path, paths: list[Path], rng: Random) -> None:
    other = paths[int(rng.random() * len(paths))]
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)


DAMAGES = {"flipped": _flip, "cut": _cut, "emptied": _empty, "swapped": _swap}
