"""Time as a look at it all sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from backups.models import Finding
from backups.reconcile import objects, operations, statuses


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set all graces to zero, so that a pass judges what it sees at once.

    Slightly less than zero: the times of a pass are cut to milliseconds.
    """
    for module in (operations, objects, statuses):
        monkeypatch.setattr(module, "SETTLED", timedelta(seconds=-2))


def older(rows: Any, **fields: timedelta) -> None:
    """Move times of rows back."""
    rows.update(**{name: F(name) - by for name, by in fields.items()})


def ago(**amount: float) -> Any:
    return timezone.now() - timedelta(**amount)


@pytest.fixture
def grace_over() -> Callable[[], None]:
    """Make every finding so far older than any grace."""
    return lambda: older(Finding.objects.filter(gone_at__isnull=True), first_seen_at=timedelta(hours=25))
