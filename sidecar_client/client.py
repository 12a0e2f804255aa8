"""The portal's client of one sidecar."""

from collections.abc import Callable, Generator, Iterable
from functools import partial
from types import TracebackType
from typing import Self

import grpc

from sidecar_client.archive_stream import ArchiveStream
from sidecar_client.channel import channel_open
from sidecar_client.describing import info_from_wire
from sidecar_client.estimate import NO_EXCLUDE, estimate_ask, exclude_message
from sidecar_client.extraction import extraction_follow, outcome_from_wire
from sidecar_client.methods import Methods
from sidecar_client.preview import preview_ask
from sidecar_client.snapshot.tree_source import TreeSource
from sidecar_client.status import status_translated
from sidecar_client.streams import replies_receive
from sidecar_client.trees import Contents, tree_follow
from sidecar_client.upload import content_send
from sidecar_client.values import (
    Address,
    ArchiveProgress,
    ArchiveResult,
    ArchiveWarning,
    BackupEstimate,
    Exclude,
    ExtractOutcome,
    ExtractProgress,
    ExtractResult,
    RestorePreview,
    SidecarInfo,
    Ticket,
    Timeouts,
    TlsIdentity,
)
from sidecar_client.waiting import Patience
from wire.enums import Mode, ServerControl, TarFormat
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

__all__ = [
    "Address",
    "ArchiveProgress",
    "ArchiveResult",
    "ArchiveStream",
    "ArchiveWarning",
    "ExtractOutcome",
    "ExtractProgress",
    "ExtractResult",
    "RestorePreview",
    "SidecarClient",
    "SidecarInfo",
    "Ticket",
    "Timeouts",
    "TlsIdentity",
    "TreeSource",
]


