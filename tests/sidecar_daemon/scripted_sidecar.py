"""A scripted sidecar at the edge of the wire: it lies, stops early, or never answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from isal import isal_zlib

from sidecar_client.client import SidecarClient, Ticket, Timeouts
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2_grpc

CONTENT = b"an archive" * 1000
STALL_SECONDS = 1.0


class ScriptedSidecar(sidecar_pb2_grpc.FileIOServicer):
    """Honest unless an attribute is replaced; `released` is set at the end of the test."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.content = [CONTENT]
        self.result: wire.CompressResult | None = wire.CompressResult(
            size_bytes=len(CONTENT), crc32=isal_zlib.crc32(CONTENT), entries=1
        )
        self.written: Callable[[bytes], wire.WriteFileReply] = lambda data: wire.WriteFileReply(
            size_bytes=len(data), crc32=isal_zlib.crc32(data)
        )
        self.extract = [
            wire.ExtractToReply(phase=wire.ExtractToReply.PHASE_STAGING),
            wire.ExtractToReply(phase=wire.ExtractToReply.PHASE_DONE, result=wire.ExtractResult(files=1)),
        ]
        self.listed = threading.Event()
        self.listed.set()
        self.tree: list[wire.RestoreTreeReply] = []
        self.outcome = wire.GetExtractOutcomeReply(outcome=wire.GetExtractOutcomeReply.OUTCOME_NONE)
        self.silent_at: set[str] = set()
        self.failure: tuple[grpc.StatusCode, str, str | None] | None = None

    def _step(self, name: str, context: grpc.ServicerContext) -> None:
        if self.failure is not None:
            status, detail, code = self.failure
            if code is not None:
                context.set_trailing_metadata((("savepoint-code", code),))
            context.abort(status, detail)
        if name in self.silent_at:
            self.released.wait()

    def Describe(self, request: wire.DescribeRequest, context: grpc.ServicerContext) -> wire.DescribeReply:  # noqa: N802
        self._step("Describe", context)
        return wire.DescribeReply(version="scripted")

    def CompressFiles(  # noqa: N802
        self, request: wire.CompressFilesRequest, context: grpc.ServicerContext
    ) -> Iterator[wire.CompressFilesReply]:
        self._step("CompressFiles", context)
        yield wire.CompressFilesReply()
        while "heartbeats only" in self.silent_at and not self.released.wait(STALL_SECONDS / 5):
            yield wire.CompressFilesReply()
        self._step("CompressFiles end", context)
        yield wire.CompressFilesReply(result=self.result)

    def ReadFile(  # noqa: N802
        self, request: wire.ReadFileRequest, context: grpc.ServicerContext
    ) -> Iterator[wire.ReadFileReply]:
        self._step("ReadFile", context)
        for data in self.content:
            yield wire.ReadFileReply(data=data)
        self._step("ReadFile end", context)

    def WriteFile(  # noqa: N802
        self, requests: Iterator[wire.WriteFileRequest], context: grpc.ServicerContext
    ) -> wire.WriteFileReply:
        self._step("WriteFile", context)
        data = b"".join(request.data for request in requests)
        self._step("WriteFile end", context)
        return self.written(data)

    def ExtractTo(  # noqa: N802
        self, request: wire.ExtractToRequest, context: grpc.ServicerContext
    ) -> Iterator[wire.ExtractToReply]:
        self._step("ExtractTo", context)
        yield from self.extract
        self._step("ExtractTo end", context)

    def RestoreTree(  # noqa: N802
        self, requests: Iterator[wire.RestoreTreeRequest], context: grpc.ServicerContext
    ) -> Iterator[wire.RestoreTreeReply]:
        self._step("RestoreTree", context)
        self.listed.wait()
        yield from self.tree
        self._step("RestoreTree end", context)
        yield from (wire.RestoreTreeReply(progress=reply) for reply in self.extract)

    def GetExtractOutcome(  # noqa: N802
        self, request: wire.GetExtractOutcomeRequest, context: grpc.ServicerContext
    ) -> wire.GetExtractOutcomeReply:
        self._step("GetExtractOutcome", context)
        return self.outcome


@contextmanager
def serving(scripted: ScriptedSidecar) -> Iterator[SidecarClient]:
    """A client of the scripted sidecar, with short timeouts."""
    with ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool)
        sidecar_pb2_grpc.add_FileIOServicer_to_server(scripted, server)
        port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
        server.start()
        try:
            with SidecarClient(
                address=f"127.0.0.1:{port}",
                token="any",
                ticket=Ticket(operation="operation", fence=1),
                timeouts=Timeouts(describe=STALL_SECONDS, reply=STALL_SECONDS, stall=STALL_SECONDS),
            ) as client:
                yield client
        finally:
            scripted.released.set()
            server.stop(None).wait()
