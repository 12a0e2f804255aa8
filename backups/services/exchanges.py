"""Exchanges of live files whose operation ended before the outcome in the sidecar's journal was known, and volumes that
nobody wants: those of such operations, and those whose provision was deleted.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from backups.services.roles import operation_sidecar
from backups.services.sidecars import operation_destination, sidecar_open
from common.errors import ApplicationError
from common.states import compare_and_set
from operations.models import LIVE_STATES, ExchangeState, Operation
from provisions.models import Provision
from sidecar_client.client import SidecarClient
from wire.enums import OutcomeKind

log = logging.getLogger(__name__)

ASKED_FOR = timedelta(days=30)
"""How long a sidecar is asked about an exchange; after that it counts as gone for good."""
ASKED_A_RUN = 20


def exchanges_settle() -> int:
    """Ask sidecars that were away for the outcome of exchanges, record it, and release the exchanges; return how many.

    The end of the operation stays as its customer was told it, so that a volume of it is removed. A sidecar that is
    still away is asked again next time.
    """
    recent = Q(finished_at__gt=timezone.now() - ASKED_FOR)
    unknown = Q(exchange__in=[ExchangeState.BEGUN, ExchangeState.UNENDED]) & recent
    open_ones = Operation.objects.filter(unknown | Q(exchange=ExchangeState.DISCARDED)).exclude(state__in=LIVE_STATES)
    # The one asked longest ago comes first, so that a host that stays away does not delay the others.
    rows = list(open_ones.order_by("heartbeat", "finished_at")[:ASKED_A_RUN])
    return sum(_settle(operation) for operation in rows)


def _settle(operation: Operation) -> bool:
    Operation.objects.filter(id=operation.id).update(heartbeat=operation.heartbeat + 1)
    try:
        sidecar = operation_sidecar(operation)
        with sidecar_open(sidecar=sidecar, operation_id=operation.id, fence=operation.fence) as client:
            if operation.volume_id is None:
                ended = _exchange_ended(client, operation)
            else:
                client.volume_remove(volume=operation_destination(operation))
                ended = ExchangeState.NONE
                log.warning("operation %s: its volume %s was removed", operation.id, operation.volume_id)
    except Provision.DoesNotExist:
        return False
    except ApplicationError as error:
        log.info("operation %s: its sidecar cannot be asked yet: %s", operation.id, error.code)
        return False
    same = Operation.objects.filter(id=operation.id, exchange=operation.exchange)
    return ended is not None and compare_and_set(same, exchange=ended)


def _exchange_ended(client: SidecarClient, operation: Operation) -> ExchangeState | None:
    """How an exchange ended, whose journal is released; None while it has no end."""
    outcome = client.extract_outcome()
    if outcome.kind is OutcomeKind.RUNNING:
        return None
    client.extract_release()
    log.warning("operation %s ended as %s; its exchange was %s", operation.id, operation.state, outcome.kind)
    return ExchangeState.DONE if outcome.kind is OutcomeKind.COMPLETED else ExchangeState.NONE
