"""The stored protection of all orders, kept current; the alarm when backups are absent for longer than promised."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from accounts.models import AuditEvent
from accounts.services.audit import audit_record
from backups.models import Backup
from backups.selectors import GOOD
from common.states import compare_and_set
from notices.kinds import EventKind
from notices.models import Event
from notices.services.events import event_record
from orders.models import Order
from schedules.models import OrderProtection, ScheduleRun
from schedules.protection.facts import orders_protection

BATCH = 500
MOST = 40 * BATCH
SECONDS = 20.0
"""So many orders are computed by one run of the chore, and none begins after so long; the next run goes on."""
OVERLAP = timedelta(minutes=1)
"""A transaction may commit so long after the time of its audit event."""
ALARMS = ("backup.absent", "backup.present")
"""Actions of the audit trail that follow from a computed row: they are no news about it."""
SWEEP = timedelta(days=1)
"""Without any news a row is computed anew after this time."""


def protection_refresh() -> int:
    """Compute the protection of all orders with news, or whose time has come, and raise or clear their alarms.

    Return the number of orders.
    """
    now, deadline = timezone.now(), time.monotonic() + SECONDS
    _news_mark(now)
    ids = _orders_due(now)
    for begin in range(0, len(ids), BATCH):
        if time.monotonic() > deadline:
            return begin
        _refresh(ids[begin : begin + BATCH], now=now)
    return len(ids)


def _news_mark(now: datetime) -> None:
    """Let every order with news be computed: one that this run does not come to stays marked for the next ones.

    News are events of the audit trail, and ended runs of schedules, since the last refresh.
    """
    newest = OrderProtection.objects.aggregate(at=Max("refreshed_at"))["at"]
    if newest is None:
        return
    since = min(newest, now) - OVERLAP
    told = AuditEvent.objects.filter(at__gte=since, order_id__isnull=False).exclude(action__in=ALARMS)
    events = told.order_by().values("order_id")
    runs = ScheduleRun.objects.filter(finished_at__gte=since).order_by().values("provision__order")
    later = Q(until__gt=now) | Q(until__isnull=True)
    OrderProtection.objects.filter(later, Q(order__in=events) | Q(order__in=runs)).update(until=now)


def _orders_due(now: datetime) -> Sequence[UUID]:
    """Orders without a row, then those whose time has come, the longest due first, then those not computed lately."""
    new = Order.objects.filter(protection__isnull=True).values_list("id", flat=True)
    changing = OrderProtection.objects.filter(until__lte=now).order_by("until").values_list("order_id", flat=True)
    # One from the future was computed before the clock was set back.
    unfresh = Q(refreshed_at__lte=now - SWEEP) | Q(refreshed_at__gt=now + OVERLAP)
    old = OrderProtection.objects.filter(unfresh).values_list("order_id", flat=True)
    # Half of a run is left to the others, however many orders are new.
    found = [*new[: MOST // 2], *changing[:MOST], *old[:MOST]]
    return list(dict.fromkeys(found))[:MOST]


def _refresh(ids: Sequence[UUID], *, now: datetime) -> None:
    orders = list(Order.objects.filter(id__in=ids).select_related("customer__owner", "plan"))
    found = orders_protection(orders, now=now)
    rows = [
        OrderProtection(
            order=order,
            state=found[order.id].state,
            reason=found[order.id].reason,
            good_at=found[order.id].good_at,
            until=found[order.id].until,
            refreshed_at=now,
        )
        for order in orders
    ]
    fields = ["state", "reason", "good_at", "until", "refreshed_at"]
    OrderProtection.objects.bulk_create(rows, update_conflicts=True, unique_fields=["order"], update_fields=fields)
    absent_since = OrderProtection.objects.filter(order__in=orders).values_list("order_id", "absent_at")
    alarmed = {order_id: since for order_id, since in absent_since if since is not None}
    for order in orders:
        absent = found[order.id].absent(now)
        if absent is not (order.id in alarmed):
            _alarm(order, absent=absent, alarmed_at=alarmed.get(order.id), now=now)


def _alarm(order: Order, *, absent: bool, alarmed_at: datetime | None, now: datetime) -> None:
    """Raise the alarm of one order, or clear it; each is recorded once."""
    rows = OrderProtection.objects.filter(order=order, absent_at__isnull=absent)
    with transaction.atomic():
        if compare_and_set(rows, absent_at=now if absent else None):
            action = ALARMS[0] if absent else ALARMS[1]
            audit_record(actor=None, action=action, order_id=order.id, object_id=order.id)
            if absent:
                event_record(kind=EventKind.BACKUP_ABSENT, order=order, subject_id=order.id)
            elif alarmed_at is not None:
                _recovery_told(order, since=alarmed_at)


def _recovery_told(order: Order, *, since: datetime) -> None:
    """Record that there are good backups again, unless the end of a backup has said so."""
    newest = Backup.objects.filter(GOOD, order=order).select_related("provision").order_by("-completed_at").first()
    told = Event.objects.filter(order=order, kind=EventKind.BACKUP_RECOVERED, created_at__gte=since)
    if newest is not None and not told.exists():
        event_record(
            kind=EventKind.BACKUP_RECOVERED,
            order=order,
            subject_id=newest.id,
            provision_id=newest.provision_id,
            params={"name": newest.name, "server": newest.provision.name},
        )
