"""The possible steps of a world. Each step has a random generator of its own: a further draw shifts no other step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection
from django.test import override_settings

from backups.models import Backup
from backups.services.backups import backup_create, backup_delete, backup_update
from backups.services.restores import RestoreOptions, backup_restore, restore_undo
from common.errors import ApplicationError, KeyUnavailable
from common.keyring import Keyring
from operations.models import Operation
from operations.services.chores import chores_run
from orders.models import BackupFormat, Plan
from repository.archive.object_keys import FORMATS
from tests.chaos.conditions import close, collapse, damage, immutable, mount
from tests.chaos.contents import is_snapshot
from tests.chaos.edits import tree_edit
from tests.chaos.faults import Fault, fault_draw
from tests.chaos.invariants import restores_settle
from tests.chaos.processes import PACKING, StepFault
from tests.chaos.pruning import prune
from tests.chaos.restored import is_spread, tree_restored
from tests.chaos.snapshots import map_lie, prune_once, rot
from tests.chaos.trees import NEVER, frozen_paths, tree_read
from tests.chaos.volume import immutable_found
from tests.chaos.working import cancel, source_of, subject_of, work
from tests.chaos.world import Restoring, World
from vault.models import Asset, StorageTarget

OTHER_KEY = f"1:{'A' * 43}="
Step = Callable[[World, Random], str]


def edit(world: World, rng: Random) -> str:
    """The game and the customer change files, except during a restore whose result will be judged."""
    if world.restores:
        return "nothing, a restore is on its way"
    return ", ".join(tree_edit(world.root, rng) for _ in range(rng.randint(1, 6)))


def create(world: World, rng: Random) -> str:
    return _asked(world, rng, lambda: backup_create(
        user=world.user, order_id=world.order.id, provision_id=world.server.id, name=None, idempotency=None,
    ))  # fmt: skip


def restore(world: World, rng: Random) -> str:
    backup, safety = _any(world, rng), rng.random() < 0.7
    mode: Any = rng.choice(["replace", "replace", "overlay"])
    if backup is None:
        return "nothing to restore"
    options = RestoreOptions(mode=mode, safety=safety, accept_collapsed=True)
    return _asked(world, rng, lambda: restore_begin(world, backup, options)) + f" {options}"


def restore_begin(world: World, backup: Backup, options: RestoreOptions) -> None:
    backup_restore(**_named(world, backup), options=options)


def restore_ask(world: World, backup: Backup) -> None:
    """Request a restore, and note the expected tree."""
    restore_begin(world, backup, RestoreOptions(accept_collapsed=True))
    _restore_note(world, Operation.objects.get(kind="restore", state="queued"))


def undo(world: World, rng: Random) -> str:
    """Undo the latest restore, mostly by the same customer."""
    last = Operation.objects.filter(kind="restore", state="succeeded").order_by("finished_at").last()
    backup = subject_of(last) if last is not None and rng.random() < 0.8 else _any(world, rng)
    if backup is None:
        return "nothing to undo"
    return _asked(world, rng, lambda: restore_undo(**_named(world, backup), accept_collapsed=True))


def _named(world: World, backup: Backup) -> dict[str, Any]:
    return {
        "user": world.user, "order_id": world.order.id, "provision_id": world.server.id, "backup_id": backup.id,
        "idempotency": None,
    }  # fmt: skip


def delete(world: World, rng: Random) -> str:
    backup = _any(world, rng)
    if backup is None:
        return "nothing to delete"
    said = _asked(world, rng, lambda: backup_delete(user=world.user, backup=backup))
    if not Backup.objects.filter(id=backup.id, deleted_at__isnull=True).exists():
        world.removed.add(backup.id)
    return said


def update(world: World, rng: Random) -> str:
    backup, locked = _any(world, rng), rng.random() < 0.3
    if backup is None:
        return "nothing to change"
    return _asked(world, rng, lambda: backup_update(user=world.user, backup=backup, name="renamed", locked=locked))


def cancel_any(world: World, rng: Random) -> str:
    live = world.live()
    if not live:
        return "nothing to cancel"
    cancel(world, rng.choice(live).id)
    return "asked"


def clock(world: World, rng: Random) -> str:
    moved = rng.choice([timedelta(hours=25), timedelta(hours=-1), timedelta(minutes=10), timedelta(hours=2)])
    world.clock.offset += moved
    world.happened["clock: moved"] += 1
    return str(moved)


def sidecar_restart(world: World, rng: Random) -> str:
    """Kill or stop the sidecar; it stays away, or comes back, perhaps with a fault at a later step."""
    kind = rng.choice(["stay away", "come back", "die", "die", "full", "error"])
    rng.choice([world.sidecar.kill, world.sidecar.stop])()
    world.happened[f"sidecar: {'gone' if kind == 'stay away' else 'restarted'}"] += 1
    if kind == "stay away":
        return kind
    if kind == "come back":
        world.sidecar_ensure()
        return kind
    return _sidecar_break(world, rng, kind)


def _sidecar_break(world: World, rng: Random, kind: str) -> str:
    fault = StepFault(kind, rng.randint(1, 4 if kind in PACKING else rng.randint(5, 100)))
    world.sidecar.kill()
    world.sidecar.start(fault)
    return str(fault)


def sweep(world: World, rng: Random) -> str:
    chores_run()
    world.expired_note()
    return "done"


def storage_away(world: World, rng: Random) -> str:
    """Unmount the storage's volume while a worker works."""
    away = world.storage.with_name("away")
    world.storage.rename(away)
    try:
        for operation in world.live():
            work(world, operation.id)
    finally:
        away.rename(world.storage)
    world.happened["storage: not mounted"] += 1
    return "and back"


