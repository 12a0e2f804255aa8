"""A rental whose sidecar is reached through a proxy that can fail, with a real daemon and real workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from django.db import connections

from backups.models import Backup
from operations.models import Operation
from operations.services.operations import operation_cancel
from operations.supervision.expired_leases import CancelJudge
from operations.work.run import operation_answer
from tests.processes.waiting import wait_until
from tests.services.fault_proxy import FaultProxy, fault_proxy
from tests.sidecar_daemon.daemon import Daemon
from tests.world.rental import Rental

WORLD_BYTES = 3 << 20


@dataclass
class Linked(Rental):
    """`proxy` is what troubles the way to the sidecar."""

    daemon: Daemon
    proxy: FaultProxy

    def created(self) -> Backup:
        """Ask for a backup and let a worker make it; return it as it is then."""
        backup = self.create()
        self.work()
        backup.refresh_from_db()
        return backup

    @property
    def volumes(self) -> Path:
        """The folder of the volumes that restores make."""
        return Path(self.daemon.volumes)

    def level(self) -> bytes:
        return (self.daemon.world / "level.dat").read_bytes()


@contextmanager
def linked_rental(folder: Path) -> Iterator[Linked]:
    """A daemon with a world in `folder`, which may be there, and the way to it."""
    daemon = Daemon(folder / "sidecar")
    daemon.world.mkdir(parents=True, exist_ok=True)
    daemon.volumes = str(folder / "volumes")
    (folder / "volumes").mkdir()
    (daemon.world / "level.dat").write_bytes(Random(1).randbytes(WORLD_BYTES))  # noqa: S311 - the same in every run
    daemon.start()
    try:
        with fault_proxy(daemon.address) as proxy:
            found = Linked.make(folder / "storage", daemon=daemon, proxy=proxy)
            found.reach(proxy.address, token=daemon.token)
            yield found
    finally:
        daemon.close()


class Working(threading.Thread):
    """A worker beside the test, which answers one bell."""

    def __init__(self) -> None:
        super().__init__(name="worker", daemon=True)
        self.operation = Operation.objects.order_by("created_at").last()
        self.start()

    def run(self) -> None:
        try:
            operation_answer(self.operation.id)
        finally:
            connections.close_all()


def cancelled(working: Working, rental: Rental) -> Operation:
    """Cancel what a worker does, and wait as long as a customer may have to.

    A supervisor looks at times, and another worker takes what the first one gave back.
    """
    operation_cancel(user=rental.owner, operation=Operation.objects.get(id=working.operation.id))
    judge = CancelJudge()

    def over() -> Operation | None:
        judge.enforce()
        if not working.is_alive():
            operation_answer(working.operation.id)
        row = Operation.objects.get(id=working.operation.id)
        return None if row.is_live else row

    return wait_until(over, seconds=10, what="the end of what was cancelled")
