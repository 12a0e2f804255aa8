"""Ticks in a process with the portal's settings: `python -m benchmarks.schedules_ticks`, options and answer as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RULES = ("0 4 * * *", "30 2 * * 1-5", "*/15 * * * *", "0 12 1 * *")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")


def main() -> None:
    """Migrate, fill, tick, and print the result."""
    options = json.load(sys.stdin)
    import django

    django.setup()
    json.dump(ticks_measure(**options), sys.stdout)


def ticks_measure(*, schedules: int, due: int, rounds: int) -> dict[str, Any]:
    """Fill an empty PostgreSQL and let it tick. Return rows by table, and seconds by what was measured."""
    from django.core.management import call_command

    from benchmarks.scale_rows import rows_counted, sql_run
    from provisions.models import Provision
    from schedules.models import Schedule
    from schedules.services.due import runs_make
    from schedules.services.runs import runs_wanted, schedules_tick

    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)
    _fill(schedules)
    sql_run("VACUUM (ANALYZE)")
    seconds: dict[str, list[float]] = {}
    for turn in range(rounds):
        now = NOON + timedelta(days=turn)
        _due_make(due, at=now)
        with _timed(seconds, "tick_wanted"):
            assert runs_wanted()
        with _timed(seconds, "tick_runs_made"):
            assert runs_make(now=now) == due
        if turn == 0:
            with _timed(seconds, "tick_all_started"):
                assert schedules_tick(now=now + timedelta(minutes=2)) == due
        sql_run("UPDATE schedules_schedulerun SET state = 'skipped', finished_at = now() WHERE state = 'due'")
        with _timed(seconds, "tick_nothing_due"):
            assert schedules_tick(now=now + timedelta(minutes=2)) == 0
        sql_run("UPDATE operations_operation SET state = 'failed', finished_at = now(), error_code = 'cancelled'")
        sql_run("UPDATE schedules_schedulerun SET state = 'failed', finished_at = now() WHERE state = 'running'")
    return {"rows": rows_counted([Schedule, Provision]), "seconds": seconds}


def _fill(schedules: int) -> None:
    """An order for each schedule, with a server and a sidecar, a hundred servers on a host."""
    from orders.models import Order
    from provisions.models import Provision, ProvisionKind
    from schedules.models import Schedule

    # Tests are not typed, and their factories least of all.
    factories: Any = import_module("tests.factories")
    factories.StorageTargetFactory(sealed=True, is_default=True)
    first: Any = factories.OrderFactory()
    orders = [Order(customer=first.customer, plan=first.plan, name=f"Server {n}") for n in range(schedules)]
    Order.objects.bulk_create(orders, batch_size=5000)
    servers = [Provision(order=order, kind=ProvisionKind.DEPLOYMENT, name="World", is_primary=True) for order in orders]
    sidecars = [
        Provision(order=order, kind=ProvisionKind.SIDECAR, name="Agent", address=f"node-{number // 100}:9000")
        for number, order in enumerate(orders)
    ]
    Provision.objects.bulk_create([*servers, *sidecars], batch_size=5000)
    rows = [
        Schedule(
            order=order,
            name="Automatic",
            cron=RULES[number % len(RULES)],
            time_zone=ZONES[number // len(RULES) % len(ZONES)],
            next_due_at=NOON + timedelta(days=400, seconds=number),
        )
        for number, order in enumerate(orders)
    ]
    Schedule.objects.bulk_create(rows, batch_size=5000)


def _due_make(count: int, *, at: datetime) -> None:
    from schedules.models import Schedule

    far = Schedule.objects.filter(next_due_at__gt=at + timedelta(days=300)).order_by("next_due_at")
    Schedule.objects.filter(next_due_at__lte=at).update(next_due_at=at + timedelta(days=300))
    Schedule.objects.filter(id__in=list(far.values_list("id", flat=True)[:count])).update(next_due_at=at)


@contextmanager
def _timed(seconds: dict[str, list[float]], metric: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds.setdefault(metric, []).append(time.perf_counter() - began)


if __name__ == "__main__":
    main()
