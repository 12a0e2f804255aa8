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
