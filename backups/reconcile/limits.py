"""I5: no more backups are kept than the plan allows, nor for longer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, F, OuterRef, Subquery

from backups.models import Backup, BackupStatus, Invariant
from backups.reconcile.checks import Check, CheckScope, Unchecked, Violation, rows_of
from backups.reconcile.wording import Code
from backups.selectors import COUNTED
from provisions.models import Provision

EXPIRY_GRACE = timedelta(hours=2)
"""Upkeep expires safety backups at least once an hour."""


def limits_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I5: servers with more backups than their plan keeps."""
    counted = Backup.objects.filter(COUNTED, provision=OuterRef("pk")).order_by().values("provision")
    servers = Provision.objects.filter(**scope.of("provision")).annotate(
        counted=Subquery(counted.annotate(count=Count("pk")).values("count")), limit=F("order__plan__backup_limit")
    )
    for server in rows_of(servers.filter(counted__gt=F("limit"))):
        count: int = server.counted  # type: ignore[attr-defined]  # the annotations above
        limit: int = server.limit  # type: ignore[attr-defined]
        params: dict[str, str | int] = {"count": count, "limit": limit}
        yield Violation(code=Code.LIMIT_EXCEEDED, object_type="provision", object_id=server.id, params=params)


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
