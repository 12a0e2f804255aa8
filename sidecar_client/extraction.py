"""Extractions as the wire tells of them: their progress, their result, and what became of them."""

import threading
from collections.abc import Callable
from typing import Final

from sidecar_client.archive_stream import warnings_from_wire
from sidecar_client.errors import SidecarFailed, SidecarUnavailable
from sidecar_client.status import error_from_wire
from sidecar_client.streams import Incoming, ReplyStream
from sidecar_client.values import ExtractOutcome, ExtractPhase, ExtractProgress, ExtractResult, OutcomeKind
from sidecar_client.waiting import Patience
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

_PHASES: Final = {
    wire.ExtractToReply.PHASE_COMPARING: ExtractPhase.COMPARING,
    wire.ExtractToReply.PHASE_STAGING: ExtractPhase.STAGING,
    wire.ExtractToReply.PHASE_STOPPING: ExtractPhase.STOPPING,
    wire.ExtractToReply.PHASE_EXCHANGING: ExtractPhase.EXCHANGING,
    wire.ExtractToReply.PHASE_DONE: ExtractPhase.DONE,
}
_OUTCOMES: Final = {
    wire.GetExtractOutcomeReply.OUTCOME_NONE: OutcomeKind.NONE,
    wire.GetExtractOutcomeReply.OUTCOME_RUNNING: OutcomeKind.RUNNING,
    wire.GetExtractOutcomeReply.OUTCOME_COMPLETED: OutcomeKind.COMPLETED,
    wire.GetExtractOutcomeReply.OUTCOME_ROLLED_BACK: OutcomeKind.ROLLED_BACK,
}


def extraction_follow(
    *,
    call: ReplyStream[wire.ExtractToReply],
    on_progress: Callable[[ExtractProgress], None],
    patience: Patience,
) -> ExtractResult:
    """Report progress until the extraction is done.

    Raises what it failed with, `Cancelled`, or `SidecarUnavailable`; what became of it the journal knows.
    """
    changed = threading.Condition()
    replies = Incoming(call=call, changed=changed, alive=patience.alive)
    result: ExtractResult | None = None
    try:
        while not replies.exhausted:
            patience.wait(changed, replies.settled)
            patience.check_cancelled()
            if reply := replies.take():
                on_progress(_progress(reply))
                if reply.HasField("result"):
                    result = _result(reply.result)
    finally:
        replies.close()
    if result is None:
        # Whether anything was exchanged is for the journal to say.
        raise SidecarUnavailable("The sidecar stopped before the extraction was done.")
    return result


def outcome_from_wire(reply: wire.GetExtractOutcomeReply) -> ExtractOutcome:
    """The journal's word; raises `SidecarFailed` for one that this portal does not know."""
    kind = _OUTCOMES.get(reply.outcome)
    if kind is None or (kind is OutcomeKind.COMPLETED) != reply.HasField("result"):
        raise SidecarFailed("internal", "The sidecar reported an outcome that the portal does not know.")
    failure = error_from_wire(code=reply.error_code, detail=reply.error_detail, params=reply.error_params)
    failed = kind is OutcomeKind.ROLLED_BACK or (kind is OutcomeKind.RUNNING and reply.error_code != "")
    return ExtractOutcome(
        kind=kind,
        result=_result(reply.result) if kind is OutcomeKind.COMPLETED else None,
        error_code=failure.code if failed else "",
        error_detail=failure.detail if failed else "",
        error_params=failure.params if failed else {},
    )


def _progress(reply: wire.ExtractToReply) -> ExtractProgress:
    phase = _PHASES.get(reply.phase)
    if phase is None:
        raise SidecarFailed("internal", "The sidecar reported a phase that the portal does not know.")
    return ExtractProgress(phase=phase, bytes_done=reply.bytes_done, files=reply.files)


def _result(result: wire.ExtractResult) -> ExtractResult:
    return ExtractResult(
        files=result.files,
        bytes=result.bytes,
        removed=result.removed,
        staying_total=result.staying_total,
        staying=warnings_from_wire(result.staying),
    )
