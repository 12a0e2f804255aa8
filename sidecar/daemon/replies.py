"""Conversion of progress and results into messages of the wire."""

import json

from sidecar.archive.compressing import Packed
from sidecar.archive.pack import PackProgress
from sidecar.archive.report import warnings_pack
from sidecar.game.watching import GameSeen
from sidecar.preview.changes import Preview
from sidecar.restore.workspace.outcomes import ExtractSummary, Outcome
from sidecar.restore.workspace.progress import ExtractProgress
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire


def game_message(seen: GameSeen | None) -> wire.GameState | None:
    """What is known of the game's starts and ends."""
    if seen is None:
        return None
    return wire.GameState(
        counters=seen.counters,
        running=seen.running,
        starts=seen.starts,
        ends=seen.ends,
        changed_at_ns=seen.changed_at_ns,
    )


def compress_reply(progress: PackProgress, packed: Packed | None) -> wire.CompressFilesReply:
    """The progress of packing, with the result in the last message."""
    return wire.CompressFilesReply(
        bytes_read=progress.bytes_read,
        bytes_total=progress.bytes_total,
        files=progress.files,
        result=None if packed is None else _compress_result(packed),
    )


def extract_reply(progress: ExtractProgress, summary: ExtractSummary | None) -> wire.ExtractToReply:
    """The progress of an extraction, with the summary in the last message."""
    return wire.ExtractToReply(
        phase=progress.phase.number,
        bytes_done=progress.bytes_done,
        files=progress.files,
        result=None if summary is None else _extract_result(summary),
    )


def outcome_reply(outcome: Outcome) -> wire.GetExtractOutcomeReply:
    """The outcome of an extraction according to its journal."""
    return wire.GetExtractOutcomeReply(
        outcome=outcome.kind.number,
        result=None if outcome.summary is None else _extract_result(outcome.summary),
        error_code=outcome.error_code,
        error_detail=outcome.error_detail,
        error_params=json.dumps(dict(outcome.error_params)) if outcome.error_params else "",
    )


def preview_reply(preview: Preview) -> wire.PreviewRestoreReply:
    """The changes that a restore would make."""
    message = wire.PreviewRestoreReply(
        added=preview.added,
        changed=preview.changed,
        removed=preview.removed,
        bytes=preview.bytes,
        more=preview.more,
        stays=preview.stays,
    )
    for change in preview.changes:
        message.changes.add(kind=change.kind.number, path=change.path, size_bytes=change.size_bytes)
    return message


def _compress_result(packed: Packed) -> wire.CompressResult:
    result = packed.archive
    return wire.CompressResult(
        size_bytes=result.size_bytes,
        crc32=result.crc32,
        entries=result.entries,
        content_bytes=result.content_bytes,
        warnings_total=result.warnings_total,
        warnings=warnings_pack(result.warnings),
        consistency=packed.consistency.number,
        excluded=wire.Excluded(entries=result.excluded.entries, bytes=result.excluded.bytes, patterns=result.patterns),
    )


def _extract_result(summary: ExtractSummary) -> wire.ExtractResult:
    return wire.ExtractResult(
        files=summary.files,
        bytes=summary.bytes,
        removed=summary.removed,
        staying_total=summary.staying.total,
        staying=warnings_pack(summary.staying.kept),
    )