def keys_away(world: World, _rng: Random) -> str:
    """R15: work and prune with another master key; nothing passes for damaged, and nothing is deleted."""
    # A delete that its customer asked for needs no key.
    stored = set(Asset.objects.filter(backup__in=world.usable()).values_list("key", flat=True))
    degraded = set(Backup.objects.filter(degraded=True).values_list("id", flat=True))
    world.keys_right = False
    with override_settings(ENVIRONMENT=replace(settings.ENVIRONMENT, master_keys=Keyring.parse(OTHER_KEY))):
        for operation in world.live():
            work(world, operation.id)
        with suppress(KeyUnavailable):
            prune_once(world)
    world.keys_right = True
    world.happened["keys: another master key"] += 1
    assert stored <= world.objects(), "R15: objects were deleted"
    assert set(Backup.objects.filter(degraded=True).values_list("id", flat=True)) == degraded, "R15: called damaged"
    return "and back"


def tasks_again(world: World, rng: Random) -> str:
    """Deliver every earlier task again: for a finished operation that has no effect."""
    before = dict(Operation.objects.exclude(state__in=["queued", "running"]).values_list("id", "fence"))
    for operation in list(before)[-2:]:
        work(world, operation)
    assert dict(Operation.objects.filter(id__in=before).values_list("id", "fence")) == before, "R6: an old task"
    return f"{len(before)} over"


STEPS: list[tuple[int, Step]] = [
    (6, edit), (7, create), (8, restore), (4, undo), (3, delete), (1, update), (1, cancel_any), (2, clock),
    (3, sidecar_restart), (1, sweep), (1, storage_away), (1, keys_away), (1, tasks_again), (2, immutable),
    (1, damage), (1, collapse), (5, close), (3, mount), (2, prune), (1, rot), (1, map_lie),
]  # fmt: skip


