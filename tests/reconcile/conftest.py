"""A shop whose backups are made, restored and deleted by the real services, through a real sidecar, in real storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db.models import F
from django.utils import timezone

from backups.models import Backup, Finding, Invariant
from backups.reconcile import objects, operations, statuses
from backups.reconcile.run import Report, reconcile
from backups.services.backups import backup_delete
from backups.services.restores import RestoreOptions, backup_restore
from operations.models import Operation
from operations.work.run import operation_answer
from provisions.models import Provision, ProvisionKind
from tests.operations.conftest import Shop, shop_open
from tests.sidecar_daemon.daemon import Daemon
from vault.models import Asset


@dataclass
class World:
    """The shop, its storage as a folder, and what a look at it all finds."""

    shop: Shop
    root: Path

    def backup(self, **changes: object) -> Backup:
        """A ready backup."""
        made = self.shop.create(**changes)
        self.answer()
        made.refresh_from_db()
        assert made.status == "ready", Operation.objects.get(id=made.operation_id).error_code
        return made

    def restore(self, backup: Backup) -> None:
        backup_restore(
            user=self.shop.owner, order_id=backup.order_id, provision_id=backup.provision_id, backup_id=backup.id,
            options=RestoreOptions(), idempotency=None,
        )  # fmt: skip
        self.answer()
        backup.refresh_from_db()
        assert backup.status == "ready"

    def delete(self, backup: Backup) -> None:
        backup_delete(user=self.shop.owner, backup=backup)
        self.answer()
        assert not Backup.objects.filter(id=backup.id).exists()

    def answer(self) -> None:
        """Be the worker for whatever is queued."""
        for operation in Operation.objects.filter(state="queued"):
            operation_answer(operation.id)

    def path(self, backup: Backup, suffix: str = "") -> Path:
        """Where the archive lies, or what is beside it."""
        return self.root / (Asset.objects.get(backup=backup).key + suffix)

    def drop(self, key: str, content: bytes = b"left over") -> Path:
        """Put a file into the storage behind the product's back."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def look(self, *invariants: str, **options: Any) -> Report:
        return reconcile(invariants=frozenset(map(Invariant, invariants or Invariant.values)), **options)

    def codes(self) -> list[str]:
        """What is open and counts."""
        counted = Finding.objects.filter(gone_at__isnull=True, confirmed_at__isnull=False)
        return sorted(counted.values_list("code", flat=True))

    def found(self, *invariants: str, **options: Any) -> list[str]:
        """What is open and counts after a look that saw everything."""
        report = self.look(*invariants, **options)
        assert report.blind == []
        return self.codes()


@pytest.fixture(scope="session")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("sidecar"))
    daemon.world.mkdir()
    (daemon.world / "level.dat").write_bytes(b"level" * 1000)
    daemon.start()
    yield daemon
    daemon.close()


@pytest.fixture
def world(transactional_db: None, tmp_path: Path, sidecar: Daemon) -> World:
    shop = shop_open(tmp_path)
    agent = Provision.objects.filter(kind=ProvisionKind.SIDECAR).get()
    agent.address, agent.token = sidecar.address, sidecar.token
    agent.save()
    root = tmp_path / "storage"
    # As a folder looks that was written to before; an empty one passes for a volume that is not mounted.
    (root / ".partial").mkdir(parents=True)
    cache.clear()
    return World(shop, root)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is given the time to be put right by others: a look judges what it sees at once.

    A little less than no time: the times of a look are cut to milliseconds.
    """
    for module in (operations, objects, statuses):
        monkeypatch.setattr(module, "SETTLED", timedelta(seconds=-2))


def older(rows: Any, **fields: timedelta) -> None:
    """Set times of rows back."""
    rows.update(**{name: F(name) - by for name, by in fields.items()})


def ago(**amount: float) -> Any:
    return timezone.now() - timedelta(**amount)


@pytest.fixture
def grace_over() -> Callable[[], None]:
    """Let what was seen so far have been seen for longer than any grace."""
    return lambda: older(Finding.objects.filter(gone_at__isnull=True), first_seen_at=timedelta(hours=25))