class SidecarClient:
    """Calls a sidecar for one operation, inside a `with`; every method may raise a `SidecarClientError`.

    Paths are the sidecar's: `/data` is the server's data root, `/tmp` its scratch folder, `/volumes/{id}` a volume that
    a restore makes. Callbacks run in the
    thread that called the method.
    """

    def __init__(
        self,
        *,
        address: str,
        token: str,
        ticket: Ticket,
        timeouts: Timeouts | None = None,
        tls: TlsIdentity | None = None,
    ) -> None:
        self._address = Address(target=address, token=token, tls=tls)
        self._ticket = wire.Ticket(operation=ticket.operation, fence=ticket.fence)
        self._timeouts = timeouts or Timeouts()
        # Over TLS the certificate identifies the caller.
        self._metadata = () if tls else (("authorization", f"Bearer {token}"),)
        self._channel: grpc.Channel | None = None

    def __enter__(self) -> Self:
        self._channel = channel_open(address=self._address)
        self._methods = Methods(self._channel)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._channel is not None:
            self._channel.close()

    def describe(self) -> SidecarInfo:
        """The sidecar's version, free room and abilities. A sidecar that is down raises `SidecarUnavailable` soon."""
        with status_translated():
            reply = self._methods.describe(
                wire.DescribeRequest(ticket=self._ticket),
                timeout=self._timeouts.describe,
                metadata=self._metadata,
            )
        return info_from_wire(reply)

    def archive_stream(  # noqa: PLR0913 - all by keyword, and none can be derived from another
        self,
        *,
        source: str,
        output: str,
        listing: str = "",
        quiesce: bool = False,
        exclude: Exclude = NO_EXCLUDE,
        format_: TarFormat = TarFormat.TARGZ,
        on_progress: Callable[[ArchiveProgress], None],
        cancelled: Callable[[], bool],
    ) -> ArchiveStream:
        """Pack the folder `source` into the scratch file `output`, and read it while it is written.

        `listing`: a scratch file that appears with the output and lists every entry. `quiesce`: ask the game to pause
        its writes meanwhile, if its profile supports that. `exclude`: the paths to leave out. Both files stay until
        `file_delete`; they are removed when packing fails or the stream is left early.
        """
        pack = wire.CompressFilesRequest(
            ticket=self._ticket,
            sources=[source],
            output=output,
            format=format_.number,
            listing=listing,
            quiesce=quiesce,
            exclude=exclude_message(exclude),
        )
        read = wire.ReadFileRequest(ticket=self._ticket, path=output, follow=True)
        return ArchiveStream(
            pack=partial(self._methods.compress_files, pack, metadata=self._metadata),
            read=partial(self._methods.read_file, read, metadata=self._metadata),
            on_progress=on_progress,
            patience=Patience(stall=self._timeouts.stall, cancelled=cancelled),
        )

    def tree_source(
        self,
        *,
        source: str,
        quiesce: bool = False,
        count: bool = False,
        exclude: Exclude = NO_EXCLUDE,
        cancelled: Callable[[], bool],
    ) -> TreeSource:
        """The folder `source` as the source of a snapshot, which is used inside a `with`.

        `quiesce`: ask the game to pause its writes meanwhile, if its profile supports that. `count`: first count the
        bytes of all files. `exclude`: the paths to leave out.
        """
        return TreeSource(
            methods=self._methods,
            metadata=self._metadata,
            ticket=self._ticket,
            source=source,
            quiesce=quiesce,
            count=count,
            exclude=exclude,
            timeouts=self._timeouts,
            cancelled=cancelled,
        )

    def file_write(self, *, path: str, size: int, chunks: Iterable[bytes]) -> None:
        """Write a scratch file of exactly `size` bytes, which appears once all of them have arrived."""
        content_send(
            method=self._methods.write_file,
            metadata=self._metadata,
            header=wire.WriteFileRequest.Header(ticket=self._ticket, path=path, size_bytes=size),
            chunks=chunks,
            timeouts=self._timeouts,
        )

    def file_read(self, *, path: str, cancelled: Callable[[], bool]) -> Generator[bytes, None, None]:
        """Yield the bytes of a whole file; leaving the iteration early ends the call."""
        request = wire.ReadFileRequest(ticket=self._ticket, path=path)
        return replies_receive(
            call=self._methods.read_file(request, metadata=self._metadata),
            patience=Patience(stall=self._timeouts.stall, cancelled=cancelled),
        )

    def file_delete(self, *, path: str) -> None:
        """Remove a scratch file; a missing file is no error."""
        with status_translated():
            self._methods.delete_file(
                wire.DeleteFileRequest(ticket=self._ticket, path=path),
                timeout=self._timeouts.reply,
                metadata=self._metadata,
            )

    def archive_extract(  # noqa: PLR0913 - all by keyword, and none can be derived from another
        self,
        *,
        source: str,
        listing: str = "",
        destination: str,
        mode: str,
        server: ServerControl = ServerControl.AUTO,
        paths: Iterable[bytes] = (),
        safety: str = "",
        on_progress: Callable[[ExtractProgress], None],
        cancelled: Callable[[], bool],
    ) -> ExtractResult:
        """Extract the scratch file `source` into `destination`; join the operation's extraction if it runs.

        `mode`: a word of `Mode`. `listing`: the scratch file with the archive's listing, which names the paths that
        the backup left out. `paths`: only these, with everything below them; none: everything. `safety`: the scratch
        file with a listing of the paths that the safety backup left out: these stay, too.

        A cancel takes effect only before the exchange. After any error, including `Cancelled`, `extract_outcome` has
        the state of the data.
        """
        request = wire.ExtractToRequest(
            ticket=self._ticket,
            source=source,
            listing=listing,
            destination=destination,
            mode=Mode(mode).number,
            server=server.number,
            paths=paths,
            safety=safety,
        )
        return extraction_follow(
            call=self._methods.extract_to(request, metadata=self._metadata),
            on_progress=on_progress,
            patience=Patience(stall=self._timeouts.stall, cancelled=cancelled),
        )

    def tree_restore(  # noqa: PLR0913 - as above
        self,
        *,
        listing: Iterable[bytes],
        contents: Contents,
        destination: str,
        mode: str,
        server: ServerControl = ServerControl.AUTO,
        paths: Iterable[bytes] = (),
        safety: str = "",
        on_progress: Callable[[ExtractProgress], None],
        cancelled: Callable[[], bool],
    ) -> ExtractResult:
        """Restore the tree of a snapshot's listing into `destination`; join the operation's extraction if it runs.

        Only contents that differ are sent. Whenever the sidecar asks for files, `contents` is called with their numbers
        among the files of the listing, in ascending order; it yields their bytes one file behind the other, a number
        being that of zeros in a hole; or runs in chunks, if the sidecar takes them. `listing` and `contents` run in a
        thread of their own. A later call may begin again with lower numbers; a call that is no longer needed is closed.

        Otherwise as `archive_extract`. Also raises errors of reading listing and contents, and `SidecarFailed` with
        `archive_damaged` when contents differ from the listing's hashes.
        """
        header = wire.RestoreTreeRequest.Header(
            ticket=self._ticket,
            destination=destination,
            mode=Mode(mode).number,
            server=server.number,
            paths=paths,
            safety=safety,
        )
        return tree_follow(
            start=partial(self._methods.restore_tree, metadata=self._metadata),
            header=header,
            listing=listing,
            contents=contents,
            on_progress=on_progress,
            patience=Patience(stall=self._timeouts.stall, cancelled=cancelled),
        )

    def extract_outcome(self, *, destination: str = "/data") -> ExtractOutcome:
        """The outcome of the operation's extraction into `destination`, also after a restart of the sidecar."""
        with status_translated():
            reply = self._methods.get_extract_outcome(
                wire.GetExtractOutcomeRequest(ticket=self._ticket, destination=destination),
                timeout=self._timeouts.reply,
                metadata=self._metadata,
            )
        return outcome_from_wire(reply)

    def extract_release(self, *, destination: str = "/data") -> None:
        """Delete the sidecar's record of the operation's extraction into `destination`. Call it once the outcome is
        stored here.
        """
        with status_translated():
            self._methods.release_extract(
                wire.ReleaseExtractRequest(ticket=self._ticket, destination=destination),
                timeout=self._timeouts.reply,
                metadata=self._metadata,
            )

    def volume_remove(self, *, volume: str) -> None:
        """Remove a volume that a restore made, with all its files; a missing volume is no error.

        A removal that takes longer than the timeout goes on without its caller.
        """
        with status_translated():
            self._methods.remove_volume(
                wire.RemoveVolumeRequest(ticket=self._ticket, volume=volume),
                timeout=self._timeouts.reply,
                metadata=self._metadata,
            )

    def restore_preview(
        self,
        *,
        listing: Iterable[bytes],
        mode: str,
        paths: Iterable[bytes] = (),
        paths_limit: int,
        paths_after: bytes,
        cancelled: Callable[[], bool],
    ) -> RestorePreview:
        """Preview the changes of restoring the archive of this listing now. Writes nothing, and needs no operation.

        `mode`: a word of `Mode`. `paths`: as for a restore. Names up to `paths_limit` changes, at most 1000, from the
        first after the path `paths_after` on (`b""`: from the beginning). Raises `SidecarFailed` with
        `archive_damaged` or `archive_refused` for a bad listing, and `SidecarUnavailable` when it takes too long or too
        many previews run.
        """
        # The fence is 0: a preview is no attempt of an operation.
        header = wire.PreviewRestoreRequest.Header(
            ticket=wire.Ticket(operation=self._ticket.operation),
            mode=Mode(mode).number,
            paths=paths,
            paths_limit=paths_limit,
            paths_after=paths_after,
        )
        return preview_ask(
            method=self._methods.preview_restore,
            metadata=self._metadata,
            header=header,
            listing=listing,
            seconds=self._timeouts.preview,
            patience=Patience(stall=self._timeouts.preview, cancelled=cancelled),
        )

    def backup_estimate(
        self, *, source: str, exclude: Exclude, changed_since_ns: int, paths_limit: int
    ) -> BackupEstimate:
        """Count what a backup of the folder `source` would hold now. Writes nothing, and needs no operation.

        `changed_since_ns`: a time in ns since 1970; files that changed before do not count as changed. Names up to
        `paths_limit` paths that would be left out, at most 1000. Raises `SidecarUnavailable` when it takes too long or
        too many estimates run.
        """
        request = wire.EstimateBackupRequest(
            ticket=wire.Ticket(operation=self._ticket.operation),
            source=source,
            exclude=exclude_message(exclude),
            changed_since_ns=changed_since_ns,
            paths_limit=paths_limit,
        )
        return estimate_ask(
            method=self._methods.estimate_backup,
            metadata=self._metadata,
            request=request,
            seconds=self._timeouts.preview,
        )

    def certificate_request(self) -> bytes:
        """Let the sidecar make a new key; return its certificate request (PKCS #10, DER). Over TLS only."""
        with status_translated():
            reply = self._methods.request_certificate(
                wire.RequestCertificateRequest(ticket=self._ticket),
                timeout=self._timeouts.reply,
                metadata=self._metadata,
            )
        return reply.request

    def certificate_install(self, *, chain: bytes, authorities: bytes) -> None:
        """Let the sidecar use this certificate of its newest key, and trust these authorities, from now on; PEM."""
        with status_translated():
            self._methods.install_certificate(
                wire.InstallCertificateRequest(ticket=self._ticket, chain=chain, authorities=authorities),
                timeout=self._timeouts.reply,
                metadata=self._metadata,
            )
