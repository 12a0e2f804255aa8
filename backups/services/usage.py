"""Samples the bytes that backups have and take, every hour."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from backups.models import Backup, UsageSample
from backups.services.stored import backups_by_snapshot
from backups.usage import USABLE, orders_used
from common.clock import database_now
from common.errors import ApplicationError
from orders.models import BackupFormat, Order
from repository.chunked.maintenance.usage import Usage, repository_usage
from vault.models import Asset, Repository
from vault.services.repositories import repository_errors, repository_find

log = logging.getLogger(__name__)

LONGEST_SECONDS = 600.0
"""How long one run measures repositories; the others are measured by later runs, the longest unmeasured first."""
AGAIN = timedelta(days=1)
"""A repository without new or deleted backups is measured again after this time: prunes change it."""
BATCH = 500
HOURS_KEPT = timedelta(days=31)
"""Samples of every hour are kept so long, and after that one a day."""
DAYS_KEPT = timedelta(days=731)


@dataclass(frozen=True, slots=True)
class Share:
    """The stored bytes that only one backup uses, and its share of all that it uses."""

    unique: int
    fair: int


def usage_sample() -> int:
    """Measure repositories that changed, and write the sample of this hour for every order; return their number."""
    now = database_now()
    until = time.monotonic() + LONGEST_SECONDS
    for row in Repository.objects.select_related("customer", "target").order_by("sampled_at"):
        if time.monotonic() > until:
            break
        try:
            repository_sample(row, now)
        except ApplicationError as error:
            # A storage that is away, or damage, leaves the numbers of the last sample.
            log.warning("usage of repository %s was not measured: %s", row.id, error.code)
    _archives_sample()
    at = now.replace(minute=0, second=0, microsecond=0)
    written = sum(_samples_write(ids, at) for ids in _orders())
    _forget(now)
    return written


def repository_sample(row: Repository, now: datetime) -> bool:
    """Measure a repository unless nothing changed; return whether it was measured."""
    backups = backups_by_snapshot(row)
    digest = blake2b(b"".join(sorted(backups)), digest_size=16).hexdigest()
    known: dict[str, Any] | None = cache.get(_kept(row.id))
    fresh = row.sampled_at is not None and timedelta(0) <= now - row.sampled_at < AGAIN
    if fresh and known is not None and known["of"] == digest:
        return False
    repository = repository_find(row)
    if repository is None:
        return False
    with repository_errors():
        usage = repository_usage(repository)
    shares = shares_of(usage)
    for snapshot, backup in backups.items():
        share = shares.get(snapshot)
        if share is not None and backup.asset is not None:
            # The root itself is the backup's alone.
            root = backup.asset.stored_bytes
            Backup.objects.filter(id=backup.id).update(unique_bytes=share.unique + root, fair_bytes=share.fair + root)
    Repository.objects.filter(id=row.id).update(
        sampled_at=now,
        logical_bytes=usage.logical,
        distinct_bytes=usage.unique,
        stored_bytes=usage.stored,
        unused_bytes=usage.dead,
    )
    cache.set(_kept(row.id), {"of": digest, "orders": _orders_unique(usage, backups)}, timeout=None)
    return True


def _archives_sample() -> None:
    """An archive shares nothing."""
    own = Asset.objects.filter(backup=OuterRef("pk")).values("stored_bytes")
    stored = Coalesce("added_bytes", Subquery(own))
    rows = Backup.objects.filter(USABLE, format=BackupFormat.ARCHIVE, fair_bytes__isnull=True)
    rows.update(fair_bytes=stored, unique_bytes=stored)


def shares_of(usage: Usage) -> dict[bytes, Share]:
    """The share of each snapshot. All shares together are exactly the bytes of the chunks in use."""
    unique = dict.fromkeys(usage.snapshots, 0)
    fair = dict.fromkeys(usage.snapshots, 0)
    for group in usage.groups:
        if len(group.snapshots) == 1:
            unique[group.snapshots[0]] += group.stored
        part, rest = divmod(group.stored, len(group.snapshots))
        for number, snapshot in enumerate(group.snapshots):
            fair[snapshot] += part + (number < rest)
    return {snapshot: Share(unique[snapshot], fair[snapshot]) for snapshot in usage.snapshots}


def _orders_unique(usage: Usage, backups: dict[bytes, Backup]) -> dict[UUID, int]:
    """For each order the bytes of chunks that no snapshot of another one uses."""
    found: dict[UUID, int] = {}
    for group in usage.groups:
        owners = {backups[snapshot].order_id if snapshot in backups else None for snapshot in group.snapshots}
        if len(owners) == 1 and (owner := owners.pop()) is not None:
            found[owner] = found.get(owner, 0) + group.stored
    return found


def _kept(repository: UUID) -> str:
    return f"repository-usage:{repository}"


def _orders() -> Iterator[list[UUID]]:
    """The orders with usable backups, some hundred at a time; a last sample tells that there are none any more."""
    last: UUID | None = None
    while True:
        rows = Order.objects.order_by("id") if last is None else Order.objects.filter(id__gt=last).order_by("id")
        ids = list(rows.values_list("id", flat=True)[:BATCH])
        if not ids:
            return
        yield ids
        last = ids[-1]


def _samples_write(ids: list[UUID], at: datetime) -> int:
    used, unique = orders_used(ids), _unique(ids)
    newest = UsageSample.objects.filter(order__in=ids, at=at - timedelta(hours=1), backups__gt=0)
    ended = set(newest.values_list("order", flat=True)) - used.keys()
    samples = [
        UsageSample(
            order_id=order,
            at=at,
            backups=found.backups,
            logical_bytes=found.logical,
            unique_bytes=unique.get(order, 0),
            stored_bytes=found.stored,
        )
        for order, found in used.items()
    ]
    samples += [
        UsageSample(order_id=order, at=at, backups=0, logical_bytes=0, unique_bytes=0, stored_bytes=0)
        for order in ended
    ]
    UsageSample.objects.bulk_create(samples, ignore_conflicts=True)
    return len(samples)


def _unique(ids: list[UUID]) -> dict[UUID, int]:
    """The stored bytes that only one order uses: its archives, and its own part of repositories."""
    archives = Backup.objects.filter(USABLE, order__in=ids, format=BackupFormat.ARCHIVE).order_by().values("order")
    sums = archives.annotate(stored=Sum(Coalesce("added_bytes", "asset__stored_bytes")))
    found: dict[UUID, int] = dict(sums.values_list("order", "stored"))
    rows = Backup.objects.filter(USABLE, order__in=ids, asset__repository__isnull=False)
    places = rows.order_by().values_list("order", "asset__repository").distinct()
    for order, repository in places:
        kept = cache.get(_kept(repository)) or {"orders": {}}
        found[order] = found.get(order, 0) + kept["orders"].get(order, 0)
    roots = rows.order_by().values("order").annotate(stored=Sum("asset__stored_bytes"))
    for order, stored in roots.values_list("order", "stored"):
        found[order] = found.get(order, 0) + stored
    return found


def _forget(now: datetime) -> None:
    UsageSample.objects.filter(at__lt=now - HOURS_KEPT).exclude(at__hour=0).delete()
    UsageSample.objects.filter(at__lt=now - DAYS_KEPT).delete()
