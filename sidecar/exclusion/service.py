"""The wire's patterns, and its method that counts what a backup with them would hold."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import grpc

from sidecar.calls.calls import Call, Calls
from sidecar.errors import Busy
from sidecar.exclusion.counting import TreeCount, tree_count
from sidecar.exclusion.patterns import Exclude, InForce, patterns_read
from sidecar.pacing import low_priority
from sidecar.places.finding import places_find
from sidecar.places.links import LinkRoots
from sidecar.scratch.paths import data_folder
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

# An estimate walks all data, and occupies a call's thread: repeated calls must not occupy all threads.
ESTIMATES_AT_ONCE: Final = 2
PATHS_MAX: Final = 1000


class Estimates:
    """The service of one data root's estimates, a few at a time."""

    def __init__(self, *, root: Path, calls: Calls, links: LinkRoots) -> None:
        self._root = root
        self._calls = calls
        self._links = links
        self._free = threading.BoundedSemaphore(ESTIMATES_AT_ONCE)

    def estimate_backup(
        self, request: wire.EstimateBackupRequest, context: grpc.ServicerContext
    ) -> wire.EstimateBackupReply:
        """Count what a backup would hold, and what its patterns would leave out."""
        with self._calls.running("EstimateBackup", request.ticket, context, of_attempt=False) as call:
            return self.answer(call, request)

    def answer(self, call: Call, request: wire.EstimateBackupRequest) -> wire.EstimateBackupReply:
        """The reply to an admitted call. Raises `SidecarError`s, among them `Busy` when too many estimates run."""
        if not self._free.acquire(blocking=False):
            raise Busy("Other estimates are running on this server now: try again in a moment.")
        now_ns = time.time_ns()
        try:
            with data_folder(request.source, root=self._root) as folder, low_priority():
                patterns = patterns_read(folder, exclude_of(request.exclude))
                with closing(places_find(folder, self._links)) as places:
                    counted = tree_count(
                        folder,
                        places=places,
                        check=call.check,
                        patterns=patterns,
                        changed_since_ns=request.changed_since_ns,
                        paths_limit=min(request.paths_limit, PATHS_MAX),
                    )
            return _reply(counted, patterns, now_ns=now_ns)
        finally:
            self._free.release()

    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """The method under its name on the wire."""
        return {
            "EstimateBackup": grpc.unary_unary_rpc_method_handler(
                self.estimate_backup,
                wire.EstimateBackupRequest.FromString,
                wire.EstimateBackupReply.SerializeToString,
            )
        }


def exclude_of(message: wire.Exclude) -> Exclude:
    """The patterns of a request."""
    return Exclude(tuple(message.before), tuple(message.after), message.ignore_file)


def _reply(counted: TreeCount, patterns: InForce, *, now_ns: int) -> wire.EstimateBackupReply:
    """The counts of a backup that was not made."""
    message = wire.EstimateBackupReply(
        entries=counted.kept.entries,
        bytes=counted.kept.bytes,
        changed_bytes=counted.changed_bytes,
        changed_entries=counted.changed_entries,
        now_ns=now_ns,
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
