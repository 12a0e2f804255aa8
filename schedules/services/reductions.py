"""Reductions of plans: people are told what goes and when, and later it goes."""

from __future__ import annotations

from django.db import transaction

from backups.models import Backup
from notices.kinds import EventKind
from notices.services.events import event_record
from orders.models import PlanReduction
from orders.services.plans import reduction_end, reduction_told, reductions_due, reductions_untold
from schedules.services.rotation import rotation_request
from schedules.standing import reduction_removes

A_RUN = 500
"""So many reductions are told, and so many take effect, in one run of the chore."""


def reductions_wanted() -> bool:
    """Whether people are to be told of a reduction, or the time of one has come."""
    return reductions_untold().exists() or reductions_due().exists()


def reductions_advance() -> int:
    """Tell people of new reductions, and let those take effect whose time has come; return how many."""
    untold, due = list(reductions_untold()[:A_RUN]), list(reductions_due()[:A_RUN])
    return sum(_tell(reduction) for reduction in untold) + sum(_apply(reduction) for reduction in due)


def _tell(reduction: PlanReduction) -> bool:
    """Record what goes and when; a reduction that removes nothing is nobody's news."""
    with transaction.atomic():
        if not reduction_told(reduction):
            return False
        removes = reduction_removes(reduction)
        if removes:
            event_record(
                kind=EventKind.PLAN_REDUCED,
                order=reduction.order,
                subject_id=reduction.order_id,
                params={"removal_at": reduction.takes_effect_at.isoformat(), "backups": len(removes)},
            )
    return True


def _apply(reduction: PlanReduction) -> bool:
    """End the pending time of a reduction that people were told of, and let the rotation remove what goes."""
    with transaction.atomic():
        if reduction.told_at is None or not reduction_end(reduction):
            return False
        servers = Backup.objects.filter(order=reduction.order).order_by().values_list("provision", flat=True).distinct()
        for server in servers:
            rotation_request(provision_id=server)
    return True
