"""Schedules, triggers, notices and addresses for `tests.browser.seed`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

NEXT_YEAR = timedelta(days=400)
"""So far away that the portal's workers run nothing by themselves."""


def schedule(*, order: str, name: str, runs: dict[str, float] | None = None, **columns: Any) -> str:
    """A schedule that nothing runs by itself; runs: the state of each past run, and how many hours ago it was."""
    from django.utils import timezone

    from orders.models import Order
    from schedules.models import RunState
    from tests.factories import ScheduleFactory, ScheduleRunFactory

    rented = Order.objects.get(id=order)
    server = rented.provisions.get(is_primary=True)
    due = None if columns.get("paused") or columns.get("error_code") else timezone.now() + NEXT_YEAR
    made = ScheduleFactory(order=rented, provision=server, name=name, next_due_at=due, **columns)
    for word, hours in (runs or {}).items():
        state = RunState(word.partition(" ")[0])
        code = "storage_unavailable" if state is RunState.FAILED else ""
        at = timezone.now() - timedelta(hours=hours)
        ScheduleRunFactory(schedule=made, provision=server, due_at=at, over=True, state=state, error_code=code)
    return str(made.id)


def trigger(*, order: str, **columns: Any) -> None:
    """A trigger that is on; nobody asks its server."""
    from django.utils import timezone

    from orders.models import Order
    from tests.factories import TriggerFactory

    server = Order.objects.get(id=order).provisions.get(is_primary=True)
    now = timezone.now()
    TriggerFactory(provision=server, next_look_at=now + NEXT_YEAR, looked_at=now - timedelta(minutes=4), **columns)


def notices(*, order: str, username: str, kinds: list[str]) -> None:
    """Notices of these kinds about an order, the first one read."""
    from django.utils import timezone

    from accounts.models import User
    from notices.models import Event, Notice
    from orders.models import Order
    from tests.factories import EventFactory

    user, rented = User.objects.get(username=username), Order.objects.get(id=order)
    for number, kind in enumerate(kinds):
        event = EventFactory(order=rented, kind=kind, **({} if "fail" in kind else {"code": ""}))
        at = timezone.now() - timedelta(hours=7 * number + 1)
        Event.objects.filter(id=event.id).update(created_at=at)
        # The worker may have told of the event already.
        notice, _made = Notice.objects.get_or_create(user=user, event=event)
        read_at = timezone.now() if number == 0 else None
        Notice.objects.filter(id=notice.id).update(created_at=at, read_at=read_at)


def endpoint(*, order: str, **columns: Any) -> str:
    """An address for notices to which nothing is sent."""
    from tests.factories import EndpointFactory

    return str(EndpointFactory(order_id=order, active=False, **columns).id)


COMMANDS = (schedule, trigger, notices, endpoint)
