"""How far an operation is, as its customer sees it."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.kinds import kind_of
from operations.models import Operation, OperationState
from wire.enums import Phase

PHASES = {
    "packing": gettext_lazy("Packing and storing"),
    "fetching": gettext_lazy("Fetching the backup"),
    "trial": gettext_lazy("Restoring it for a test"),
    "safety": gettext_lazy("Keeping what is there now"),
    Phase.COMPARING: gettext_lazy("Comparing the backup with your data"),
    Phase.STOPPING: gettext_lazy("Stopping the game server"),
    Phase.STAGING: gettext_lazy("Preparing the files beside your data"),
    Phase.EXCHANGING: gettext_lazy("Putting the files in place"),
}


@dataclass(frozen=True, slots=True)
class OperationProgress:
    """A live operation. `percent` is None while the total is unknown; sizes are in bytes."""

    phase: str
    percent: int | None
    bytes_done: int
    bytes_total: int | None
    rate: int
    eta_seconds: int | None
    stopping: bool


def progress_of(operation: Operation | None) -> OperationProgress | None:
    """The progress of an operation, or None when it is over."""
    if operation is None or not operation.is_live:
        return None
    return OperationProgress(
        phase=_phase(operation),
        percent=_percent(operation),
        bytes_done=operation.bytes_done,
        bytes_total=operation.bytes_total,
        rate=operation.rate,
        eta_seconds=operation.eta_seconds,
        stopping=operation.cancel_requested_at is not None,
    )


def _phase(operation: Operation) -> str:
    if operation.cancel_requested_at is not None:
        return _("Stopping")
    if operation.state == OperationState.QUEUED:
        return _("Waiting for a worker") if not operation.attempts else _("Waiting to try again")
    return str(PHASES.get(operation.phase) or kind_of(operation).words.running)


def _percent(operation: Operation) -> int | None:
    if operation.state != OperationState.RUNNING or not operation.bytes_total:
        return None
    # A whole bar says “done”; only the end of the operation says so.
    return min(99, operation.bytes_done * 100 // operation.bytes_total)
