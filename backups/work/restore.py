"""Bringing a backup back: fetched and verified beside the server first; what is there now is kept; then what differs is
staged, and exchanged under a journal. An undo is the same with another source.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from django.db import transaction
from django.utils import timezone

from accounts.services.audit import audit_record
from backups.errors import (
    ArchiveDamagedError,
    PreviewUnavailable,
    ScratchFullError,
    ServerNotStopped,
    SidecarUnavailableError,
)
from backups.models import Asset, Operation, OperationState
from backups.rules import order_allows_backups
from backups.services.archives import asset_open, listing_open
from backups.services.damage import damage_over
from backups.services.operations import backups_give_back, operation_finish, operation_source, operation_subject
from backups.services.sidecars import DATA, sidecar_error, sidecar_errors, sidecar_open, sidecar_reach
from backups.work.hashing import HashThread
from backups.work.lease import FenceLost, Lease
from backups.work.retry import ATTEMPTS, LAST_RESORT, Postponed
from backups.work.safety import safety_make
from common.errors import ApplicationError
from common.paths import path_text
from common.states import compare_and_set
from provisions.selectors import provision_sidecar
from sidecar_client.client import ExtractOutcome, ExtractProgress, ExtractResult, SidecarClient
from sidecar_client.errors import SidecarClientError, SidecarFailed
from sidecar_client.values import SidecarInfo
from wire.enums import OutcomeKind, Phase, ServerControl

JOURNAL_WAIT_SECONDS = 60.0
"""How long a worker waits for a sidecar that went away during an exchange; then the operation is tried again later."""


def restore_run(operation: Operation, lease: Lease) -> None:
    """Bring the operation's source back as `params` say (`mode`, `safety`, `server`), wholly or not at all.

    Whether live data was touched is the journal's word, never ours: before the start (an earlier worker may have
    got that far) and after whatever cut the extraction off. `params["exchange"]` says how far an exchange may have
    got, so that nobody ends the operation or begins it anew before the journal has spoken.
    """
    with contextlib.ExitStack() as opened:
        with _awaited(operation):
            sidecar = provision_sidecar(operation_subject(operation).provision)
            client = opened.enter_context(
                sidecar_open(
                    sidecar=sidecar, operation_id=operation.id, fence=operation.fence, checkpoint=lease.checkpoint
                )
            )
        # An exchange that was released has no journal any more: only the end of the operation is still to be written.
        if operation.params.get("exchange") != "done":
            with _awaited(operation):
                info = sidecar_reach(client=client, sidecar=sidecar, checkpoint=lease.checkpoint)
            _exchange(client=client, info=info, operation=operation, lease=lease)
        # Released before the row says so: who sees `ready` finds nothing of ours beside their files. When the sidecar
        # never lets that be done, the data is new all the same, and the operation has succeeded.
        _release(client, operation)
    _commit(operation)


def _exchange(*, client: SidecarClient, info: SidecarInfo, operation: Operation, lease: Lease) -> None:
    """Bring the sidecar's journal to *completed*, or raise what it says instead."""
    with _awaited(operation):
        outcome = client.extract_outcome()
    with _nothing_left(client, operation):
        if outcome.kind is OutcomeKind.NONE:
            _exchange_note(operation, None)
            _prepare(client=client, info=info, operation=operation, lease=lease)
        if outcome.kind in (OutcomeKind.NONE, OutcomeKind.RUNNING):
            _exchange_note(operation, "begun")
            outcome = _extract(client=client, info=info, operation=operation, lease=lease)
        if outcome.kind is OutcomeKind.RUNNING:
            raise _unended(operation, outcome)
    if outcome.kind is OutcomeKind.NONE:
        raise SidecarUnavailableError
    _scratch_clear(client, operation)
    if outcome.kind is OutcomeKind.ROLLED_BACK:
        _release(client, operation)
        raise sidecar_error(outcome.error_code, outcome.error_params)
    _exchange_note(operation, "done", result=outcome.result)


