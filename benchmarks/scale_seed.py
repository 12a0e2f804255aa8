"""Fills a portal's database as that of a big host is: `python -m benchmarks.scale_seed`, options and answer as JSON.

It runs in a process with the portal's settings. The keys of these customers open nothing, and nothing is in storage:
lists and pages do not ask for either.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MANY = 200
"""Orders of the customer who has the most."""
BUSIEST = 1000
"""Backups of the first order."""

_USERS = """
    CREATE TEMP TABLE seed_user AS
    SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS customer_id
    FROM generate_series(1, %s::int) AS n
"""
# The first user has the first orders, every other order its own owner. Ten backups an order on average.
_ORDERS = """
    CREATE TEMP TABLE seed_order AS
    SELECT o.n, gen_random_uuid() AS id, gen_random_uuid() AS server_id, gen_random_uuid() AS sidecar_id,
        u.id AS owner_id, u.customer_id, now() - interval '1 year' * (1 + 2 * random()) AS at,
        CASE
            WHEN o.n = 1 THEN %s::int
            WHEN o.n %% 100 < 70 THEN 7
            WHEN o.n %% 100 < 95 THEN 14
            WHEN o.n %% 100 < 99 THEN 30
            ELSE 40
        END AS backups
    FROM generate_series(1, %s::int) AS o(n)
    JOIN seed_user AS u ON u.n = greatest(o.n - %s + 1, 1)
"""
# Over the last year, the newest first; only the newest can be in the works, and is then a few minutes old.
_BACKUPS = """
    CREATE TEMP TABLE seed_backup AS
    SELECT *,
        gen_random_uuid() AS id, gen_random_uuid() AS asset_id, gen_random_uuid() AS operation_id,
        interval '20 seconds' + interval '10 minutes' * random() AS took,
        (100000000 + 4000000000 * random())::bigint AS size_bytes,
        now() - CASE
            WHEN shape IN ('ready', 'failed') THEN interval '1 hour' + interval '1 year' * (n - random()) / backups
            ELSE interval '5 minutes' * random()
        END AS at
    FROM (
        SELECT o.id AS order_id, o.server_id, o.owner_id, o.customer_id, o.backups, b.n,
            CASE
                WHEN b.n = 1 AND o.n % 500 = 7 THEN 'queued'
                WHEN b.n = 1 AND o.n % 200 = 11 THEN 'creating'
                WHEN b.n = 1 AND o.n % 400 = 13 THEN 'restoring'
                WHEN random() < 0.06 THEN 'failed'
                ELSE 'ready'
            END AS shape
        FROM seed_order AS o, generate_series(1, o.backups) AS b(n)
    ) AS shaped
"""


def main() -> None:
    """Migrate, fill, and print the result."""
    options = json.load(sys.stdin)
    import django

    django.setup()
    json.dump(scale_seed(**options), sys.stdout)


def scale_seed(*, orders: int, sample: int) -> dict[str, Any]:
    """Fill an empty PostgreSQL. Return rows by table, seconds by step, people and places with their sessions."""
    from django.core.management import call_command

    from benchmarks.scale_people import people_make, places_find
    from benchmarks.scale_rows import rows_counted, sql_run
    from benchmarks.scale_templates import KINDS, templates_make

    seconds: dict[str, float] = {}
    with _timed(seconds, "migrate"):
        call_command("migrate", interactive=False, verbosity=0)
        call_command("createcachetable", verbosity=0)
        templates_make()
    with _timed(seconds, "seed"):
        _fill(orders)
    with _timed(seconds, "analyze"):
        # Autovacuum would have done this long ago.
        sql_run("VACUUM (ANALYZE)")
    seconds |= _protection(orders)
    with _timed(seconds, "sessions"):
        people, places = people_make(), places_find(sample)
    return {"rows": rows_counted(KINDS), "seconds": seconds, "people": people, "places": places}


def _fill(orders: int) -> None:
    from benchmarks.scale_fill import backups_fill, orders_fill, people_fill, schedules_fill, storage_fill
    from benchmarks.scale_rows import rules_later, sql_run
    from benchmarks.scale_templates import KINDS

    sql_run("SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'; SELECT setseed(0.5)")
    many = min(MANY, orders // 2)
    sql_run(_USERS, orders)
    sql_run(_ORDERS, BUSIEST, orders, many)
    sql_run(_BACKUPS)
    with rules_later(KINDS):
        people_fill(customers=orders - many + 1)
        orders_fill()
        storage_fill()
        backups_fill()
        schedules_fill()


def _protection(orders: int) -> dict[str, float]:
    """Compute the protection of every order as the chore does; return the seconds of it all, and of its longest run."""
    from schedules.models import OrderProtection
    from schedules.services.protection import protection_refresh

    runs: dict[str, float] = {}
    while OrderProtection.objects.count() < orders:
        with _timed(runs, f"{len(runs)}"):
            assert protection_refresh()
    return {"protection": sum(runs.values()), "protection_longest_run": max(runs.values())}


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - began


if __name__ == "__main__":
    main()
