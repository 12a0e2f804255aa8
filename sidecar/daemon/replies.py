"""Conversion between values and messages of the wire."""

import json
from collections.abc import Iterable, Iterator
from typing import Final

from sidecar.archive.compressing import Packed
from sidecar.archive.pack import PackProgress, PackWarning
from sidecar.exclusion.counting import TreeCount
from sidecar.exclusion.patterns import Exclude, InForce
from sidecar.preview.changes import Preview
from sidecar.restore.workspace.outcomes import ExtractSummary, Outcome
from sidecar.restore.workspace.progress import ExtractProgress
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

# Names can be long: the warnings of one message stay well below the limit of a message.
_WARNING_BYTES: Final = 1 << 20


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


def exclude_of(message: wire.Exclude) -> Exclude:
    """The patterns of a request."""
    return Exclude(tuple(message.before), tuple(message.after), message.ignore_file)


def estimate_reply(counted: TreeCount, patterns: InForce) -> wire.EstimateBackupReply:
    """The counts of a backup that was not made."""
    message = wire.EstimateBackupReply(
        entries=counted.kept.entries,
        bytes=counted.kept.bytes,
        changed_bytes=counted.changed_bytes,
        more=counted.more,
    )
    for number, (line, count) in enumerate(zip(patterns.lines, counted.excluded, strict=True), 1):
        message.patterns.add(
            pattern=line,
            entries=count.entries,
            bytes=count.bytes,
            impossible=number in patterns.impossible,
            of_file=patterns.file_at < number <= patterns.file_at + patterns.of_file,
        )
    for path in counted.named:
        message.paths.add(
            path=path.path,
            pattern=path.number - 1,
            folder=path.is_folder,
            entries=path.total.entries,
            bytes=path.total.bytes,
        )
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
        consistency=packed.consistency.number,
        excluded=wire.Excluded(entries=result.excluded.entries, bytes=result.excluded.bytes, patterns=result.patterns),
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
        yield wire.Warning(kind=warning.kind.number, path=warning.path)
