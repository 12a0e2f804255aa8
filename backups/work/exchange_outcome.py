"""Questions to the sidecar's journal: the state of an exchange of live files, and its meaning for the operation."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from django.utils import timezone

from backups.errors import SidecarUnavailableError
from backups.services.sidecars import operation_destination, sidecar_error
from common.errors import ApplicationError
from common.paths import path_text
from common.states import compare_and_set
from operations.kinds import ATTEMPTS
from operations.models import ExchangeState, Operation, OperationState
from operations.work.lease import FenceLost, Lease
from operations.work.retry import LAST_RESORT, Postponed
from sidecar_client.client import ExtractOutcome, ExtractResult, SidecarClient
from sidecar_client.errors import SidecarClientError, SidecarFailed
from wire.enums import OutcomeKind

JOURNAL_WAIT_SECONDS = 60.0
"""How long a worker waits for a sidecar that went away during an exchange; then the operation is tried again later."""


def exchange_note(operation: Operation, exchange: ExchangeState, *, result: ExtractResult | None = None) -> None:
    """Store how far the exchange may get from here on. Raises FenceLost.

    `result`: of an exchange that is done. Live paths that it left as they were become warnings of the operation.
    """
    if exchange == operation.exchange == ExchangeState.NONE:
        return
    operation.exchange = exchange
    mine = Operation.objects.filter(id=operation.id, fence=operation.fence, state=OperationState.RUNNING)
    if result is not None:
        operation.warnings_total = result.staying_total
        operation.warnings = [{"kind": item.kind, "path": path_text(item.path)} for item in result.staying]
    changes = {name: getattr(operation, name) for name in ("exchange", "warnings", "warnings_total")}
    if not compare_and_set(mine, **changes):
        raise FenceLost


def exchange_unended(operation: Operation, outcome: ExtractOutcome) -> Exception:
    """The sidecar could not end the exchange: raise this to try again, a few times, or with the reason.

    All of old and new is kept beside the server, and its sidecar goes on trying; the order is not held for it.
    """
    if operation.attempts < ATTEMPTS and operation.cancel_requested_at is None:
        return Postponed(seconds=20, counts=True)
    exchange_note(operation, ExchangeState.UNENDED)
    return sidecar_error(outcome.error_code, outcome.error_params)


def exchange_release(client: SidecarClient, operation: Operation) -> bool:
    """Release the exchange in the sidecar; return whether it was released.

    After a few failures its leftovers stay beside the data for now; the operation waits for an absent sidecar.
    """
    destination = operation_destination(operation)
    try:
        client.extract_release(destination=destination)
    except SidecarFailed as error:
        if operation.attempts < ATTEMPTS:
            raise Postponed(seconds=20, counts=True) from error
        # No other attempt follows: a failure that passes, such as a full disk, must not leave anything for good.
        with contextlib.suppress(SidecarClientError):
            client.extract_release(destination=destination)
            return True
        return False
    except SidecarClientError as error:
        if not _is_overdue(operation):
            raise Postponed(seconds=30, counts=False) from error
        return False
    return True


@contextlib.contextmanager
def journal_awaited(operation: Operation) -> Iterator[None]:
    """Once an exchange may have begun, the operation waits for a sidecar that is away or fails.

    Neither an unreachable sidecar nor a cancel ends it, because the outcome is not known yet.
    """
    try:
        yield
    except (SidecarClientError, ApplicationError) as error:
        if not operation.exchange:
            raise
        raise _later(operation, seconds=30) from error


def _later(operation: Operation, *, seconds: float) -> Exception:
    """The error to raise while the journal does not answer.

    An order whose sidecar is gone for good is not held for ever.
    """
    return SidecarUnavailableError() if _is_overdue(operation) else Postponed(seconds=seconds, counts=False)


def _is_overdue(operation: Operation) -> bool:
    return timezone.now() - operation.created_at > LAST_RESORT


def journal_ask(*, client: SidecarClient, operation: Operation, lease: Lease) -> ExtractOutcome:
    """The outcome in the journal after an extraction was cut off. Waits for a sidecar that restarts.

    Raises the error of `_later` when there is no answer: the operation may not end before the outcome is known.
    """
    deadline = time.monotonic() + JOURNAL_WAIT_SECONDS
    pause = threading.Event()
    while time.monotonic() < deadline:
        with contextlib.suppress(SidecarClientError):
            outcome = client.extract_outcome(destination=operation_destination(operation))
            if outcome.kind is not OutcomeKind.RUNNING or outcome.error_code:
                return outcome
        if lease.interrupted():
            # The exchange goes on without us; the next worker asks again.
            raise _later(operation, seconds=5)
        pause.wait(0.5)
    raise _later(operation, seconds=30)
