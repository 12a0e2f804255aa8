"""A healthy portal has no findings at any moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backups.formats import archive as archiving
from backups.models import Backup, Finding
from backups.services.restores import restore_undo
from backups.work import delete
from operations.models import Operation
from tests.storage.memory import FaultyStorage
from vault.models import StoredObject
from vault.services import opening as archives
from vault.services import sweep


def test_after_everything_that_customers_do_nothing_is_found(reconciled, settled):
    first, second = reconciled.backup(), reconciled.backup()
    reconciled.restore(first)
    restore_undo(
        user=reconciled.owner, order_id=first.order_id, provision_id=first.provision_id, backup_id=first.id,
        idempotency=None,
    )  # fmt: skip
    reconciled.answer()
    assert Operation.objects.get(kind="undo").state == "succeeded"
    reconciled.delete(second)
    files = sorted(reconciled.root.rglob("*"))
    rows = sorted(StoredObject.objects.values_list("key", "condemned_at"))
    report = reconciled.look(repair=True, deep=True)
    assert report.blind == []
    assert not Finding.objects.exists()
    assert sorted(reconciled.root.rglob("*")) == files
    assert sorted(StoredObject.objects.values_list("key", "condemned_at")) == rows
    assert set(Backup.objects.values_list("status", "degraded")) == {("ready", False)}


class Watched(FaultyStorage):
    """Runs the reconciler before and after each storage call of a worker."""

    def __init__(self, inner: Any, look: Callable[[], None]) -> None:
        super().__init__(inner, at=0)
        self._look = look

    def call(self, name: str, action: Callable[[], Any]) -> Any:
        self._look()
        result = super().call(name, action)
        self._look()
        return result


def test_running_operation_causes_no_finding(reconciled, settled, monkeypatch):
    looks = []

    def look():
        report = reconciled.look(repair=True)
        assert report.blind == []
        assert list(Finding.objects.values_list("code", flat=True)) == []
        looks.append(report)

    real = archives.target_open
    for module in (archiving, archives, delete, sweep):
        if hasattr(module, "target_open"):
            monkeypatch.setattr(module, "target_open", lambda target, **options: Watched(real(target, **options), look))
    backup = reconciled.backup()
    created = len(looks)
    reconciled.restore(backup)
    restored = len(looks)
    reconciled.delete(backup)
    assert 0 < created < restored < len(looks)
    assert not Backup.objects.filter(is_safety=False).exists()


@pytest.mark.parametrize("status", ["creating", "restoring"])
def test_operation_that_has_just_ended_is_left_alone(status, reconciled):
    backup = reconciled.backup()
    values = {"asset": None, "size_bytes": None, "completed_at": None} if status == "creating" else {}
    Backup.objects.filter(id=backup.id).update(status=status, **values)
    reconciled.look("I3", repair=True)
    backup.refresh_from_db()
    assert backup.status == status
