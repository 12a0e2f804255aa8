"""Restores of trees whose contents come with the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from sidecar.calls.calls import Call
from sidecar.daemon.replies import extract_reply
from sidecar.errors import ArchiveDamaged, Cancelled, Refused
from sidecar.restore.extracting import Extractions
from sidecar.restore.reading.chosen import Chosen
from sidecar.restore.reading.listed.chunks import Chunks
from sidecar.restore.reading.listed.contents import Contents, Part, PassBegins
from sidecar.restore.tree import tree_restore
from sidecar.restore.workspace.outcomes import ExtractSummary
from sidecar.scratch.scratch import Scratch
from sidecar.volumes import Volume
from wire.enums import Mode, ServerControl
from wire.framing import data_split, data_unpack
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire


class ChunkPart(NamedTuple):
    """The next bytes of a chunk, and the other fields of their message."""

    data: memoryview
    rest: wire.RestoreTreeRequest


Request = wire.RestoreTreeRequest | memoryview | ChunkPart
"""A message; one that is only the contents of files is their bytes."""


class TreeRestores:
    """Restores the trees that calls send."""

    def __init__(self, *, scratch: Scratch, extractions: Extractions) -> None:
        self._scratch = scratch
        self._extractions = extractions

    def run(
        self, call: Call, requests: Iterator[Request], *, mode: Mode,
        chosen: Chosen, safety: Path | None,
        server: ServerControl,
        volume: Volume | None,
    ) -> Iterator[wire.RestoreTreeReply]:  # fmt: skip
        """Take the listing, then follow the operation's extraction, and ask for contents. Raises `SidecarError`s."""
        listing = self._scratch.spool(_listing(call, requests))
        contents = Contents()
        contents.receive(_contents(call, requests))

        def restore(**options: Any) -> ExtractSummary:
            with closing(listing):
                return tree_restore(
                    listing=listing.read, contents=contents, mode=mode, chosen=chosen, safety=safety, **options
                )

        try:
            telling = self._extractions.run(call, restore=restore, server=server, volume=volume, fed=contents.told)
            for progress, summary in telling:
                for number, files in contents.asked():
                    yield wire.RestoreTreeReply(wanted=wire.RestoreTreeReply.Wanted(files=files, **{"pass": number}))
                yield wire.RestoreTreeReply(progress=extract_reply(progress, summary))
        finally:
            contents.refuse()


def request_read(message: bytes) -> Request:
    """A request, past the generated code if it has contents of files."""
    if (data := data_unpack(field=wire.RestoreTreeRequest.DATA_FIELD_NUMBER, message=message)) is not None:
        return data
    data, rest = data_split(field=wire.RestoreTreeRequest.CHUNK_FIELD_NUMBER, message=message)
    request = wire.RestoreTreeRequest.FromString(bytes(rest))
    return ChunkPart(data, request) if data else request


def _listing(call: Call, requests: Iterator[Request]) -> Iterator[bytes]:
    """The bytes of the listing, up to its end."""
    size = 0
    for request in requests:
        call.check()
        if not isinstance(request, wire.RestoreTreeRequest):
            break
        match request.WhichOneof("part"):
            case "listing":
                size += len(request.listing)
                yield request.listing
            case "listing_bytes" if request.listing_bytes == size:
                return
            case _:
                break
    raise ArchiveDamaged("The listing did not arrive as announced.")


def _contents(call: Call, requests: Iterator[Request]) -> Iterator[Part]:
    """The parts of the contents. A caller that goes away stops its call first."""
    chunks = Chunks()
    try:
        for request in requests:
            if isinstance(request, memoryview):
                yield request
            elif isinstance(request, ChunkPart):
                yield from _runs(chunks, request.rest.runs)
                chunks.take(request.data, size=request.rest.chunk_bytes)
            elif request.HasField("runs"):
                yield from _runs(chunks, request.runs)
            else:
                yield _part(request)
    except grpc.RpcError:
        call.stop(Cancelled("The caller went away."))
        raise Cancelled("The caller went away.") from None


def _runs(chunks: Chunks, runs: wire.Runs) -> Iterator[Part]:
    if not len(runs.chunks) == len(runs.offsets) == len(runs.lengths):
        raise Refused("The runs of contents are incomplete.")
    return chunks.pieces(zip(runs.chunks, runs.offsets, runs.lengths, strict=True))


def _part(request: wire.RestoreTreeRequest) -> Part:
    match request.WhichOneof("part"):
        case "contents_of":
            return PassBegins(request.contents_of)
        case "hole":
            return request.hole
        case "data":
            return memoryview(request.data)
        case _:
            raise Refused("Only contents may follow the listing.")
