"""Events of orders and their plans, which stand below this app: their services call these listeners."""

from __future__ import annotations

from collections.abc import Sequence

from common.names import name_isolated
from notices.kinds import EventKind
from notices.models import Event
from notices.services.events import event_record
from orders.models import PlanReduction
from orders.services.suspension import SuspensionStage, SuspensionStep

BATCH = 1000


def suspension_record(step: SuspensionStep) -> None:
    """Record that an order was suspended, and each warning before its backups are removed."""
    if step.stage not in (SuspensionStage.SUSPENDED, SuspensionStage.WARNED) or step.removal_at is None:
        return
    params: dict[str, str | int] = {"removal_at": step.removal_at.isoformat()}
    if step.days is not None:
        params |= {"days": step.days, "backups": step.backups}
    if step.locked:
        params["locked"] = ", ".join(map(name_isolated, step.locked))
    event_record(kind=EventKind.ORDER_SUSPENDED, order=step.order, subject_id=step.order.id, params=params)


def reductions_record(reductions: Sequence[PlanReduction]) -> None:
    """Record for each order that its plan keeps less, and when that takes effect."""
    Event.objects.bulk_create(
        (
            Event(
                kind=EventKind.PLAN_REDUCED,
                order=reduction.order,
                subject_id=reduction.order_id,
                params={"plan": reduction.order.plan.name, "effect_at": reduction.takes_effect_at.isoformat()},
            )
            for reduction in reductions
        ),
        batch_size=BATCH,
    )
