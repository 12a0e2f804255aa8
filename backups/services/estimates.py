"""Estimates: what a backup would hold, and what patterns would leave out of it. Nothing is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from uuid import UUID, uuid4

from accounts.models import User
from backups import kinds
from backups.models import Backup, OperationRole
from backups.rules import Rules
from backups.selectors import backup_newest_good
from backups.services.exclusion import exclude_of
from backups.services.formats import format_choose
from backups.services.sidecars import DATA, sidecar_open
from operations.models import Operation, OperationState
from orders.models import BackupFormat
from orders.patterns import patterns_of, patterns_validate
from provisions.models import Provision
from provisions.rules import patterns_require
from provisions.selectors import provision_get, provision_sidecar
from sidecar_client.values import BackupEstimate

PATHS_NAMED = 200


@dataclass(frozen=True, slots=True)
class Estimate:
    """The sidecar's count, and the seconds that a backup takes (None: not known).

    is_first: there is no good backup, since which files could have changed. named: whether the caller may see paths.
    """

    counted: BackupEstimate
    seconds: int | None
    is_first: bool
    named: bool


def backup_estimate(
    *,
    user: User,
    order_id: UUID,
    provision_id: UUID,
    of_backup: Sequence[str] = (),
    of_server: Sequence[str] | None = None,
) -> Estimate:
    """Count what a backup with these patterns would hold now.

    of_backup: the patterns for that backup alone. of_server: patterns in place of those of the server. Raises, in this
    order: OrderNotFound, ProvisionNotFound, PermissionDenied, OrderSuspended, PlanHasNoBackups, NotAPrimaryDeployment,
    NoSidecar, PatternsForbidden, ValidationError, and what a sidecar fails with.
    """
    provision = provision_get(user=user, order_id=order_id, provision_id=provision_id)
    order = provision.order
    named = Rules(user=user, order=order).estimate_require(provision)
    if of_backup or of_server is not None:
        patterns_require(user=user, order=order)
        patterns_validate(of_backup)
        patterns_validate(of_server or ())
    sidecar = provision_sidecar(provision)
    exclude = exclude_of(
        plan=order.plan,
        game_profile=sidecar.game_profile,
        of_server=patterns_of(provision.exclude) if of_server is None else of_server,
        of_backup=of_backup,
    )
    last = backup_newest_good(provision)
    # The sidecar's clock may differ from ours: this is an estimate.
    since_ns = int(last.created_at.timestamp() * 10**9) if last else 0
    # An estimate has no operation: the fence 0 is stored nowhere.
    with sidecar_open(sidecar=sidecar, operation_id=uuid4(), fence=0) as client:
        counted = client.backup_estimate(
            source=DATA, exclude=exclude, changed_since_ns=since_ns, paths_limit=PATHS_NAMED if named else 0
        )
    return Estimate(counted, _seconds(provision, counted, last), is_first=last is None, named=named)


def _seconds(provision: Provision, counted: BackupEstimate, last: Backup | None) -> int | None:
    """The time that the last good backup took, in proportion: an archive reads every byte, a snapshot every entry."""
    if last is None or last.format != format_choose(order=provision.order):
        return None
    created = Operation.objects.filter(
        kind=kinds.CREATE.name,
        state=OperationState.SUCCEEDED,
        roles__backup=last,
        roles__role=OperationRole.SUBJECT,
    ).first()
    if created is None or created.started_at is None or created.finished_at is None:
        return None
    is_archive = last.format == BackupFormat.ARCHIVE
    now, then = (counted.bytes, last.content_bytes) if is_archive else (counted.entries, last.entries)
    took = (created.finished_at - created.started_at).total_seconds()
    return ceil(took * now / then) if then else None
