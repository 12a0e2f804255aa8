"""The wire's methods: each admits its call, delegates the work, and answers in messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import grpc

from archives.formats import ArchiveFormat
from pipelines.pacing import Bandwidth
from sidecar.archive.compressing import Compressions
from sidecar.calls.calls import Calls
from sidecar.daemon.files import FileCalls
from sidecar.daemon.replies import compress_reply, extract_reply, game_message, outcome_reply, preview_reply
from sidecar.daemon.trees import Request, TreeRestores, request_read
from sidecar.errors import ArchiveRefused, Refused
from sidecar.exclusion.service import exclude_of
from sidecar.game.game import Game
from sidecar.places.links import LinkRoots
from sidecar.preview.calls import Previews
from sidecar.restore.archive import archive_extract
from sidecar.restore.extracting import Extractions
from sidecar.restore.reading.chosen import Chosen
from sidecar.scratch.paths import require_data_root, scratch_name
from sidecar.scratch.scratch import Scratch, free_bytes
from sidecar.volumes import VOLUMES, Volume
from wire.enums import Mode, ServerControl, TarFormat
from wire.framing import data_pack, data_unpack
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

_NO_HEADER: Final = wire.WriteFileRequest.Header()
_NO_PREVIEW_HEADER: Final = wire.PreviewRestoreRequest.Header()
_NO_TREE_HEADER: Final = wire.RestoreTreeRequest.Header()


class FileIO:
    """The service of one data root and one scratch folder."""

    def __init__(
        self,
        *,
        root: Path,
        scratch: Scratch,
        calls: Calls,
        extractions: Extractions,
        game: Game,
        links: LinkRoots,
        bandwidth: Bandwidth,
    ) -> None:
        self._root = root
        self._scratch = scratch
        self._calls = calls
        self._extractions = extractions
        self._game = game
        self._compressions = Compressions(
            root=root, scratch=scratch, calls=calls, game=game, links=links, bandwidth=bandwidth
        )
        self._previews = Previews(root=root, links=links)
        self._trees = TreeRestores(scratch=scratch, extractions=extractions)
        self._files = FileCalls(root=root, scratch=scratch, calls=calls, compressions=self._compressions)

    def describe(self, request: wire.DescribeRequest, context: grpc.ServicerContext) -> wire.DescribeReply:
        """Describe this sidecar: version, capabilities and free space."""
        # The fence 0 is that of a call without an operation: it must not push out the fences of others.
        with self._calls.running("Describe", request.ticket, context, of_attempt=request.ticket.fence > 0):
            return wire.DescribeReply(
                version=_version(),
                data_free_bytes=free_bytes(self._root),
                scratch_free_bytes=self._scratch.free_bytes(),
                profile=self._game.name,
                can_quiesce=self._game.can_quiesce,
                can_stop=self._game.can_stop,
                can_make_volumes=self._extractions.volumes.offered,
                takes_chunks=True,
                game=game_message(self._game.seen),
            )

    def compress_files(
        self, request: wire.CompressFilesRequest, context: grpc.ServicerContext
    ) -> Iterator[wire.CompressFilesReply]:
        """Pack one folder into one archive."""
        with self._calls.running("CompressFiles", request.ticket, context) as call:
            format_ = TarFormat.of(request.format)
            if format_ is None:
                raise Refused("The archive format is unknown to this sidecar.")
            if len(request.sources) != 1:
                raise Refused("An archive has exactly one source.")
            packing = self._compressions.run(
                call,
                source=request.sources[0],
                output=request.output,
                listing=request.listing,
                quiesce=request.quiesce,
                exclude=exclude_of(request.exclude),
                format_=ArchiveFormat(format_),
            )
            for told in packing:
                yield compress_reply(*told)

    def read_file(self, request: wire.ReadFileRequest, context: grpc.ServicerContext) -> Iterator[bytes]:
        """The bytes of a file, in serialized messages."""
        with self._calls.running("ReadFile", request.ticket, context) as call:
            parts = self._files.read(call, path=request.path, offset=request.offset, follow=request.follow)
            for data in parts:
                yield data_pack(field=wire.ReadFileReply.DATA_FIELD_NUMBER, data=data)

    def write_file(
        self, requests: Iterator[wire.WriteFileRequest | memoryview], context: grpc.ServicerContext
    ) -> wire.WriteFileReply:
        """Write a file; requests after the first are its bytes."""
        first = next(requests, None)
        header = _NO_HEADER if first is None or isinstance(first, memoryview) else first.header
        with self._calls.running("WriteFile", header.ticket, context) as call:
            parts = (_part(request) for request in requests)
            written = self._files.write(call, path=header.path, size=header.size_bytes, parts=parts)
            return wire.WriteFileReply(size_bytes=written.size_bytes, crc32=written.crc32)

    def delete_file(self, request: wire.DeleteFileRequest, context: grpc.ServicerContext) -> wire.DeleteFileReply:
        """Remove a file."""
        with self._calls.running("DeleteFile", request.ticket, context):
            self._files.delete(path=request.path)
            return wire.DeleteFileReply()

    def extract_to(
        self, request: wire.ExtractToRequest, context: grpc.ServicerContext
    ) -> Iterator[wire.ExtractToReply]:
        """Extract an archive into the data root or a new volume, or follow the running extraction of the operation."""
        with self._calls.running("ExtractTo", request.ticket, context) as call:
            volume = self._volume(request.destination)
            archive = self._scratch.files / scratch_name(request.source)
            listing = self._scratch_path(request.listing)
            restore = partial(
                archive_extract,
                archive=archive,
                listing=listing,
                mode=_mode(request.mode),
                chosen=_chosen(request.paths),
                safety=self._scratch_path(request.safety),
            )
            server = _server(request.server)
            for told in self._extractions.run(call, restore=restore, server=server, volume=volume):
                yield extract_reply(*told)

    def restore_tree(
        self, requests: Iterator[Request], context: grpc.ServicerContext
    ) -> Iterator[wire.RestoreTreeReply]:
        """Restore a tree from its listing, or follow the running extraction of the operation; requests after the
        listing are the contents that the replies ask for.
        """
        first = next(requests, None)
        header = first.header if isinstance(first, wire.RestoreTreeRequest) else _NO_TREE_HEADER
        with self._calls.running("RestoreTree", header.ticket, context) as call:
            yield from self._trees.run(
                call,
                requests,
                mode=_mode(header.mode),
                chosen=_chosen(header.paths),
                safety=self._scratch_path(header.safety),
                server=_server(header.server),
                volume=self._volume(header.destination),
            )

    def get_extract_outcome(
        self, request: wire.GetExtractOutcomeRequest, context: grpc.ServicerContext
    ) -> wire.GetExtractOutcomeReply:
        """Return the outcome of the operation's extraction."""
        with self._calls.running("GetExtractOutcome", request.ticket, context) as call:
            volume = self._volume(request.destination) if request.destination else None
            return outcome_reply(self._extractions.outcome(operation=call.operation, volume=volume))

    def release_extract(
        self, request: wire.ReleaseExtractRequest, context: grpc.ServicerContext
    ) -> wire.ReleaseExtractReply:
        """Remove the record of the operation's extraction."""
        with self._calls.running("ReleaseExtract", request.ticket, context) as call:
            volume = self._volume(request.destination) if request.destination else None
            self._extractions.release(operation=call.operation, volume=volume)
            return wire.ReleaseExtractReply()

    def remove_volume(self, request: wire.RemoveVolumeRequest, context: grpc.ServicerContext) -> wire.RemoveVolumeReply:
        """Remove a volume that a restore made."""
        with self._calls.running("RemoveVolume", request.ticket, context) as call:
            volume = self._extractions.volumes.named(request.volume)
            self._extractions.volume_remove(operation=call.operation, volume=volume)
            return wire.RemoveVolumeReply()

    def preview_restore(
        self, requests: Iterator[wire.PreviewRestoreRequest | memoryview], context: grpc.ServicerContext
    ) -> wire.PreviewRestoreReply:
        """Compute the changes that a restore would make; requests after the first carry the archive's listing."""
        first = next(requests, None)
        header = _NO_PREVIEW_HEADER if first is None or isinstance(first, memoryview) else first.header
        with self._calls.running("PreviewRestore", header.ticket, context, of_attempt=False) as call:
            preview = self._previews.run(
                call,
                parts=(_part(request) for request in requests),
                mode=_mode(header.mode),
                chosen=_chosen(header.paths),
                paths_limit=header.paths_limit,
                paths_after=header.paths_after,
            )
            return preview_reply(preview)

    def _volume(self, destination: str) -> Volume | None:
        """The volume that a destination names; None for the data. Raises Refused for any other path."""
        if destination.startswith(VOLUMES):
            return self._extractions.volumes.named(destination)
        require_data_root(destination)
        return None

    def _scratch_path(self, name: str) -> Path | None:
        """The scratch file of a name on the wire, None for none. Raises `Refused`."""
        return self._scratch.files / scratch_name(name) if name else None

    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """The methods under their names on the wire. File content bypasses the generated code."""
        return {
            "Describe": grpc.unary_unary_rpc_method_handler(
                self.describe, wire.DescribeRequest.FromString, wire.DescribeReply.SerializeToString
            ),
            "CompressFiles": grpc.unary_stream_rpc_method_handler(
                self.compress_files,
                wire.CompressFilesRequest.FromString,
                wire.CompressFilesReply.SerializeToString,
            ),
            "ReadFile": grpc.unary_stream_rpc_method_handler(self.read_file, wire.ReadFileRequest.FromString, None),
            "WriteFile": grpc.stream_unary_rpc_method_handler(
                self.write_file, _write_request, wire.WriteFileReply.SerializeToString
            ),
            "DeleteFile": grpc.unary_unary_rpc_method_handler(
                self.delete_file, wire.DeleteFileRequest.FromString, wire.DeleteFileReply.SerializeToString
            ),
            "ExtractTo": grpc.unary_stream_rpc_method_handler(
                self.extract_to, wire.ExtractToRequest.FromString, wire.ExtractToReply.SerializeToString
            ),
            "RestoreTree": grpc.stream_stream_rpc_method_handler(
                self.restore_tree, request_read, wire.RestoreTreeReply.SerializeToString
            ),
            "GetExtractOutcome": grpc.unary_unary_rpc_method_handler(
                self.get_extract_outcome,
                wire.GetExtractOutcomeRequest.FromString,
                wire.GetExtractOutcomeReply.SerializeToString,
            ),
            "ReleaseExtract": grpc.unary_unary_rpc_method_handler(
                self.release_extract,
                wire.ReleaseExtractRequest.FromString,
                wire.ReleaseExtractReply.SerializeToString,
            ),
            "RemoveVolume": grpc.unary_unary_rpc_method_handler(
                self.remove_volume, wire.RemoveVolumeRequest.FromString, wire.RemoveVolumeReply.SerializeToString
            ),
            "PreviewRestore": grpc.stream_unary_rpc_method_handler(
                self.preview_restore, _preview_request, wire.PreviewRestoreReply.SerializeToString
            ),
        }


