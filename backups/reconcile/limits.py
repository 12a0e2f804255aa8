"""I5: no more backups are kept than the plan allows, nor for longer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Least

from backups.models import Backup, BackupStatus, Invariant
from backups.reconcile.checks import Check, CheckScope, Unchecked, Violation, rows_of
from backups.reconcile.wording import Code
from backups.rules import ROTATING_MAX
from backups.selectors import COUNTED
from orders.models import PlanReduction
from provisions.models import Provision

EXPIRY_GRACE = timedelta(hours=2)
"""Upkeep expires safety backups at least once an hour."""


def limits_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I5: servers with more backups than their plan keeps: locked ones apart, and those that may wait for a rotation.

    Until a plan's reduction takes effect its earlier limit holds.
    """
    counted = Backup.objects.filter(COUNTED, provision=OuterRef("pk")).order_by().values("provision")
    unlocked = counted.filter(locked=False)
    pending = PlanReduction.objects.filter(order=OuterRef("order"), ended_at__isnull=True)
    waiting = Least(Value(ROTATING_MAX), Coalesce(_number(unlocked.filter(schedule_id__isnull=False)), Value(0)))
    servers = Provision.objects.filter(**scope.of("provision")).annotate(
        counted=_number(counted),
        unlocked=_number(unlocked),
        limit=Coalesce(Subquery(pending.values("backup_limit")[:1]), F("order__plan__backup_limit")),
        waiting=waiting,
    )
    above = servers.filter(counted__gt=F("limit") + F("waiting"), unlocked__gt=1)  # the last good one never goes
    for server in rows_of(above):
        count: int = server.counted  # type: ignore[attr-defined]  # the annotations above
        limit: int = server.limit  # type: ignore[attr-defined]
        params: dict[str, str | int] = {"count": count, "limit": limit}
        yield Violation(code=Code.LIMIT_EXCEEDED, object_type="provision", object_id=server.id, params=params)


def _number(rows: QuerySet[Any, Any]) -> Subquery:
    return Subquery(rows.annotate(count=Count("pk")).values("count"))


def safety_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I5: safety backups whose time is over, and that nothing keeps."""
    expired = Backup.objects.filter(
        is_safety=True, locked=False, deleted_at__isnull=True, status=BackupStatus.READY,
        expires_at__lt=scope.now - EXPIRY_GRACE,
    )  # fmt: skip
    for backup in rows_of(expired.filter(**scope.of("backup")).defer("warnings")):
        yield Violation(code=Code.SAFETY_EXPIRED, object_type="backup", object_id=backup.id)


CHECKS = (
    Check(invariant=Invariant.I5, codes=frozenset({Code.LIMIT_EXCEEDED}), find=limits_find),
    Check(invariant=Invariant.I5, codes=frozenset({Code.SAFETY_EXPIRED}), find=safety_find),
)