def step_take(world: World, rng: Random) -> None:
    """Draw a step and take it; then let workers work, mostly with a fault."""
    drawn = Random(rng.random())  # noqa: S311 - repeatable
    Plan.objects.update(backup_format=drawn.choice(BackupFormat.values))
    StorageTarget.objects.update(archive_format=drawn.choice(FORMATS))
    (step,) = rng.choices([step for _, step in STEPS], [weight for weight, _ in STEPS])
    _note(world, step.__name__, lambda: step(world, rng))
    if rng.random() < 0.6:
        world.sidecar_ensure()
    for operation in world.live():
        if operation.kind != "delete" and rng.random() < 0.3:
            kinds = [
                "die",
                "full",
                "error",
                *(PACKING * 2 if operation.kind == "create" and not world.restores else []),
            ]
            _note(world, "break the sidecar", lambda: _sidecar_break(world, rng, rng.choice(kinds)))  # noqa: B023
        if rng.random() < 0.8:
            fault = _fault(rng, operation) if rng.random() < 0.55 else None
            _note(world, f"work on {operation.kind}, {fault}", lambda: _worked(world, operation, fault))  # noqa: B023
        if world.sidecar.fault is not None and world.sidecar.fault.kind in PACKING:
            # Only a create may see the tree change: the tree before a restore must be known.
            world.sidecar.kill()
            world.sidecar.start()


def _fault(rng: Random, operation: Operation) -> Fault:
    subject = subject_of(operation)
    return fault_draw(rng, operation.kind, snapshot=subject is None or is_snapshot(subject))


def _worked(world: World, operation: Operation, fault: Any) -> str:
    # Make operations that wait for another attempt due.
    Operation.objects.filter(id=operation.id).update(not_before=None)
    work(world, operation.id, fault)
    row = Operation.objects.get(id=operation.id)
    return f"{row.state} {row.error_code}"


def _note(world: World, name: str, act: Callable[[], str]) -> None:
    began = time.monotonic()
    world.steps.append(name)
    world.steps[-1] += f": {act()} ({time.monotonic() - began:.1f} s)"


def _any(world: World, rng: Random) -> Backup | None:
    found = world.backups()
    chosen = rng.random()
    return found[int(chosen * len(found))] if found else None


def _asked(world: World, rng: Random, ask: Callable[[], object]) -> str:
    """Act as a customer, at times with a failing database; then check the result."""
    before = set(Operation.objects.values_list("id", flat=True))
    at = rng.randint(1, 25) if rng.random() < 0.15 else 0
    said = "asked"
    try:
        with _database_failing(world, at=at):
            ask()
    except ApplicationError as refusal:
        said = refusal.code
    except OperationalError:
        said = f"database failed at query {at}"
    for operation in Operation.objects.filter(kind__in=["restore", "undo"]).exclude(id__in=before):
        _restore_note(world, operation)
    return said


def _restore_note(world: World, operation: Operation) -> None:
    # An earlier restore may have ended while the sidecar was away: judge its result before this one begins.
    world.sidecar_ensure()
    restores_settle(world)
    backup = source_of(operation)
    live, archive, xattrs = tree_read(world.root), world.trees[backup.id], is_snapshot(backup)
    overlay = operation.params.get("mode") == "overlay"
    top = len(os.fsencode(world.root)) + 1
    # Names in another user's folder stay for the same reason as names in an immutable one.
    frozen = immutable_found(world.root) | {path[top:] for path in frozen_paths(world.root)}
    after, stays = tree_restored(live, archive, frozen, overlay=overlay, xattrs=xattrs)
    if stays:
        world.happened["restore: something stays"] += 1
    if backup.id in world.damaged and not is_snapshot(backup):
        after = NEVER  # of a snapshot, a restore may need only what is not damaged
    world.restores[operation.id] = Restoring(
        before=live,
        after=after,
        overlay=overlay or bool(stays) or is_spread(live),
        xattrs=xattrs,
        # An immutable file with the right content need not be reported.
        stays={path for path in stays if not frozen & {path, path.rpartition(b"/")[0]}},
    )


@contextmanager
def _database_failing(world: World, *, at: int) -> Iterator[None]:
    """Fail one query of the portal's database; 0 means none."""
    count = 0

    def fail(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        nonlocal count
        count += 1
        if count == at:
            world.happened["portal's database: once"] += 1
            raise OperationalError("scripted")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail), suppress(StopIteration):
        yield
