"""Exchanges of live files whose operation ended before the outcome in the sidecar's journal was known."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.utils import timezone

from backups.models import Backup
from backups.services.sidecars import sidecar_open
from common.errors import ApplicationError
from common.states import compare_and_set
from operations.models import LIVE_STATES, ExchangeState, Operation
from provisions.selectors import provision_sidecar
from wire.enums import OutcomeKind

log = logging.getLogger(__name__)

ASKED_FOR = timedelta(days=30)
"""How long a sidecar is asked about an exchange; after that it counts as gone for good."""
ASKED_A_RUN = 20


def exchanges_settle() -> int:
    """Ask sidecars that were away for the outcome of exchanges, record it, and release the exchanges; return how many.

    The end of the operation stays as its customer was told it. A sidecar that is still away is asked again next time.
    """
    open_ones = Operation.objects.filter(
        exchange__in=[ExchangeState.BEGUN, ExchangeState.UNENDED], finished_at__gt=timezone.now() - ASKED_FOR
    ).exclude(state__in=LIVE_STATES)
    # The one asked longest ago comes first, so that a host that stays away does not delay the others.
    rows = list(open_ones.order_by("heartbeat", "finished_at")[:ASKED_A_RUN])
    return sum(_settle(operation) for operation in rows)


def _settle(operation: Operation) -> bool:
    Operation.objects.filter(id=operation.id).update(heartbeat=operation.heartbeat + 1)
    backup = Backup.objects.filter(roles__operation=operation).select_related("provision").first()
    if backup is None:
        return False
    try:
        sidecar = provision_sidecar(backup.provision)
        with sidecar_open(sidecar=sidecar, operation_id=operation.id, fence=operation.fence) as client:
            outcome = client.extract_outcome()
            if outcome.kind is OutcomeKind.RUNNING:
                return False
            client.extract_release()
    except ApplicationError as error:
        log.info("operation %s: its sidecar cannot be asked yet: %s", operation.id, error.code)
        return False
    completed = outcome.kind is OutcomeKind.COMPLETED
    log.warning("operation %s ended as %s; its exchange was %s", operation.id, operation.state, outcome.kind)
    same = Operation.objects.filter(id=operation.id, exchange=operation.exchange)
    return compare_and_set(same, exchange=ExchangeState.DONE if completed else ExchangeState.NONE)
