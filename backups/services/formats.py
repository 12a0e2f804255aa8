"""The choice of a format for a new backup."""

from __future__ import annotations

from django.utils.translation import gettext as _

from backups.services.targets import order_target
from common.errors import ValidationError
from orders.models import BackupFormat, Order, Plan


def format_offered(plan: Plan, wanted: str) -> bool:
    """Whether customers of a plan may choose a format."""
    return not plan.formats or wanted in plan.formats


def format_choose(*, order: Order, wanted: BackupFormat | None = None) -> BackupFormat:
    """The wanted format, else the plan's, on the target that stores new backups of the order.

    A plain target holds archives only: the chunks of a repository are always sealed. Raises ValidationError when the
    plan does not offer the wanted format, or the target cannot hold it.
    """
    if wanted is not None and not format_offered(order.plan, wanted):
        raise ValidationError(errors={"format": [_("Your plan does not offer this format.")]})
    target = order_target(order)
    if target is None or target.sealed:
        return wanted or BackupFormat(order.plan.backup_format)
    if wanted is BackupFormat.REPOSITORY:
        raise ValidationError(errors={"format": [_("The storage holds plain archives only.")]})
    return BackupFormat.ARCHIVE
