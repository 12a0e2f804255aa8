"""What the daemon's work tells, as messages of the wire."""

from typing import Final

from sidecar.archive.pack import PackProgress, PackResult, WarningKind
from sidecar.restore.extraction import (
    ExtractProgress,
    ExtractSummary,
    Mode,
    Outcome,
    OutcomeKind,
    Phase,
)
from sidecar_client.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

# Names can be long: the warnings of one message stay well below what a message may hold.
_WARNING_BYTES: Final = 1 << 20

MODES: Final = {
    wire.EXTRACT_MODE_REPLACE: Mode.REPLACE,
    wire.EXTRACT_MODE_OVERLAY: Mode.OVERLAY,
}
_WARNING_KINDS: Final = {
    WarningKind.CHANGED: wire.Warning.KIND_CHANGED,
    WarningKind.VANISHED: wire.Warning.KIND_VANISHED,
    WarningKind.UNREADABLE: wire.Warning.KIND_UNREADABLE,
    WarningKind.SKIPPED: wire.Warning.KIND_SKIPPED,
}
_PHASES: Final = {
    Phase.STAGING: wire.ExtractToReply.PHASE_STAGING,
    Phase.EXCHANGING: wire.ExtractToReply.PHASE_EXCHANGING,
    Phase.DONE: wire.ExtractToReply.PHASE_DONE,
}
_OUTCOMES: Final = {
    OutcomeKind.NONE: wire.GetExtractOutcomeReply.OUTCOME_NONE,
    OutcomeKind.RUNNING: wire.GetExtractOutcomeReply.OUTCOME_RUNNING,
    OutcomeKind.COMPLETED: wire.GetExtractOutcomeReply.OUTCOME_COMPLETED,
    OutcomeKind.ROLLED_BACK: wire.GetExtractOutcomeReply.OUTCOME_ROLLED_BACK,
}


def compress_reply(told: PackProgress | PackResult, *, progress: PackProgress) -> wire.CompressFilesReply:
    """The progress, or with the newest progress the result."""
    reply = wire.CompressFilesReply(
        bytes_read=progress.bytes_read, bytes_total=progress.bytes_total, files=progress.files
    )
    if isinstance(told, PackResult):
        reply.result.CopyFrom(_compress_result(told))
    return reply
