"""I5: exceeded limits are reported, and nothing is deleted for that."""

from __future__ import annotations

import pytest

from backups.models import Backup
from backups.services.safety import safety_expire
from orders.models import Plan
from tests.reconcile.conftest import ago


def test_more_backups_than_the_plan_keeps_are_reported_and_stay(reconciled):
    first = reconciled.backup()
    reconciled.backup()
    assert reconciled.found("I5") == []
    Plan.objects.update(backup_limit=1)
    assert reconciled.found("I5", repair=True) == ["limit_exceeded"]
    assert Backup.objects.count() == 2
    reconciled.delete(first)
    assert reconciled.found("I5") == []


@pytest.mark.parametrize("changes", [{"is_safety": True}, {"status": "failed"}, {"deleted_at": ago(minutes=1)}])
def test_uncounted_backups_do_not_exceed_the_limit(changes, reconciled):
    reconciled.backup()
    Plan.objects.update(backup_limit=0)
    Backup.objects.update(**changes)
    assert reconciled.found("I5") == []


def test_overdue_safety_backup_is_reported(reconciled):
    reconciled.restore(reconciled.backup())
    safety = Backup.objects.filter(is_safety=True)
    safety.update(expires_at=ago(minutes=60))
    assert reconciled.found("I5") == []
    safety.update(expires_at=ago(hours=3))
    assert reconciled.found("I5", repair=True) == ["safety_expired"]
    safety.update(locked=True)
    assert reconciled.found("I5") == []
    safety.update(locked=False)
    reconciled.look("I5")
    assert safety_expire() == 1
    assert reconciled.found("I5") == []
