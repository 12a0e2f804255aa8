"""A customer's server whose sidecar is reached through a proxy that can fail, with a real daemon and real workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import pytest
from django.db import connections

from backups.models import Backup
from backups.services import sidecars
from backups.services.restores import RestoreOptions, backup_restore
from backups.work import journal
from operations.models import Operation
from operations.services.operations import operation_cancel
from operations.supervision.leases import CancelJudge
from operations.work import lease
from operations.work.run import operation_answer
from provisions.models import Provision, ProvisionKind
from sidecar_client import client as sidecar_client
from sidecar_client.client import Timeouts
from tests.operations.conftest import Shop, shop_open
from tests.processes.waiting import wait_until
from tests.services.fault_proxy import FaultProxy, fault_proxy
from tests.sidecar_daemon.daemon import Daemon

PATIENCE_SECONDS = 0.6
"""The product's own waits of five to sixty seconds, for these tests."""
WORLD_BYTES = 3 << 20


@dataclass
class Linked:
    """`proxy` is what troubles the way to the sidecar."""

    shop: Shop
    daemon: Daemon
    proxy: FaultProxy

    def create(self) -> Backup:
        """Ask for a backup and let a worker make it; return it as it is then."""
        backup = self.shop.create()
        self.work()
        backup.refresh_from_db()
        return backup

    def restore_ask(self, backup: Backup) -> None:
        backup_restore(
            user=self.shop.owner, order_id=self.shop.order.id, provision_id=self.shop.server.id, backup_id=backup.id,
            options=RestoreOptions(safety=False), idempotency=None,
        )  # fmt: skip

    def work(self) -> Operation:
        """Run the newest operation's task, whatever it waits for; return it as it is then."""
        operation = Operation.objects.order_by("created_at").last()
        assert operation is not None
        Operation.objects.filter(id=operation.id).update(not_before=None)
        operation_answer(operation.id)
        operation.refresh_from_db()
        return operation

    def level(self) -> bytes:
        return (self.daemon.world / "level.dat").read_bytes()


class Working(threading.Thread):
    """A worker beside the test, which takes one task."""

    def __init__(self) -> None:
        super().__init__(name="worker", daemon=True)
        self.operation = Operation.objects.order_by("created_at").last()
        self.start()

    def run(self) -> None:
        try:
            operation_answer(self.operation.id)
        finally:
            connections.close_all()


def cancelled(working: Working, shop: Shop) -> Operation:
    """Cancel what a worker does, and wait as long as a customer may have to, with a supervisor that looks at times."""
    operation_cancel(user=shop.owner, operation=Operation.objects.get(id=working.operation.id))
    judge = CancelJudge()

    def over() -> Operation | None:
        judge.enforce()
        row = Operation.objects.get(id=working.operation.id)
        return None if row.is_live else row

    return wait_until(over, seconds=10, what="the end of what was cancelled")


@pytest.fixture
def shop(transactional_db, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(journal, "JOURNAL_WAIT_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(sidecars, "REACH_SECONDS", PATIENCE_SECONDS)
    made = shop_open(tmp_path)
    Path(made.target.options["root"], ".partial").mkdir(parents=True)
    return made


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = partial(Timeouts, describe=PATIENCE_SECONDS, reply=PATIENCE_SECONDS, stall=PATIENCE_SECONDS)
    monkeypatch.setattr(sidecar_client, "Timeouts", waits)


@pytest.fixture
def linked(shop: Shop, tmp_path: Path) -> Iterator[Linked]:
    daemon = Daemon(tmp_path / "sidecar")
    daemon.world.mkdir(parents=True, exist_ok=True)
    (daemon.world / "level.dat").write_bytes(Random(1).randbytes(WORLD_BYTES))  # noqa: S311 - the same in every run
    daemon.start()
    try:
        with fault_proxy(daemon.address) as proxy:
            sidecar = Provision.objects.get(kind=ProvisionKind.SIDECAR)
            sidecar.address, sidecar.token = proxy.address, daemon.token
            sidecar.save()
            yield Linked(shop, daemon, proxy)
    finally:
        daemon.close()
