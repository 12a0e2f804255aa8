"""What the daemon's work tells, as messages of the wire."""

import json
from collections.abc import Iterable, Iterator
from typing import Final

from sidecar.archive.pack import PackProgress, PackWarning, WarningKind
from sidecar.compressing import Packed
from sidecar.game.game import Consistency
from sidecar.game.server import Control
from sidecar.preview.changes import ChangeKind, Preview
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
CONTROLS: Final = {
    wire.SERVER_CONTROL_UNSPECIFIED: Control.AUTO,
    wire.SERVER_CONTROL_STOP: Control.STOP,
    wire.SERVER_CONTROL_LEAVE: Control.LEAVE,
}
_CONSISTENCIES: Final = {
    Consistency.LIVE: wire.CONSISTENCY_LIVE,
    Consistency.QUIESCED: wire.CONSISTENCY_QUIESCED,
    Consistency.STOPPED: wire.CONSISTENCY_STOPPED,
}
_WARNING_KINDS: Final = {
    WarningKind.CHANGED: wire.Warning.KIND_CHANGED,
    WarningKind.VANISHED: wire.Warning.KIND_VANISHED,
    WarningKind.UNREADABLE: wire.Warning.KIND_UNREADABLE,
    WarningKind.SKIPPED: wire.Warning.KIND_SKIPPED,
    WarningKind.LEFT_OUT: wire.Warning.KIND_LEFT_OUT,
    WarningKind.HOLDS: wire.Warning.KIND_HOLDS,
    WarningKind.FIXED: wire.Warning.KIND_FIXED,
    WarningKind.COMPANION: wire.Warning.KIND_COMPANION,
    WarningKind.MOUNTED: wire.Warning.KIND_MOUNTED,
    WarningKind.LINKED_OUT: wire.Warning.KIND_LINKED_OUT,
}
_PHASES: Final = {
    Phase.COMPARING: wire.ExtractToReply.PHASE_COMPARING,
    Phase.STAGING: wire.ExtractToReply.PHASE_STAGING,
    Phase.STOPPING: wire.ExtractToReply.PHASE_STOPPING,
    Phase.EXCHANGING: wire.ExtractToReply.PHASE_EXCHANGING,
    Phase.DONE: wire.ExtractToReply.PHASE_DONE,
}
_CHANGE_KINDS: Final = {
    ChangeKind.ADDED: wire.PreviewRestoreReply.Change.KIND_ADDED,
    ChangeKind.CHANGED: wire.PreviewRestoreReply.Change.KIND_CHANGED,
    ChangeKind.REMOVED: wire.PreviewRestoreReply.Change.KIND_REMOVED,
    ChangeKind.STAYS: wire.PreviewRestoreReply.Change.KIND_STAYS,
}
_OUTCOMES: Final = {
    OutcomeKind.NONE: wire.GetExtractOutcomeReply.OUTCOME_NONE,
    OutcomeKind.RUNNING: wire.GetExtractOutcomeReply.OUTCOME_RUNNING,
    OutcomeKind.COMPLETED: wire.GetExtractOutcomeReply.OUTCOME_COMPLETED,
    OutcomeKind.ROLLED_BACK: wire.GetExtractOutcomeReply.OUTCOME_ROLLED_BACK,
}


def compress_reply(progress: PackProgress, packed: Packed | None) -> wire.CompressFilesReply:
    """How far the packing is, and in the end what came of it."""
    return wire.CompressFilesReply(
        bytes_read=progress.bytes_read,
        bytes_total=progress.bytes_total,
        files=progress.files,
        result=None if packed is None else _compress_result(packed),
    )


def extract_reply(progress: ExtractProgress, summary: ExtractSummary | None) -> wire.ExtractToReply:
    """How far the extraction is, and in the end what it did."""
    return wire.ExtractToReply(
        phase=_PHASES[progress.phase],
        bytes_done=progress.bytes_done,
        files=progress.files,
        result=None if summary is None else _extract_result(summary),
    )


def outcome_reply(outcome: Outcome) -> wire.GetExtractOutcomeReply:
    """The journal's word."""
    return wire.GetExtractOutcomeReply(
        outcome=_OUTCOMES[outcome.kind],
        result=None if outcome.summary is None else _extract_result(outcome.summary),
        error_code=outcome.error_code,
        error_detail=outcome.error_detail,
        error_params=json.dumps(dict(outcome.error_params)) if outcome.error_params else "",
    )


def preview_reply(preview: Preview) -> wire.PreviewRestoreReply:
    """What a restore would change."""
    message = wire.PreviewRestoreReply(
        added=preview.added,
        changed=preview.changed,
        removed=preview.removed,
        bytes=preview.bytes,
        more=preview.more,
        stays=preview.stays,
    )
    for change in preview.changes:
        message.changes.add(kind=_CHANGE_KINDS[change.kind], path=change.path, size_bytes=change.size_bytes)
    return message


def _compress_result(packed: Packed) -> wire.CompressResult:
    result = packed.archive
    return wire.CompressResult(
        size_bytes=result.size_bytes,
        crc32=result.crc32,
        entries=result.entries,
        content_bytes=result.content_bytes,
        warnings_total=result.warnings_total,
        warnings=_warnings(result.warnings),
        consistency=_CONSISTENCIES[packed.consistency],
    )


def _extract_result(summary: ExtractSummary) -> wire.ExtractResult:
    return wire.ExtractResult(
        files=summary.files,
        bytes=summary.bytes,
        removed=summary.removed,
        staying_total=summary.staying.total,
        staying=_warnings(summary.staying.kept),
    )


def _warnings(warnings: Iterable[PackWarning]) -> Iterator[wire.Warning]:
    room = _WARNING_BYTES
    for warning in warnings:
        room -= len(warning.path)
        if room < 0:
            return
        yield wire.Warning(kind=_WARNING_KINDS[warning.kind], path=warning.path)
