"""The wire's methods of a snapshot: each admits its call, and works for the session of its operation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from typing import Any, Final

import grpc

from sidecar.calls.calls import Calls
from sidecar.errors import Refused
from sidecar.exclusion.service import exclude_of
from sidecar.pacing import low_priority
from sidecar.snapshot.reading import path_check, session_read
from sidecar.snapshot.scanning import session_scan
from sidecar.snapshot.sessions import Sessions
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire
from wire.tree_entries import entries_pack

_NO_REQUEST: Final = wire.ReadTreeRequest()
_SNAPSHOT_BYTES_MAX: Final = 64


class Snapshots:
    """The service of one data root's snapshots."""

    def __init__(self, *, calls: Calls, sessions: Sessions) -> None:
        self._calls = calls
        self._sessions = sessions

    def scan_tree(self, request: wire.ScanTreeRequest, context: grpc.ServicerContext) -> Iterator[wire.ScanTreeReply]:
        """Begin a session, tell its tree, and wait for its commit."""
        with (
            self._calls.running("ScanTree", request.ticket, context) as call,
            self._sessions.begun(
                call, source=request.source, quiesce=request.quiesce, exclude=exclude_of(request.exclude)
            ) as session,
        ):
            with low_priority():
                yield from session_scan(session, parent=_snapshot(request.parent), count=request.count)
            session.wait()

    def read_tree(self, requests: Iterator[wire.ReadTreeRequest], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Answer what is wanted of a session's tree."""
        first = next(requests, _NO_REQUEST)
        with self._calls.running("ReadTree", first.ticket, context) as call:
            session = self._sessions.of(call)
            asked = chain([first], requests)
            reading = session_read(session, asked, check=call.check, aside=first.aside)
            with session.used(on_end=context.cancel), low_priority(), closing(reading):
                yield from reading

    def commit_tree(self, request: wire.CommitTreeRequest, context: grpc.ServicerContext) -> wire.CommitTreeReply:
        """End a session: its snapshot is stored."""
        with self._calls.running("CommitTree", request.ticket, context) as call:
            self._sessions.of(call).commit(_snapshot(request.snapshot))
            return wire.CommitTreeReply()

    def look_tree(self, request: wire.LookTreeRequest, context: grpc.ServicerContext) -> wire.LookTreeReply:
        """Tell the file that is at a path of a session's tree now."""
        with self._calls.running("LookTree", request.ticket, context) as call:
            path_check(request.path)
            session = self._sessions.of(call)
            with session.used():
                found = session.tree.look(request.path)
            return wire.LookTreeReply(entries=entries_pack([found]) if found else None)

    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """The methods under their names on the wire. The replies of a reading come serialized."""
        return {
            "ScanTree": grpc.unary_stream_rpc_method_handler(
                self.scan_tree, wire.ScanTreeRequest.FromString, wire.ScanTreeReply.SerializeToString
            ),
            "ReadTree": grpc.stream_stream_rpc_method_handler(self.read_tree, wire.ReadTreeRequest.FromString, None),
            "CommitTree": grpc.unary_unary_rpc_method_handler(
                self.commit_tree, wire.CommitTreeRequest.FromString, wire.CommitTreeReply.SerializeToString
            ),
            "LookTree": grpc.unary_unary_rpc_method_handler(
                self.look_tree, wire.LookTreeRequest.FromString, wire.LookTreeReply.SerializeToString
            ),
        }


def _snapshot(snapshot: bytes) -> bytes:
    if len(snapshot) > _SNAPSHOT_BYTES_MAX:
        raise Refused("The request names no snapshot.")
    return snapshot
