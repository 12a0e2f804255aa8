"""The effect of a schedule that is not saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from orders.rights import OrderRight, right_require
from orders.selectors import order_get
from provisions.selectors import provision_get
from schedules.models import Schedule
from schedules.retention import Reason
from schedules.rules import Settings, settings_check
from schedules.selectors import next_runs, schedule_get, servers_of
from schedules.standing import retention_preview


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A schedule with its next five times, and where the backups of its servers stand once its next one is there."""

    schedule: Schedule
    next_runs: list[datetime]
    keeps: dict[UUID, tuple[Reason, ...]] = field(default_factory=dict)
    removes: dict[UUID, Reason] = field(default_factory=dict)


def schedule_preview(
    *,
    user: User,
    order_id: UUID,
    provision_id: UUID | None,
    settings: Settings,
    schedule_id: UUID | None = None,
    now: datetime | None = None,
) -> Preview:
    """Try settings for a server, or for every server of an order (None). schedule_id: of the schedule to change.

    Raises OrderNotFound, ProvisionNotFound, ScheduleNotFound, PermissionDenied, ValidationError, PatternsForbidden,
    NotAPrimaryDeployment.
    """
    moment = now or timezone.now()
    if schedule_id is None:
        tried = _new(user=user, order_id=order_id, provision_id=provision_id)
    else:
        tried = schedule_get(user=user, order_id=order_id, provision_id=provision_id, schedule_id=schedule_id)
    right_require(user, tried.order, OrderRight.SCHEDULES)
    checked = settings_check(user=user, order=tried.order, settings=settings, now=moment)
    for name, value in checked.columns().items():
        setattr(tried, name, value)
    tried.error_code = ""
    preview = Preview(schedule=tried, next_runs=next_runs(tried, after=moment))
    for server in servers_of(tried):
        next_at = next(iter(preview.next_runs), None)
        decision = retention_preview(provision=server, schedule=tried, next_at=next_at)
        preview.keeps.update(decision.keeps)
        preview.removes.update(decision.removes)
    return preview


def _new(*, user: User, order_id: UUID, provision_id: UUID | None) -> Schedule:
    if provision_id is None:
        return Schedule(order=order_get(user=user, order_id=order_id))
    provision = provision_get(user=user, order_id=order_id, provision_id=provision_id)
    return Schedule(order=provision.order, provision=provision)
