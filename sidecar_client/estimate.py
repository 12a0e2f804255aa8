"""Patterns on the wire, and the question of what a backup with them would hold."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import grpc

from sidecar_client.errors import SourceFailed
from sidecar_client.status import status_translated
from sidecar_client.values import BackupEstimate, Exclude, Excluded, ExcludedPath, PatternCount
from wire.contract import PATTERN_BYTES_MAX, PATTERNS_MAX
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

NO_EXCLUDE: Final = Exclude()


def exclude_message(exclude: Exclude) -> wire.Exclude:
    """The patterns of a request."""
    return wire.Exclude(before=exclude.before, ignore_file=exclude.ignore_file, after=exclude.after)


def excluded_from_wire(message: wire.Excluded) -> Excluded:
    """The files that patterns left out; raises `SourceFailed` for more or longer patterns than there can be."""
    _require_patterns(list(message.patterns))
    return Excluded(entries=message.entries, bytes=message.bytes, patterns=tuple(message.patterns))


def estimate_ask(
    *,
    method: grpc.UnaryUnaryMultiCallable[wire.EstimateBackupRequest, wire.EstimateBackupReply],
    metadata: tuple[tuple[str, str], ...],
    request: wire.EstimateBackupRequest,
    seconds: float,
) -> BackupEstimate:
    """Ask for an estimate. The sidecar has `seconds` for it. Raises `SidecarClientError`s."""
    with status_translated():
        reply = method(request, timeout=seconds, metadata=metadata)
    _require_patterns([found.pattern for found in reply.patterns])
    if any(path.pattern >= len(reply.patterns) for path in reply.paths):
        raise SourceFailed("The sidecar named a pattern that there is not.")
    return BackupEstimate(
        entries=reply.entries,
        bytes=reply.bytes,
        changed_bytes=reply.changed_bytes,
        changed_entries=reply.changed_entries,
        now_ns=reply.now_ns,
        patterns=tuple(
            PatternCount(found.pattern, found.entries, found.bytes, found.of_file, found.impossible)
            for found in reply.patterns
        ),
        paths=tuple(
            ExcludedPath(path.path, path.pattern, path.folder, path.entries, path.bytes)
            for path in reply.paths[: request.paths_limit]
        ),
        more=reply.more,
    )


def _require_patterns(patterns: Collection[bytes]) -> None:
    if len(patterns) > PATTERNS_MAX or any(len(pattern) > PATTERN_BYTES_MAX for pattern in patterns):
        raise SourceFailed("The sidecar sent more patterns than there can be.")
