"""The choice of a format for a new backup."""

from __future__ import annotations

from django.utils.translation import gettext as _

from common.errors import ValidationError
from orders.models import BackupFormat, Order
from vault.models import StorageTarget


def format_choose(*, order: Order, wanted: BackupFormat | None = None) -> BackupFormat:
    """The wanted format, else the plan's, on the target that stores new backups.

    A plain target holds archives only: the chunks of a repository are always sealed. Raises ValidationError when the
    target cannot hold the wanted format.
    """
    plain = StorageTarget.objects.filter(is_default=True, sealed=False).exists()
    if not plain:
        return wanted or BackupFormat(order.plan.backup_format)
    if wanted is BackupFormat.REPOSITORY:
        raise ValidationError(errors={"format": [_("The storage holds plain archives only.")]})
    return BackupFormat.ARCHIVE
