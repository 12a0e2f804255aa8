"""Reads of operations, scoped to the caller, and of the workers that do them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import Max, TextChoices
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from operations.errors import OperationNotFound
from operations.models import LIVE_STATES, ChoreRun, Operation, Supervisor
from orders.models import Order
from orders.rights import orders_visible

SUPERVISOR_SILENT = timedelta(seconds=30)
"""A supervisor that was not seen for this long counts as gone."""
TICK_LATE = timedelta(minutes=7)
"""The tick asks for a chore every few minutes: one that asked for none for this long is late."""


class WorkersProblem(TextChoices):
    """A reason why nothing is done in the background, in the words of an operator."""

    NO_SUPERVISOR = "no_supervisor", _("No supervisor of workers is running.")
    NO_WORKER = "no_worker", _("No supervisor has a living worker.")
    TICK_LATE = "tick_late", _("The tick is late: no chore was requested for minutes.")


def operation_get(*, user: User, operation_id: UUID) -> Operation:
    """One operation on an order the caller may see. Raises OperationNotFound."""
    operation = Operation.objects.filter(id=operation_id, order__in=orders_visible(user)).first()
    if operation is None:
        raise OperationNotFound
    return operation


def operation_active(order: Order) -> Operation | None:
    """The operation that excludes others on this order right now."""
    active = Operation.objects.filter(order=order, exclusive=True, state__in=LIVE_STATES)
    return active.select_related("requested_by").first()


def workers_alive() -> int | None:
    """The number of workers of the best live supervisor; None when no supervisor was seen lately."""
    seen = Supervisor.objects.filter(seen_at__gte=Now() - SUPERVISOR_SILENT)
    alive: int | None = seen.aggregate(most=Max("workers_alive"))["most"]
    return alive


def workers_problem() -> WorkersProblem | None:
    """The reason why operations wait, or schedules are not looked at; None while all goes well."""
    alive = workers_alive()
    if not alive:
        return WorkersProblem.NO_SUPERVISOR if alive is None else WorkersProblem.NO_WORKER
    return WorkersProblem.TICK_LATE if _tick_late() else None


def _tick_late() -> bool:
    """Whether no chore was asked for lately, though a supervisor has been there for long enough to ask."""
    late = Now() - TICK_LATE
    if ChoreRun.objects.filter(requested_at__gte=late).exists():
        return False
    return Supervisor.objects.filter(seen_at__gte=Now() - SUPERVISOR_SILENT, started_at__lt=late).exists()
