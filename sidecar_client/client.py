"""The portal's client of one sidecar."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Self

import grpc

from sidecar_client.archive_stream import ArchiveStream
from sidecar_client.channel import channel_open
from sidecar_client.extraction import extraction_follow, outcome_from_wire
from sidecar_client.methods import Methods
from sidecar_client.preview import preview_ask
from sidecar_client.status import status_translated
from sidecar_client.streams import replies_receive
from sidecar_client.upload import content_send
from sidecar_client.values import (
    Address,
    ArchiveProgress,
    ArchiveResult,
    ArchiveWarning,
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
from wire.enums import Mode, ServerControl
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
]


class SidecarClient:
    """Speaks to a sidecar for one operation, inside a `with`; every method may raise a `SidecarClientError`.

    Paths are the sidecar's: `/data` is the server's data root, `/tmp` its scratch folder. Callbacks are
    called by the thread that called the method.
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
        # Over TLS the certificate says who calls.
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
        """What the sidecar is and how much room it has; soon `SidecarUnavailable` when it is down."""
        with status_translated():
            reply = self._methods.describe(
                wire.DescribeRequest(ticket=self._ticket),
                timeout=self._timeouts.describe,
                metadata=self._metadata,
            )
        return SidecarInfo(
            version=reply.version,
            data_free_bytes=reply.data_free_bytes,
            scratch_free_bytes=reply.scratch_free_bytes,
            profile=reply.profile or "none",
            can_quiesce=reply.can_quiesce,
            can_stop=reply.can_stop,
        )

    def archive_stream(
        self,
        *,
        source: str,
        output: str,
        listing: str = "",
        quiesce: bool = False,
        on_progress: Callable[[ArchiveProgress], None],
        cancelled: Callable[[], bool],
    ) -> ArchiveStream:
        """Pack the folder `source` into the scratch file `output`, which is read while it is being written.

        `listing`: a scratch file that appears with the output and tells of every entry. `quiesce`: let the game hold
        its files still meanwhile, where its profile can. Both files stay until `file_delete`, unless the packing fails
        or the stream is left early.
        """
        pack = wire.CompressFilesRequest(
            ticket=self._ticket,
            sources=[source],
            output=output,
            format=wire.ARCHIVE_FORMAT_TARGZ,
            listing=listing,
            quiesce=quiesce,
        )
        read = wire.ReadFileRequest(ticket=self._ticket, path=output, follow=True)
        return ArchiveStream(
            pack=partial(self._methods.compress_files, pack, metadata=self._metadata),
            read=partial(self._methods.read_file, read, metadata=self._metadata),
            on_progress=on_progress,
            patience=Patience(stall=self._timeouts.stall, cancelled=cancelled),
        )

    def file_write(self, *, path: str, size: int, chunks: Iterable[bytes]) -> None:
        """Write a scratch file of exactly `size` bytes, which appears only when they have all arrived."""
        content_send(
            method=self._methods.write_file,
            metadata=self._metadata,
            header=wire.WriteFileRequest.Header(ticket=self._ticket, path=path, size_bytes=size),
            chunks=chunks,
            timeouts=self._timeouts,
        )

    def file_read(self, *, path: str, cancelled: Callable[[], bool]) -> Iterator[bytes]:
        """The bytes of a whole file; leaving the iteration early ends the call."""
        request = wire.ReadFileRequest(ticket=self._ticket, path=path)
        return replies_receive(
            call=self._methods.read_file(request, metadata=self._metadata),
            patience=Patience(stall=self._timeouts.stall, cancelled=cancelled),
        )

    def file_delete(self, *, path: str) -> None:
        """Remove a scratch file; one that is not there is no error."""
        with status_translated():
            self._methods.delete_file(
                wire.DeleteFileRequest(ticket=self._ticket, path=path),
                timeout=self._timeouts.reply,
                metadata=self._metadata,
            )

    def archive_extract(
        self,
        *,
        source: str,
        listing: str = "",
        destination: str,
        mode: str,
        server: ServerControl = ServerControl.AUTO,
        on_progress: Callable[[ExtractProgress], None],
        cancelled: Callable[[], bool],
    ) -> ExtractResult:
        """Bring the scratch file `source` into `destination`; joins the operation's extraction if it runs.

        `mode`: a word of `Mode`. `listing`: the archive's own, in scratch too; it tells what the backup left out.

        A cancel takes effect only before the exchange. Whoever gets an error from here, `Cancelled` included,
        learns from `extract_outcome` what became of the data.
        """
        request = wire.ExtractToRequest(
            ticket=self._ticket,
            source=source,
            listing=listing,
            destination=destination,
            mode=Mode(mode).number,
            server=server.number,
        )
        return extraction_follow(
            call=self._methods.extract_to(request, metadata=self._metadata),
            on_progress=on_progress,
            patience=Patience(stall=self._timeouts.stall, cancelled=cancelled),
        )

    def extract_outcome(self) -> ExtractOutcome:
        """What became of the operation's extraction, also after a restart of the sidecar."""
        with status_translated():
            reply = self._methods.get_extract_outcome(
                wire.GetExtractOutcomeRequest(ticket=self._ticket),
                timeout=self._timeouts.reply,
                metadata=self._metadata,
            )
        return outcome_from_wire(reply)

    def extract_release(self) -> None:
        """Let the sidecar forget the operation's extraction; only when its outcome has been recorded."""
        with status_translated():
            self._methods.release_extract(
                wire.ReleaseExtractRequest(ticket=self._ticket),
                timeout=self._timeouts.reply,
                metadata=self._metadata,
            )

    def restore_preview(
        self,
        *,
        listing: Iterable[bytes],
        mode: str,
        paths_limit: int,
        paths_after: bytes,
        cancelled: Callable[[], bool],
    ) -> RestorePreview:
        """What restoring the archive of this listing would change now; nothing is written, and no operation is needed.

        `mode`: a word of `Mode`. Names up to `paths_limit` changes, at most 1000, from the first after the path
        `paths_after` on (`b""`: from the beginning). Raises `SidecarFailed` with `archive_damaged` or `archive_refused`
        for what is wrong with the listing, and `SidecarUnavailable` when it takes too long, or while others are being
        made.
        """
        # Its fence is 0: a preview is no attempt at anything.
        header = wire.PreviewRestoreRequest.Header(
            ticket=wire.Ticket(operation=self._ticket.operation),
            mode=Mode(mode).number,
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

    def certificate_request(self) -> bytes:
        """Let the sidecar make a new key; returns its request for a certificate, PKCS #10, DER. Over TLS only."""
        with status_translated():
            reply = self._methods.request_certificate(
                wire.RequestCertificateRequest(ticket=self._ticket),
                timeout=self._timeouts.reply,
                metadata=self._metadata,
            )
        return reply.request

    def certificate_install(self, *, chain: bytes, authorities: bytes) -> None:
        """Let the sidecar use that certificate of the newest key from now on, and believe those authorities; PEM."""
        with status_translated():
            self._methods.install_certificate(
                wire.InstallCertificateRequest(ticket=self._ticket, chain=chain, authorities=authorities),
                timeout=self._timeouts.reply,
                metadata=self._metadata,
            )
