"""Metrics of backups and stored bytes, counted in the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import Count, Sum
from prometheus_client.core import GaugeMetricFamily, Metric

from backups.models import Backup, BackupStatus, Finding, Invariant
from vault.models import Asset, Repository


def metric_families() -> Iterator[Metric]:
    """The families of this app, every series from the first scrape on, by four queries. Raises DatabaseError."""
    listed = Backup.objects.filter(deleted_at__isnull=True).order_by().values_list("status").annotate(Count("id"))
    yield _gauge("savepoint_backups", "Backups that were not deleted.", "status", BackupStatus, dict(listed))
    found = Finding.objects.filter(gone_at__isnull=True, confirmed_at__isnull=False)
    open_ones = found.order_by().values_list("invariant").annotate(Count("id"))
    yield _gauge("savepoint_findings", "What the reconciler found and still holds.", "invariant", Invariant,
                 dict(open_ones))  # fmt: skip
    archives = Asset.objects.filter(repository__isnull=True).aggregate(stored=Sum("stored_bytes"))["stored"] or 0
    repositories = Repository.objects.aggregate(stored=Sum("stored_bytes"))["stored"] or 0
    yield GaugeMetricFamily(
        "savepoint_stored_bytes",
        "What archives take in storage, and repositories at their last sample.",
        value=archives + repositories,
    )


def _gauge(name: str, says: str, label: str, values: Iterable[str], counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=[label])
    for value in values:
        family.add_metric([str(value)], counts.get(value, 0))
    return family
