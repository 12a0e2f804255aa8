"""New volumes, which restores make beside a server: their names, rows and removal.

A volume gets its id before the work starts, and its row in the transaction that ends the work well. So no row stands
for a volume that is not whole. A volume without a row is removed by its sidecar (`exchanges_settle`).
"""

from __future__ import annotations

from uuid import UUID

from django.utils import translation
from django.utils.translation import gettext as _

from backups.services.roles import operation_order, operation_source
from common.names import NAME_LENGTH_MAX
from operations.models import ExchangeState, Operation, OperationState
from provisions.services.provisions import volume_create


def volume_add(operation: Operation) -> None:
    """Add the volume of a restore to its order, if it made one, in the transaction that ends the restore."""
    if operation.volume_id is None:
        return
    volume_create(order=operation_order(operation), volume_id=operation.volume_id, name=_name(operation))


def volume_unmade(operation: Operation) -> None:
    """Let the sidecar remove the volume of a restore that ended without success though the volume was complete."""
    made = Operation.objects.filter(id=operation.id, volume_id__isnull=False, exchange=ExchangeState.DONE)
    made.update(exchange=ExchangeState.DISCARDED)


def volume_discard(provision_id: UUID) -> None:
    """Let the sidecar remove the files of a volume whose provision is being deleted. Others have none."""
    made = Operation.objects.filter(volume_id=provision_id, state=OperationState.SUCCEEDED)
    made.update(exchange=ExchangeState.DISCARDED)


def _name(operation: Operation) -> str:
    user = operation.requested_by
    with translation.override((user.language if user else "") or translation.get_language()):
        whole = _("Restored from %(name)s") % {"name": operation_source(operation).name}
    return whole if len(whole) <= NAME_LENGTH_MAX else f"{whole[: NAME_LENGTH_MAX - 1]}…"