def _unended(operation: Operation, outcome: ExtractOutcome) -> Exception:
    """The sidecar could not bring the exchange to its end: raise this to try again, a few times, or to say why.

    All of old and new is kept beside the server, and its sidecar goes on trying; the order is not held for it.
    """
    if operation.attempts < ATTEMPTS and operation.cancel_requested_at is None:
        return Postponed(seconds=20, counts=True)
    _exchange_note(operation, "unended")
    return sidecar_error(outcome.error_code, outcome.error_params)


def _release(client: SidecarClient, operation: Operation) -> None:
    """Have the sidecar forget the exchange. One that cannot, a few times, leaves something beside the data; one that is
    away is waited for.
    """
    try:
        client.extract_release()
    except SidecarFailed as error:
        if operation.attempts < ATTEMPTS:
            raise Postponed(seconds=20, counts=True) from error
    except SidecarClientError as error:
        if not _is_overdue(operation):
            raise Postponed(seconds=30, counts=False) from error


def _prepare(*, client: SidecarClient, info: SidecarInfo, operation: Operation, lease: Lease) -> None:
    """Everything that must be well before a single live byte is touched."""
    order_allows_backups(operation.order)
    if operation.params.get("server") == ServerControl.STOP and not info.can_stop:
        raise ServerNotStopped
    _fetch(client=client, info=info, operation=operation, lease=lease)
    # After the archive has proven whole, and as late as can be: it holds what the exchange is about to replace.
    if operation.params.get("safety"):
        safety_make(operation=operation, client=client, lease=lease)


def _exchange_note(operation: Operation, word: str | None, *, result: ExtractResult | None = None) -> None:
    """How far the exchange may have got from here on; None: the journal said that there was none.

    `result`: of an exchange that is done. Live paths that it left as they were become warnings of the operation.
    """
    if word is None and "exchange" not in operation.params:
        return
    params = {name: value for name, value in operation.params.items() if name != "exchange"}
    operation.params = params if word is None else {**params, "exchange": word}
    mine = Operation.objects.filter(id=operation.id, fence=operation.fence, state=OperationState.RUNNING)
    if result is not None:
        operation.warnings_total = result.staying_total
        operation.warnings = [{"kind": item.kind, "path": path_text(item.path)} for item in result.staying]
    changes = {name: getattr(operation, name) for name in ("params", "warnings", "warnings_total")}
    if not compare_and_set(mine, **changes):
        raise FenceLost


@contextlib.contextmanager
def _nothing_left(client: SidecarClient, operation: Operation) -> Iterator[None]:
    """A restore that ends before its exchange leaves no archive in the scratch folder, where it might fill the disk."""
    try:
        yield
    except (ApplicationError, SidecarFailed):
        _scratch_clear(client, operation)
        raise


def _scratch_clear(client: SidecarClient, operation: Operation) -> None:
    for path in (_archive_path(operation), _listing_path(operation)):
        with contextlib.suppress(SidecarClientError):
            client.file_delete(path=path)


@contextlib.contextmanager
def _awaited(operation: Operation) -> Iterator[None]:
    """Once an exchange may have begun, a sidecar that is away, or fails at this, is waited for: nothing ends here.

    Nor by one that may not be reached just now, nor by a cancel: the journal has not spoken yet.
    """
    try:
        yield
    except (SidecarClientError, ApplicationError) as error:
        if "exchange" not in operation.params:
            raise
        raise _later(operation, seconds=30) from error


def _later(operation: Operation, *, seconds: float) -> Exception:
    """What to raise while the journal is silent; an order whose sidecar is gone for good is not held for ever."""
    return SidecarUnavailableError() if _is_overdue(operation) else Postponed(seconds=seconds, counts=False)


def _is_overdue(operation: Operation) -> bool:
    return timezone.now() - operation.created_at > LAST_RESORT


def _archive_path(operation: Operation) -> str:
    return f"/tmp/restore-{operation.id}.tar.gz"  # noqa: S108  # a path of the sidecar


