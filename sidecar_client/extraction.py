"""Extractions on the wire: their progress, result and outcome."""

from collections.abc import Callable
from contextlib import closing

from sidecar_client.archive_stream import warnings_from_wire
from sidecar_client.errors import SidecarFailed, SidecarUnavailable
from sidecar_client.status import error_from_wire
from sidecar_client.streams import ReplyStream, replies_receive
from sidecar_client.values import ExtractOutcome, ExtractProgress, ExtractResult
from sidecar_client.waiting import Patience
from wire.enums import OutcomeKind, Phase
from wire.errors import ErrorCode
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire


def extraction_follow(
    *,
    call: ReplyStream[wire.ExtractToReply],
    on_progress: Callable[[ExtractProgress], None],
    patience: Patience,
) -> ExtractResult:
    """Report progress until the extraction is done.

    Raises the extraction's error, `Cancelled`, or `SidecarUnavailable`; the outcome is in the sidecar's journal.
    """
    result: ExtractResult | None = None
    with closing(replies_receive(call=call, patience=patience)) as replies:
        for reply in replies:
            on_progress(progress_from_wire(reply))
            if reply.HasField("result"):
                result = result_from_wire(reply.result)
    return result_required(result)


def result_required(result: ExtractResult | None) -> ExtractResult:
    """The result; raises `SidecarUnavailable` without one: the journal knows whether names were exchanged."""
    if result is None:
        raise SidecarUnavailable("The sidecar stopped before the extraction was done.")
    return result


def outcome_from_wire(reply: wire.GetExtractOutcomeReply) -> ExtractOutcome:
    """The outcome in the journal; raises `SidecarFailed` for one that this portal does not know."""
    kind = OutcomeKind.of(reply.outcome)
    if kind is None or (kind is OutcomeKind.COMPLETED) != reply.HasField("result"):
        raise SidecarFailed(ErrorCode.INTERNAL, "The sidecar reported an outcome that the portal does not know.")
    failure = error_from_wire(code=reply.error_code, detail=reply.error_detail, params=reply.error_params)
    failed = kind is OutcomeKind.ROLLED_BACK or (kind is OutcomeKind.RUNNING and reply.error_code != "")
    return ExtractOutcome(
        kind=kind,
        result=result_from_wire(reply.result) if kind is OutcomeKind.COMPLETED else None,
        error_code=failure.code if failed else "",
        error_detail=failure.detail if failed else "",
        error_params=failure.params if failed else {},
    )


def progress_from_wire(reply: wire.ExtractToReply) -> ExtractProgress:
    """The progress of an extraction; raises `SidecarFailed` for a phase that this portal does not know."""
    phase = Phase.of(reply.phase)
    if phase is None:
        raise SidecarFailed(ErrorCode.INTERNAL, "The sidecar reported a phase that the portal does not know.")
    return ExtractProgress(phase=phase, bytes_done=reply.bytes_done, files=reply.files)


def result_from_wire(result: wire.ExtractResult) -> ExtractResult:
    """The result of an extraction."""
    return ExtractResult(
        files=result.files,
        bytes=result.bytes,
        removed=result.removed,
        staying_total=result.staying_total,
        staying=warnings_from_wire(result.staying),
    )