def _write_request(message: bytes) -> wire.WriteFileRequest | memoryview:
    data = data_unpack(field=wire.WriteFileRequest.DATA_FIELD_NUMBER, message=message)
    return wire.WriteFileRequest.FromString(message) if data is None else data


def _preview_request(message: bytes) -> wire.PreviewRestoreRequest | memoryview:
    data = data_unpack(field=wire.PreviewRestoreRequest.LISTING_FIELD_NUMBER, message=message)
    return wire.PreviewRestoreRequest.FromString(message) if data is None else data


def _part(request: wire.WriteFileRequest | wire.PreviewRestoreRequest | memoryview) -> bytes | memoryview:
    if isinstance(request, memoryview):
        return request
    if request.HasField("header"):
        raise Refused("Only the first message may be a header.")
    return request.data if isinstance(request, wire.WriteFileRequest) else request.listing


def _mode(number: wire.ExtractMode) -> Mode:
    mode = Mode.of(number)
    if mode is None:
        raise Refused("The mode is unknown to this sidecar.")
    return mode


def _server(number: wire.ServerControl) -> ServerControl:
    server = ServerControl.of(number)
    if server is None:
        raise Refused("The control of the game server is unknown to this sidecar.")
    return server


def _chosen(paths: Iterable[bytes]) -> Chosen:
    try:
        return Chosen(paths)
    except ArchiveRefused as error:
        raise Refused("A chosen path is none that a backup can have.") from error


def _version() -> str:
    try:
        return metadata.version("savepoint")
    except metadata.PackageNotFoundError:
        return "unreleased"