def _listing_path(operation: Operation) -> str:
    return f"/tmp/restore-{operation.id}.listing"  # noqa: S108  # a path of the sidecar


def _fetch(*, client: SidecarClient, info: SidecarInfo, operation: Operation, lease: Lease) -> None:
    """Bring the archive into the sidecar's scratch folder, whole and as it was made; nothing live is touched yet."""
    source = operation_source(operation)
    asset = Asset.objects.select_related("target", "customer").get(backup=source)
    if info.scratch_free_bytes < asset.size_bytes + (source.listing_bytes or 0):
        raise ScratchFullError
    client.file_write(path=_archive_path(operation), size=asset.size_bytes, chunks=_followed(asset=asset, lease=lease))
    # Without a listing, as of a backup of an earlier release, the live files alone say what is to stay.
    with contextlib.suppress(PreviewUnavailable, ArchiveDamagedError):
        listing = listing_open(source)
        client.file_write(path=_listing_path(operation), size=listing.size, chunks=_checked(listing.read(), lease))


def _checked(pieces: Iterator[bytes], lease: Lease) -> Iterator[bytes]:
    for piece in pieces:
        lease.checkpoint()
        yield piece


def _followed(*, asset: Asset, lease: Lease) -> Iterator[bytes]:
    """The archive's bytes, with progress; the last ones come only when all of them are what was stored."""
    done = 0
    with HashThread() as digest:
        for piece in _checked(asset_open(asset).read(digest=digest), lease):
            done += len(piece)
            lease.progress(bytes_done=done, bytes_total=asset.size_bytes, phase="fetching")
            yield piece


def _extract(*, client: SidecarClient, info: SidecarInfo, operation: Operation, lease: Lease) -> ExtractOutcome:
    server = ServerControl(operation.params.get("server", ServerControl.AUTO))
    stops = info.can_stop and server is not ServerControl.LEAVE

    def on_progress(progress: ExtractProgress) -> None:
        # The sidecar comes by this phase also when there is nothing to stop.
        if stops or progress.phase is not Phase.STOPPING:
            lease.phase(str(progress.phase))

    try:
        client.archive_extract(
            source=_archive_path(operation),
            listing=_listing_path(operation),
            destination=DATA,
            mode=operation.params["mode"],
            server=server,
            on_progress=on_progress,
            cancelled=lease.interrupted,
        )
    except SidecarClientError:
        outcome = _journal_ask(client=client, operation=operation, lease=lease)
        if outcome.kind is OutcomeKind.NONE:
            _exchange_note(operation, None)
            with sidecar_errors(lease.checkpoint):
                raise
        return outcome
    with _awaited(operation):
        return client.extract_outcome()


def _journal_ask(*, client: SidecarClient, operation: Operation, lease: Lease) -> ExtractOutcome:
    """The journal's word after an extraction was cut off, waiting for a sidecar that is being restarted.

    Raises what `_later` says when it does not come: the operation may not end before the journal has spoken.
    """
    deadline = time.monotonic() + JOURNAL_WAIT_SECONDS
    pause = threading.Event()
    while time.monotonic() < deadline:
        with contextlib.suppress(SidecarClientError):
            outcome = client.extract_outcome()
            if outcome.kind is not OutcomeKind.RUNNING or outcome.error_code:
                return outcome
        if lease.interrupted():
            # The exchange goes on without us; whoever claims the operation next asks again.
            raise _later(operation, seconds=5)
        pause.wait(0.5)
    raise _later(operation, seconds=30)


def _commit(operation: Operation) -> None:
    with transaction.atomic():
        if not operation_finish(operation=operation, state=OperationState.SUCCEEDED):
            raise FenceLost
        if not backups_give_back(operation):
            raise FenceLost
        damage_over(operation_source(operation))
        audit_record(
            actor=operation.requested_by,
            action=f"{operation.kind}.succeeded",
            order_id=operation.order_id,
            object_id=operation_subject(operation).id,
        )
