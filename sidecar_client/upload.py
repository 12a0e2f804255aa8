"""Sends content to a sidecar: files for its scratch folder, and large requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import TypeVar

import grpc
from isal import isal_zlib

from pipelines.pipe import Closed, Pipe, TimedOut
from sidecar_client.errors import SidecarFailed
from sidecar_client.status import status_translated
from sidecar_client.streams import MESSAGES_WAITING
from sidecar_client.values import Timeouts
from sidecar_client.waiting import Patience
from wire.contract import DATA_BYTES
from wire.errors import ErrorCode
from wire.framing import data_pack
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

Reply = TypeVar("Reply")


def content_send(
    *,
    method: grpc.StreamUnaryMultiCallable[bytes, wire.WriteFileReply],
    metadata: tuple[tuple[str, str], ...],
    header: wire.WriteFileRequest.Header,
    chunks: Iterable[bytes],
    timeouts: Timeouts,
) -> None:
    """Send the chunks, and compare the written size and CRC-32 with those sent.

    The calling thread reads the chunks; an error of reading them cancels the call and is raised.
    """
    size = crc32 = 0

    def counted() -> Iterator[bytes]:
        nonlocal size, crc32
        for chunk in chunks:
            size += len(chunk)
            crc32 = isal_zlib.crc32(chunk, crc32)
            yield chunk

    reply = requests_send(
        start=partial(method.future, metadata=metadata),
        header=wire.WriteFileRequest(header=header).SerializeToString(),
        field=wire.WriteFileRequest.DATA_FIELD_NUMBER,
        chunks=counted(),
        patience=Patience(stall=timeouts.stall, cancelled=lambda: False),
    )
    if (reply.size_bytes, reply.crc32) != (size, crc32):
        raise SidecarFailed(ErrorCode.ARCHIVE_DAMAGED, "The sidecar wrote other bytes than those sent.")


def requests_send(
    *,
    start: Callable[[Iterator[bytes]], grpc.CallFuture[Reply]],
    header: bytes,
    field: int,
    chunks: Iterable[bytes],
    patience: Patience,
) -> Reply:
    """Start a call and send it a serialized header, then the chunks as the requests' `field`. Returns its reply.

    At most a few messages wait in memory. The call has ended when this returns or raises. Raises `Cancelled`,
    `SidecarUnavailable` when the sidecar neither takes messages nor replies, the call's error, and errors of reading
    the chunks.
    """
    requests: Pipe[bytes] = Pipe(MESSAGES_WAITING)
    call = start(iter(requests))
    call.add_done_callback(lambda _: requests.close())
    try:
        # Closed: the sidecar takes no more messages, and its status gives the reason.
        with suppress(Closed):
            requests.put(header)
            for piece in pieces_of(chunks):
                patience.wait(partial(requests.put, data_pack(field=field, data=piece)))
        requests.finish()
        with status_translated():
            return patience.wait(partial(_result, call))
    finally:
        call.cancel()  # type: ignore[no-untyped-call] # the stubs leave its type out
        requests.close()


def _result(call: grpc.CallFuture[Reply], seconds: float) -> Reply:
    try:
        return call.result(seconds)
    except grpc.FutureTimeoutError:
        raise TimedOut from None


def pieces_of(chunks: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """The bytes in pieces of at most one message."""
    for chunk in chunks:
        if len(chunk) <= DATA_BYTES:
            yield chunk
            continue
        view = memoryview(chunk)
        for start in range(0, len(view), DATA_BYTES):
            yield view[start : start + DATA_BYTES]
