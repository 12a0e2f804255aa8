"""Sending a file into a sidecar's scratch folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import grpc
from isal import isal_zlib

from sidecar_client.contract import DATA_BYTES
from sidecar_client.errors import SidecarFailed, SidecarUnavailable
from sidecar_client.framing import data_pack
from sidecar_client.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire
from sidecar_client.status import status_translated
from sidecar_client.streams import Outgoing
from sidecar_client.values import Timeouts
from sidecar_client.waiting import Patience


def content_send(
    *,
    method: grpc.StreamUnaryMultiCallable[bytes, wire.WriteFileReply],
    metadata: tuple[tuple[str, str], ...],
    header: wire.WriteFileRequest.Header,
    chunks: Iterable[bytes],
    timeouts: Timeouts,
) -> None:
    """Send the chunks and compare what the sidecar wrote with what was sent.

    The chunks are read by the calling thread; what reading them raises cancels the call and is passed on.
    """
    requests = Outgoing()
    call = method.future(iter(requests), metadata=metadata)
    call.add_done_callback(lambda _: requests.close())
    patience = Patience(stall=timeouts.stall, cancelled=lambda: False)
    size = crc32 = 0
    try:
        requests.put(wire.WriteFileRequest(header=header).SerializeToString())
        for piece in _pieces(chunks):
            patience.wait(requests.changed, requests.room)
            if call.done():
                # The sidecar wants no more; its status says why.
                break
            requests.put(data_pack(field=wire.WriteFileRequest.DATA_FIELD_NUMBER, data=piece))
            size += len(piece)
            crc32 = isal_zlib.crc32(piece, crc32)
        requests.close()
        with status_translated():
            reply = call.result(timeout=timeouts.reply)
    except grpc.FutureTimeoutError:
        raise SidecarUnavailable("The sidecar did not confirm what was sent.") from None
    finally:
        call.cancel()  # type: ignore[no-untyped-call] # the stubs leave its type out
        requests.close()
    if (reply.size_bytes, reply.crc32) != (size, crc32):
        raise SidecarFailed("archive_damaged", "What the sidecar wrote is not what was sent.")


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes | memoryview]:
    for chunk in chunks:
        if len(chunk) <= DATA_BYTES:
            yield chunk
            continue
        view = memoryview(chunk)
        for start in range(0, len(view), DATA_BYTES):
            yield view[start : start + DATA_BYTES]
