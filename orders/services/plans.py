"""Changes of plans. A plan that keeps less than before removes nothing at once: its reductions wait for a time."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.services.audit import audit_record
from common.states import compare_and_set
from orders.models import Order, Plan, PlanReduction
from orders.selectors import PlanPromise, keeps_less, promise_of, reduction_promise
from orders.services.orders import order_lock
from orders.services.planned import plan_check, plan_followed

REDUCTION_GRACE = timedelta(days=14)
"""What a plan no longer keeps is removed so long after the change."""
BATCH = 500


def plan_save(*, plan: Plan, actor: User | None) -> None:
    """Store a new or changed plan. Its orders keep what the plan kept before for the time of `REDUCTION_GRACE`.

    Raises Django's ValidationError with the fields that are impossible.
    """
    plan.full_clean()
    plan_check(plan)
    with transaction.atomic():
        before = Plan.objects.select_for_update().filter(id=plan.id).first()
        plan.save()
        audit_record(actor=actor, action="plan.change" if before else "plan.create", plan=plan.id, name=plan.name)
        if before is not None:
            orders = Order.objects.filter(plan=plan)
            if promise_of(plan) != promise_of(before):
                _reductions_begin(orders, before=promise_of(before), actor=actor)
            plan_followed(orders)


def order_update(*, order: Order, plan: Plan, name: str, actor: User | None) -> None:
    """Rename an order, or move it to another plan. It keeps what its plan kept before for the time of the grace."""
    with transaction.atomic():
        locked = order_lock(order.id)
        before = locked.plan
        Order.objects.filter(id=order.id).update(plan=plan, name=name)
        if before != plan:
            audit_record(actor=actor, action="order.plan", order_id=order.id, before=before.name, after=plan.name)
            moved = Order.objects.filter(id=order.id)
            _reductions_begin(moved, before=promise_of(before), actor=actor)
            plan_followed(moved)


def reduction_end(reduction: PlanReduction) -> bool:
    """Let a reduction take effect; return whether it was pending. The caller removes what is no longer kept."""
    with transaction.atomic():
        # A second change of the plan may have moved its date since it was read.
        pending = PlanReduction.objects.filter(
            id=reduction.id, ended_at__isnull=True, takes_effect_at__lte=timezone.now()
        )
        ended = compare_and_set(pending, ended_at=timezone.now())
        if ended:
            audit_record(actor=None, action="order.reduce", order_id=reduction.order_id, object_id=reduction.id)
    return ended


def reduction_told(reduction: PlanReduction) -> bool:
    """Note that people were told of a pending reduction; return whether it was new to them."""
    untold = PlanReduction.objects.filter(id=reduction.id, ended_at__isnull=True, told_at__isnull=True)
    return compare_and_set(untold, told_at=timezone.now())


def reductions_untold() -> QuerySet[PlanReduction]:
    """The pending reductions that nobody was told of, the oldest first."""
    untold = PlanReduction.objects.filter(ended_at__isnull=True, told_at__isnull=True)
    return untold.order_by("created_at").select_related("order__plan")


def reductions_due() -> QuerySet[PlanReduction]:
    """The pending reductions whose time has come, the oldest first."""
    due = PlanReduction.objects.filter(ended_at__isnull=True, takes_effect_at__lte=timezone.now())
    return due.order_by("takes_effect_at").select_related("order__plan")


def _reductions_begin(orders: QuerySet[Order], *, before: PlanPromise, actor: User | None) -> None:
    """Record what orders of one plan were promised before its change, where they are promised less now."""
    rows = orders.select_related("plan").order_by("id")
    pending = PlanReduction.objects.filter(order__in=orders, ended_at__isnull=True)
    for reduction in pending.select_related("order__plan"):
        _reduction_extend(reduction, before=before, actor=actor)
    first = rows.first()
    if first is None or not keeps_less(promise_of(first.plan), than=before):
        return
    takes_effect_at = timezone.now() + REDUCTION_GRACE
    others = rows.exclude(id__in=pending.values("order"))
    PlanReduction.objects.bulk_create(
        (
            PlanReduction(
                order=order,
                backup_limit=before.backup_limit,
                retention=before.retention.rules,
                takes_effect_at=takes_effect_at,
                requested_by=actor,
            )
            for order in others
        ),
        batch_size=BATCH,
    )


def _reduction_extend(reduction: PlanReduction, *, before: PlanPromise, actor: User | None) -> None:
    """Join the promise before a second change to that before the first one, which is still pending."""
    earlier = reduction_promise(reduction)
    kept = PlanPromise(
        backup_limit=max(earlier.backup_limit, before.backup_limit),
        retention=earlier.retention.joined(before.retention),
    )
    if keeps_less(promise_of(reduction.order.plan), than=kept):
        reduction.backup_limit, reduction.retention = kept.backup_limit, kept.retention.rules
        reduction.takes_effect_at, reduction.requested_by = timezone.now() + REDUCTION_GRACE, actor
        reduction.told_at = None
    else:
        reduction.ended_at = timezone.now()
    reduction.save()
