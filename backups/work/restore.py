"""The restore: verify the source, make a safety backup, stage changed files, exchange them under a journal.

An undo is a restore from another source.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from accounts.services.audit import audit_record
from backups.errors import ServerNotStopped, SidecarUnavailableError, VolumesNotOffered
from backups.formats.interface import Restoring, safety_path
from backups.formats.registry import format_of
from backups.rules import order_allows_backups
from backups.services.damage import damage_over
from backups.services.roles import (
    backups_give_back,
    operation_order,
    operation_sidecar,
    operation_source,
    operation_subject,
)
from backups.services.sidecars import (
    operation_destination,
    sidecar_error,
    sidecar_errors,
    sidecar_open,
    sidecar_reach,
)
from backups.services.volumes import volume_add
from backups.work.exchange_outcome import (
    exchange_note,
    exchange_release,
    exchange_unended,
    journal_ask,
    journal_awaited,
)
from backups.work.safety import safety_make
from common.errors import ApplicationError
from common.states import compare_and_set
from operations.models import ExchangeState, Operation
from operations.work.lease import FenceLost, Lease, operation_succeeds
from pipelines.pacing import Bandwidth
from sidecar_client.client import ExtractOutcome, ExtractProgress, SidecarClient
from sidecar_client.errors import SidecarClientError, SidecarFailed
from sidecar_client.values import SidecarInfo
from wire.enums import OutcomeKind, Phase, ServerControl


def restore_run(operation: Operation, lease: Lease) -> None:
    """Restore the operation's source as `params` say (`mode`, `safety`, `server`), or into a new volume, wholly or not
    at all.

    Only the journal tells whether live data was touched: it is asked before the start, since an earlier worker may have
    got that far, and after any interruption of the extraction. `exchange` stores how far an exchange may have got, so
    that the operation neither ends nor starts again before the outcome is known.
    """
    with contextlib.ExitStack() as opened:
        with journal_awaited(operation):
            sidecar = operation_sidecar(operation)
            client = opened.enter_context(
                sidecar_open(
                    sidecar=sidecar, operation_id=operation.id, fence=operation.fence, checkpoint=lease.checkpoint
                )
            )
        # A released exchange has no journal any more: only the end of the operation is missing.
        if operation.exchange != ExchangeState.DONE:
            with journal_awaited(operation):
                info = sidecar_reach(client=client, sidecar=sidecar, checkpoint=lease.checkpoint)
            _exchange(client=client, info=info, operation=operation, lease=lease)
        # The exchange is released before the row is updated, so that a customer who sees `ready` finds no leftovers
        # beside the files. If the release never succeeds, the data is new all the same, and the operation has
        # succeeded.
        released = exchange_release(client, operation)
    _commit(operation)
    if not released and operation.volume_id is None:
        # The chore that settles exchanges asks the sidecar again.
        compare_and_set(Operation.objects.filter(id=operation.id), exchange=ExchangeState.BEGUN)


def _exchange(*, client: SidecarClient, info: SidecarInfo, operation: Operation, lease: Lease) -> None:
    """Bring the sidecar's journal to *completed*, or raise the error for another outcome."""
    if operation.volume_id is not None and not operation.exchange and not info.can_make_volumes:
        raise VolumesNotOffered
    with journal_awaited(operation):
        outcome = client.extract_outcome(destination=operation_destination(operation))
    with _nothing_left(client, operation):
        if outcome.kind is OutcomeKind.NONE:
            exchange_note(operation, ExchangeState.NONE)
            _prepare(client=client, info=info, operation=operation, lease=lease)
        if outcome.kind in (OutcomeKind.NONE, OutcomeKind.RUNNING):
            exchange_note(operation, ExchangeState.BEGUN)
            outcome = _extract(client=client, info=info, operation=operation, lease=lease)
        if outcome.kind is OutcomeKind.RUNNING:
            raise exchange_unended(operation, outcome)
    if outcome.kind is OutcomeKind.NONE:
        raise SidecarUnavailableError
    _scratch_clear(client, operation)
    if outcome.kind is OutcomeKind.ROLLED_BACK:
        exchange_release(client, operation)
        raise sidecar_error(outcome.error_code, outcome.error_params)
    exchange_note(operation, ExchangeState.DONE, result=outcome.result)


def _prepare(*, client: SidecarClient, info: SidecarInfo, operation: Operation, lease: Lease) -> None:
    """All steps before the first live byte is touched."""
    order_allows_backups(operation_order(operation))
    if operation.params.get("server") == ServerControl.STOP and not info.can_stop:
        raise ServerNotStopped
    restoring = _restoring(client=client, info=info, operation=operation, lease=lease)
    format_of(restoring.source).fetch(restoring)
    # After the source was verified, and as late as possible: the safety backup holds the files that the exchange
    # replaces.
    if operation.params.get("safety"):
        safety_make(operation=operation, client=client, lease=lease)


@contextlib.contextmanager
def _nothing_left(client: SidecarClient, operation: Operation) -> Iterator[None]:
    """A restore that ends before its exchange leaves no archive in the scratch folder, where it might fill the disk."""
    try:
        yield
    except (ApplicationError, SidecarFailed):
        _scratch_clear(client, operation)
        raise


def _scratch_clear(client: SidecarClient, operation: Operation) -> None:
    for path in (*format_of(operation_source(operation)).scratch(operation), safety_path(operation)):
        with contextlib.suppress(SidecarClientError):
            client.file_delete(path=path)


def _restoring(*, client: SidecarClient, info: SidecarInfo, operation: Operation, lease: Lease) -> Restoring:
    source = operation_source(operation)
    return Restoring(
        operation=operation,
        source=source,
        client=client,
        info=info,
        lease=lease,
        bandwidth=Bandwidth(operation_order(operation).plan.restore_rate or 0),
    )


def _extract(*, client: SidecarClient, info: SidecarInfo, operation: Operation, lease: Lease) -> ExtractOutcome:
    restoring = _restoring(client=client, info=info, operation=operation, lease=lease)
    stops = info.can_stop and restoring.server is not ServerControl.LEAVE

    def on_progress(progress: ExtractProgress) -> None:
        # The sidecar comes by this phase also when there is nothing to stop.
        if stops or progress.phase is not Phase.STOPPING:
            lease.phase(str(progress.phase))

    try:
        format_of(restoring.source).extract(restoring, on_progress=on_progress)
    except (SidecarClientError, ApplicationError):
        outcome = journal_ask(client=client, operation=operation, lease=lease)
        if outcome.kind is OutcomeKind.NONE:
            exchange_note(operation, ExchangeState.NONE)
            with sidecar_errors(lease.checkpoint):
                raise
        return outcome
    with journal_awaited(operation):
        return client.extract_outcome(destination=restoring.destination)


def _commit(operation: Operation) -> None:
    with operation_succeeds(operation):
        if not backups_give_back(operation):
            raise FenceLost
        volume_add(operation)
        damage_over(operation_source(operation))
        audit_record(
            actor=operation.requested_by,
            action=f"{operation.kind}.succeeded",
            order_id=operation.order_id,
            object_id=operation_subject(operation).id,
        )
