"""The product in numbers, counted in the database when they are asked for: whichever process answers says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import product

from django.db.models import Count, Min, Q, Sum
from django.db.models.functions import Coalesce, Now
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backups.models import (
    LIVE_STATES,
    Asset,
    Backup,
    BackupStatus,
    Finding,
    Invariant,
    Operation,
    OperationKind,
    OperationState,
    OperationTally,
    Supervisor,
)
from backups.selectors import SUPERVISOR_SILENT
from common.clock import database_now

FILES = "files"
"""What operations are about. There is one source today; a second one must be noted on the operation itself, which
outlives its backup."""
RESULTS = [state for state in OperationState if state not in LIVE_STATES]


class PortalCollector(Collector):
    """Every series, from the first scrape on, by eight queries; registered for one scrape."""

    def collect(self) -> Iterable[Metric]:
        """The families of one scrape. Raises DatabaseError."""
        yield from _operations()
        yield from _backups()
        yield from _work()


def _operations() -> Iterator[Metric]:
    counted = Operation.objects.order_by().values_list("kind", "state").annotate(Count("id"))
    counts: Counter[tuple[str, str]] = Counter({(kind, state): count for kind, state, count in counted})
    # Operations go with their order, and a counter that fell would look like one that began anew.
    counts.update({(gone.kind, gone.state): gone.count for gone in OperationTally.objects.all()})
    total = CounterMetricFamily(
        "savepoint_operations", "Operations that are over.", labels=["kind", "source", "result"]
    )
    for kind, state in product(OperationKind, RESULTS):
        total.add_metric([kind, FILES, state], counts[kind, state])
    yield total
    live = GaugeMetricFamily("savepoint_operations_live", "Operations that wait or run.", labels=["kind", "state"])
    for kind, state in product(OperationKind, LIVE_STATES):
        live.add_metric([kind, state], counts[kind, state])
    yield live


def _backups() -> Iterator[Metric]:
    listed = Backup.objects.filter(deleted_at__isnull=True).order_by().values_list("status").annotate(Count("id"))
    yield _gauge("savepoint_backups", "Backups that were not deleted.", "status", BackupStatus, dict(listed))
    found = Finding.objects.filter(gone_at__isnull=True, confirmed_at__isnull=False)
    open_ones = found.order_by().values_list("invariant").annotate(Count("id"))
    yield _gauge("savepoint_findings", "What the reconciler found and still holds.", "invariant", Invariant,
                 dict(open_ones))  # fmt: skip
    stored = Asset.objects.aggregate(stored=Sum("stored_bytes"))["stored"] or 0
    yield GaugeMetricFamily("savepoint_stored_bytes", "What archives take in storage.", value=stored)


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


def _gauge(name: str, says: str, label: str, values: Iterable[str], counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=[label])
    for value in values:
        family.add_metric([str(value)], counts.get(value, 0))
    return family
