"""Operations and workers in numbers, counted in the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

from django.db.models import Count, Min, Q, Sum
from django.db.models.functions import Coalesce, Now
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from common.clock import database_now
from operations.kinds import kinds_all
from operations.models import LIVE_STATES, Operation, OperationState, OperationTally, Supervisor
from operations.selectors import SUPERVISOR_SILENT

FILES = "files"
"""The label `source` of operations.

There is one source today; a second one must be stored on the operation itself, which outlives its backup.
"""
RESULTS = [state for state in OperationState if state not in LIVE_STATES]


def metric_families() -> Iterator[Metric]:
    """The metric families of this app, by four queries. Every series exists from the first scrape on. Raises
    DatabaseError.
    """
    yield from _operations()
    yield from _work()


def _operations() -> Iterator[Metric]:
    names = [kind.name for kind in kinds_all()]
    counted = Operation.objects.order_by().values_list("kind", "state").annotate(Count("id"))
    counts: Counter[tuple[str, str]] = Counter({(kind, state): count for kind, state, count in counted})
    # Operations are deleted with their order, and a counter that fell would look like a restarted one.
    counts.update({(gone.kind, gone.state): gone.count for gone in OperationTally.objects.all()})
    total = CounterMetricFamily(
        "savepoint_operations", "Operations that are over.", labels=["kind", "source", "result"]
    )
    for kind, state in product(names, RESULTS):
        total.add_metric([kind, FILES, state], counts[kind, state])
    yield total
    live = GaugeMetricFamily("savepoint_operations_live", "Operations that wait or run.", labels=["kind", "state"])
    for kind, state in product(names, LIVE_STATES):
        live.add_metric([kind, state], counts[kind, state])
    yield live


def _work() -> Iterator[Metric]:
    seen = Supervisor.objects.filter(seen_at__gte=Now() - SUPERVISOR_SILENT)
    alive = seen.aggregate(alive=Sum("workers_alive"))["alive"] or 0
    yield GaugeMetricFamily("savepoint_workers_alive", "Workers that live supervisors see.", value=alive)
    now = database_now()
    queued = Operation.objects.filter(Q(not_before__isnull=True) | Q(not_before__lte=now), state=OperationState.QUEUED)
    since = queued.aggregate(since=Min(Coalesce("not_before", "created_at")))["since"]
    waited = max(0.0, (now - since).total_seconds()) if since else 0.0
    yield GaugeMetricFamily(
        "savepoint_oldest_queued_seconds", "How long the oldest operation that could be claimed has waited.", waited
    )
