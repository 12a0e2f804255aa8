"""The invariants of the architecture, checked in a world; an error names the violated one."""

from __future__ import annotations

import os
import sqlite3
from datetime import timedelta
from itertools import combinations
from pathlib import Path

from django.conf import settings
from django.db import connections

from backups.models import Backup
from backups.selectors import backups_counted
from common.paths import path_text
from operations.models import Operation, OperationState
from tests.chaos.contents import content_read, content_wrong, is_snapshot, left_out
from tests.chaos.trees import Tree, alike, difference, tree_read, tree_told, within
from tests.chaos.world import CANARY, CONTENT_CANARY, LIMIT, Restoring, World
from tests.processes.waiting import wait_until
from vault.errors import ArchiveDamagedError
from vault.models import Asset, StoredObject
from vault.services.repositories import FOLDER

SETTLE_SECONDS = 10.0
SUFFIXES = (".manifest", ".listing")


class Violated(AssertionError):
    """An invariant was violated."""


def check(world: World) -> None:
    """Check the invariants that must hold at any moment: I3, I4, I5, and I7 while the sidecar is up."""
    expected = world.trees.keys() - world.removed
    if world.usable() != expected:
        raise Violated(f"I3: ready {sorted(map(str, world.usable()))}, expected {sorted(map(str, expected))}")
    active = [operation for operation in world.live() if operation.exclusive]
    if len(active) > 1:
        raise Violated(f"I4: {len(active)} operations are active")
    if (counted := backups_counted(world.server)) > LIMIT:
        raise Violated(f"I5: {counted} backups")
    if world.sidecar.alive:
        for restoring in world.restores.values():
            whole_require(world, restoring)


def whole_require(world: World, restoring: Restoring) -> None:
    """I7: the live tree is wholly before or wholly after; an exchange that no worker follows ends within a moment."""

    def whole() -> bool:
        return is_before(world, restoring) or is_after(world, restoring)

    try:
        wait_until(whole, seconds=SETTLE_SECONDS, what="a whole tree")
    except AssertionError:
        live = tree_read(world.root)
        raise Violated(
            f"I7: neither before ({difference(live, restoring.before)}) nor after ({difference(live, restoring.after)})"
        ) from None


def is_before(world: World, restoring: Restoring) -> bool:
    return alike(_live(world), restoring.before, overlay=restoring.overlay)


def is_after(world: World, restoring: Restoring) -> bool:
    """Whether the live tree is that after the restore; a mounted part whose staging failed may be as before."""
    live = _live(world)
    subsets = (subset for count in range(len(restoring.places) + 1) for subset in combinations(restoring.places, count))
    return any(
        alike(live, restoring.left(subset), overlay=restoring.overlay or bool(subset), xattrs=restoring.xattrs)
        for subset in subsets
    )


def _live(world: World) -> Tree:
    try:
        return tree_read(world.root)
    except FileNotFoundError:
        # An exchange is moving names at this moment.
        return {}


def restores_settle(world: World) -> None:
    """I7 for finished restores: a successful one left the tree after, any other the tree before."""
    for operation_id, restoring in list(world.restores.items()):
        operation = Operation.objects.get(id=operation_id)
        if operation.is_live or not world.sidecar.alive:
            continue
        whole_require(world, restoring)
        done = operation.state == OperationState.SUCCEEDED
        right = is_after(world, restoring) if done else is_before(world, restoring)
        # After a day the portal stops waiting for an absent sidecar.
        given_up = not done and operation.finished_at - operation.created_at > timedelta(days=1)
        if not right and not given_up:
            raise Violated(f"I7: {operation.kind} {operation.state} {operation.error_code}, the tree says otherwise")
        if done:
            told_stays_require(operation, restoring)
        del world.restores[operation_id]


def told_stays_require(operation: Operation, restoring: Restoring) -> None:
    """Check that a restore names each path that stays, or the mounted part that it left with all below it."""
    told = {item["path"] for item in operation.warnings}
    left = [place for place in restoring.places if path_text(place) in told]
    stays = {path for path in restoring.stays if not any(within(path, place) for place in left)}
    if untold := {path_text(path) for path in stays} - told:
        raise Violated(f"{operation.kind} says nothing of {sorted(untold)}, which stay")


def backups_check(world: World) -> None:
    """I1: every ready backup, read as a customer would, equals the tree it was made of."""
    for backup in Backup.objects.filter(id__in=world.usable()):
        if backup.id in world.damaged:
            damage_require(world, backup)
            continue
        try:
            found = content_read(backup.id, folder=world.folder)
        except (ArchiveDamagedError, ValueError) as error:
            raise Violated(f"I1: backup {backup.id} ({backup.format}) cannot be read: {error!r}") from error
        if wrong := content_wrong(found, world.trees[backup.id], snapshot=is_snapshot(backup)):
            raise Violated(f"I1: backup {backup.id} ({backup.format}): {wrong}")
        told_require(backup, world.trees[backup.id])


def told_require(backup: Backup, captured: Tree) -> None:
    """Check that a backup's listing names exactly the paths that it left out."""
    if not is_snapshot(backup) and backup.listing_bytes is None:
        return
    said, expected = left_out(backup), tree_told(captured)
    if said != expected:
        raise Violated(f"I1: backup {backup.id} says it left out {sorted(said)}, not {sorted(expected)}")


def damage_require(world: World, backup: Backup) -> None:
    """Check that a damaged backup is reported as damaged, and never read as if it were intact.

    Of a snapshot, later ones may have stored the damaged chunks again: then it must be right.
    """
    try:
        found = content_read(backup.id, folder=world.folder)
    except ArchiveDamagedError:
        return
    if not is_snapshot(backup) or content_wrong(found, world.trees[backup.id], snapshot=True):
        raise Violated(f"I1: the damage of backup {backup.id} was not noticed")


def storage_check(world: World) -> None:
    """I6: after the grace, everything in storage belongs to a row that is needed, and nothing needed is missing."""
    needed = set(Asset.objects.values_list("key", flat=True))
    owned = set(StoredObject.objects.filter(condemned_at__isnull=True).values_list("key", flat=True))
    objects = {key for key in world.objects() if not key.startswith(("keys/", FOLDER)) or "/snapshots/" in key}
    archives = {key for key in objects if not key.endswith(SUFFIXES)}
    described = {key.removesuffix(suffix) for key in objects for suffix in SUFFIXES if key.endswith(suffix)}
    if archives | described != needed or owned != needed:
        raise Violated(f"I6: stored {archives | described}, owned {owned}, needed {needed}")


def secrets_check(world: World) -> None:
    """I8: no secret is in a log or in any row, and no file content is in a log."""
    connections.close_all()
    secrets = [CANARY, settings.SECRET_KEY, os.environ["SAVEPOINT_MASTER_KEYS"].partition(":")[2]]
    with sqlite3.connect(world.database) as database:
        dump = "\n".join(database.iterdump())
    for place, text in (("log", world.log.read_text(errors="replace")), ("database", dump)):
        if any(secret in text for secret in secrets):
            raise Violated(f"I8: a secret is in the {place}")
    if CONTENT_CANARY in world.log.read_bytes():
        raise Violated("I8: a customer's bytes are in the log")


def nothing_left_check(world: World) -> None:
    """Check that at rest neither the data root nor the scratch folder holds any leftovers."""
    left = [path.name for folder in ("files", "partial") for path in Path(world.sidecar.scratch, folder).iterdir()]
    if left or (world.root / ".savepoint").exists():
        raise Violated(f"left behind: {left or '.savepoint'}")
