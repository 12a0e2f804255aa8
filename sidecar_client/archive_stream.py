"""The bytes of an archive while the sidecar is still packing it."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Self

from isal import isal_zlib

from pipelines.pipe import Pipe
from sidecar_client.errors import SourceFailed
from sidecar_client.estimate import excluded_from_wire
from sidecar_client.streams import MESSAGES_WAITING, ReplyStream, replies_of
from sidecar_client.values import ArchiveProgress, ArchiveResult, ArchiveWarning
from sidecar_client.waiting import Patience
from wire.contract import WARNINGS_KEPT
from wire.enums import Consistency, WarningKind
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire


class ArchiveStream:
    """A context manager whose iteration yields the archive's bytes; leaving it early cancels the packing.

    Iterating raises `Cancelled`, `SidecarUnavailable`, the sidecar's error, or `SourceFailed` when the bytes
    received differ from those packed. The iterating thread calls `on_progress` and `cancelled`. The total is
    reported before the first bytes are yielded. After the iteration, `result` describes the archive.
    """

    def __init__(
        self,
        *,
        pack: Callable[[], ReplyStream[wire.CompressFilesReply]],
        read: Callable[[], ReplyStream[bytes]],
        on_progress: Callable[[ArchiveProgress], None],
        patience: Patience,
    ) -> None:
        self._pack = pack
        self._read = read
        self._on_progress = on_progress
        self._patience = patience
        self._messages: Pipe[bytes | wire.CompressFilesReply] = Pipe(MESSAGES_WAITING)
        self._calls: list[ReplyStream[Any]] = []
        self._size = 0
        self._crc32 = 0
        self._reported: wire.CompressResult | None = None
        self._result: ArchiveResult | None = None
        self._content = self._receive()

    @property
    def result(self) -> ArchiveResult:
        """The packed archive; raises RuntimeError before the iteration has ended."""
        if self._result is None:
            raise RuntimeError("an archive stream has no result before it has been read to its end")
        return self._result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for call in self._calls:
            call.cancel()
        self._messages.close()

    def __iter__(self) -> Iterator[bytes]:
        return self._content

    def _receive(self) -> Iterator[bytes]:
        self._fetch(self._pack())
        planned = reading = False
        while True:
            message = self._patience.wait(self._messages.take)
            if isinstance(message, bytes):
                self._size += len(message)
                self._crc32 = isal_zlib.crc32(message, self._crc32)
                yield message
                continue
            if message is not None:
                planned = message.bytes_total > 0
                self._follow(message)
            # The output can be read from the first reply on, but the total, if any, is reported first.
            if not reading and (planned or message is None):
                reading = True
                self._fetch(self._read())
            elif message is None:
                break
        self._result = self._checked()

    def _fetch(self, call: ReplyStream[Any]) -> None:
        self._calls.append(call)
        self._messages.feed(replies_of(call, alive=self._patience.alive), name="sidecar-replies")

    def _follow(self, reply: wire.CompressFilesReply) -> None:
        if reply.HasField("result"):
            self._reported = reply.result
        self._on_progress(
            ArchiveProgress(bytes_read=reply.bytes_read, bytes_total=reply.bytes_total, files=reply.files)
        )

    def _checked(self) -> ArchiveResult:
        reported = self._reported
        if reported is None:
            raise SourceFailed("The sidecar sent no result of the packing.")
        if (self._size, self._crc32) != (reported.size_bytes, reported.crc32):
            raise SourceFailed("The archive's bytes differ from those packed.")
        return ArchiveResult(
            size_bytes=self._size,
            crc32=self._crc32,
            entries=reported.entries,
            warnings_total=reported.warnings_total,
            warnings=warnings_from_wire(reported.warnings),
            content_bytes=reported.content_bytes,
            # A missing or unknown value counts as the weakest consistency.
            consistency=Consistency.of(reported.consistency) or Consistency.LIVE,
            excluded=excluded_from_wire(reported.excluded),
        )


def warnings_from_wire(warnings: Iterable[wire.Warning]) -> tuple[ArchiveWarning, ...]:
    """The first 1000 warnings; raises `SourceFailed` for one that this portal does not know."""
    return tuple(_warning(warning) for warning in islice(warnings, WARNINGS_KEPT))


def _warning(warning: wire.Warning) -> ArchiveWarning:
    kind = WarningKind.of(warning.kind)
    if kind is None:
        raise SourceFailed("The sidecar sent a warning that the portal does not know.")
    return ArchiveWarning(kind=kind, path=warning.path)
