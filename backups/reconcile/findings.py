"""Findings as rows: recorded when seen, confirmed after their grace, closed when a later check finds nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from backups.models import Finding
from backups.reconcile.checks import Check, Violation
from common.states import compare_and_set

OPEN_MAX = 1000
"""The maximum of open findings for a check; the others are found once these are gone."""
KEPT = timedelta(days=90)
"""How long a finding that is gone is kept."""


def open_of(check: Check) -> QuerySet[Finding]:
    """The findings of a check that are not gone, in no order."""
    return Finding.objects.filter(code__in=check.codes, gone_at__isnull=True)


def finding_note(*, check: Check, seen: Violation, now: datetime) -> bool:
    """Record a violation. Return whether it is new; False too when there is no more room."""
    identity = {
        "code": seen.code,
        "object_type": seen.object_type,
        "object_id": seen.object_id,
        "key": seen.key,
    }
    if compare_and_set(open_of(check).filter(**identity), last_seen_at=now, params=seen.params):
        return False
    if open_of(check).count() >= OPEN_MAX:
        return False
    try:
        with transaction.atomic():
            Finding.objects.create(
                **identity, invariant=check.invariant, params=seen.params, first_seen_at=now, last_seen_at=now
            )
    except IntegrityError:
        # Another run was faster; it is open all the same.
        return False
    return True


def findings_confirm(*, check: Check, now: datetime) -> None:
    """Confirm findings that were seen in this run, and first at least the check's grace before."""
    waiting = open_of(check).filter(confirmed_at__isnull=True, last_seen_at=now)
    waiting.filter(first_seen_at__lte=now - check.grace).update(confirmed_at=now)


def finding_gone(*, check: Check, finding: Finding, now: datetime) -> bool:
    """Close a finding whose invariant holds again, and clear the mark of its repair. Return whether it was open."""
    done = compare_and_set(Finding.objects.filter(id=finding.id, gone_at__isnull=True), gone_at=now)
    if done and check.cleared is not None:
        check.cleared(finding)
    return done


def finding_repaired(*, finding: Finding, now: datetime) -> None:
    """Note that a repair has changed something; the first time stays."""
    compare_and_set(Finding.objects.filter(id=finding.id, repaired_at__isnull=True), repaired_at=now)


def findings_forget(now: datetime) -> None:
    """Delete findings that were closed long ago."""
    Finding.objects.filter(gone_at__lt=now - KEPT).delete()
