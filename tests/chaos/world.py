"""One world of a run: a customer with a server, its sidecar, a storage, a database, and the expected state."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Self
from unittest.mock import patch
from uuid import UUID

from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from backups.models import Backup, BackupStatus
from backups.selectors import LISTED
from operations.models import Operation
from orders.models import Plan
from targets import local
from tests.chaos.edits import tree_edit
from tests.chaos.mounts import mount_points, unmount
from tests.chaos.processes import FIRED, Sidecar
from tests.chaos.tally import Tally
from tests.chaos.trees import PLACE, Tree, within
from tests.chaos.user import as_user
from tests.chaos.volume import immutable_end
from tests.world.rental import Rental
from vault.services import repositories

LIMIT = 4
CANARY = "chaos-canary-3b1f9c-token-of-the-sidecar"
CONTENT_CANARY = b"chaos-canary-7e55-content-of-a-file"
USABLE = (BackupStatus.READY, BackupStatus.RESTORING)


def database_make(path: Path) -> Path:
    """Make a migrated database, to be copied for each world."""
    _database_use(path)
    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)
    connections.close_all()
    return path


def _database_use(path: Path) -> None:
    connections.close_all()
    connections["default"].settings_dict["NAME"] = str(path)


class Clock:
    """The time of day of portal and workers, which a run moves; the monotonic clock never moves."""

    def __init__(self) -> None:
        self.offset = timedelta()
        self._now, self._time = timezone.now, time.time
        self._patches = [
            patch.object(timezone, "now", self.now),
            patch.object(repositories, "database_now", self.now),
            patch.object(local, "time", SimpleNamespace(time=self._seconds)),
        ]

    def __enter__(self) -> Self:
        for each in self._patches:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._patches:
            each.stop()

    def now(self) -> datetime:
        return self._now() + self.offset

    def _seconds(self) -> float:
        return self._time() + self.offset.total_seconds()


class World:
    """`trees` holds the tree of each backup seen ready, `happened` counts the faults that occurred."""

    def __init__(self, folder: Path, *, database: Path, rng: Random, clock: Clock, tally: Tally) -> None:
        folder.mkdir()
        self.folder, self.clock, self.tally, self.happened = folder, clock, tally, tally.happened
        self.log = folder / "log"
        logging.basicConfig(filename=self.log, level=logging.INFO, force=True)
        self.database = folder / "db.sqlite3"
        shutil.copy(database, self.database)
        _database_use(self.database)
        self.sidecar = Sidecar(folder, token=CANARY, log=self.log)
        self.root, self.storage = self.sidecar.root, folder / "storage"
        with as_user():
            (self.root / "level.dat").write_bytes(CONTENT_CANARY)
        for _ in range(rng.randint(3, 12)):
            tree_edit(self.root, rng)
        # Two names of one file before the others: a freed inode number can be reused by a later file.
        with as_user():
            for name in ("a-one", "y.dat", "z.dat"):
                (self.root / name).write_bytes(rng.randbytes(10))
            (self.root / "a-two").hardlink_to(self.root / "a-one")
        self._rows_make()
        self.trees: dict[UUID, Tree] = {}
        self.removed: set[UUID] = set()
        self.overtaken: dict[UUID, int] = {}
        self.steps: list[str] = []
        self.restores: dict[UUID, Restoring] = {}
        self.immutable: list[int] = []
        self.damaged: set[UUID] = set()
        self.keys_right = True
        self.rotten = False
        self.sidecar.start()

    def fired(self, edge: str, kind: str, word: str, *, during: str) -> None:
        """Count a fault that occurred, by the word with which it was told. during: format and kind of the operation."""
        backup_format, _, work = during.partition(" ")
        self.happened[f"{'prune' if work == 'prune' else edge}: {kind}"] += 1
        self.tally.formats[backup_format][f"{work}, {edge}: {kind}"] += 1
        if edge != "database":
            self.tally.points[f"{word.removeprefix(f'fault {kind} ')}: {kind}"] += 1

    def _rows_make(self) -> None:
        rental = Rental.make(self.storage)
        rental.reach(self.sidecar.address, token=CANARY)
        Plan.objects.update(backup_limit=LIMIT)
        self.user, self.order, self.server, self.target = rental.owner, rental.order, rental.server, rental.target

    def immutable_lift(self) -> int:
        """Make every entry changeable again; returns how many failed."""
        lifted = len(self.immutable)
        while self.immutable:
            immutable_end(self.immutable.pop())
        return lifted

    def unmount(self) -> int:
        """Unmount everything in the data root; returns the number of mounts."""
        points = mount_points(self.root)
        for point in reversed(points):
            unmount(point)
        return len(points)

    def close(self) -> None:
        """End the processes, count the faults that occurred in the sidecar, and remove all files."""
        self.sidecar.kill()
        self.unmount()
        self.immutable_lift()
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith(FIRED):
                self.happened[f"data volume: {line.removeprefix(FIRED)}"] += 1
        self.tally.moved += abs(self.clock.offset)
        connections.close_all()
        shutil.rmtree(self.folder)

    def backups(self) -> list[Backup]:
        """Every listed backup, oldest first."""
        return list(Backup.objects.filter(LISTED).order_by("created_at", "id"))

    def expired_note(self) -> None:
        """Note that unlocked safety backups are removed without a request once they expire."""
        over = Backup.objects.filter(id__in=self.trees, expires_at__lte=self.clock.now(), locked=False)
        self.removed |= set(over.filter(deleted_at__isnull=False).values_list("id", flat=True))

    def usable(self) -> set[UUID]:
        """The backups that must be usable."""
        return set(Backup.objects.filter(LISTED, status__in=USABLE).values_list("id", flat=True))

    def live(self) -> list[Operation]:
        """The unfinished operations."""
        return list(Operation.objects.filter(state__in=["queued", "running"]).order_by("created_at", "id"))

    def sidecar_ensure(self) -> None:
        """Start the sidecar, without a fault, if it is down."""
        while not self.sidecar.alive:
            self.sidecar.start()

    def objects(self) -> set[str]:
        """The keys of everything in storage, half-written files included."""
        return {
            os.path.relpath(Path(folder) / name, self.storage)
            for folder, _, names in os.walk(self.storage)
            for name in names
        }


class Restoring:
    """A running restore or undo: the live tree before it, the backup's tree, the mode, and the paths that stay.

    xattrs: whether the backup has attributes.
    """

    def __init__(self, *, before: Tree, after: Tree, overlay: bool, xattrs: bool, stays: set[bytes]) -> None:
        self.xattrs = xattrs
        self.before, self.after, self.stays = before, after, stays
        self.overlay = overlay or bool(stays)
        self.places = [path for path, entry in before.items() if entry.bar == PLACE]

    def left(self, places: Iterable[bytes]) -> Tree:
        """The tree after it, if these mounted parts could not be written and were left as they were."""
        tree = self.after
        for place in places:
            tree = {path: entry for path, entry in tree.items() if not within(path, place)}
            tree |= {path: entry for path, entry in self.before.items() if within(path, place)}
        return tree
