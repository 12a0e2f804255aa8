"""Restores of trees: the listing is sent, then the contents that the sidecar asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from pipelines.pipe import Closed, Pipe, TimedOut
from sidecar_client.chunk_runs import ChunkSender
from sidecar_client.errors import SidecarFailed
from sidecar_client.extraction import progress_from_wire, result_from_wire, result_required
from sidecar_client.streams import MESSAGES_WAITING, ReplyStream, replies_of
from sidecar_client.upload import pieces_of
from sidecar_client.values import ExtractProgress, ExtractResult
from sidecar_client.waiting import Patience
from trees.chunk_run import ChunkRun
from wire.contract import DATA_BYTES
from wire.errors import ErrorCode
from wire.framing import data_pack
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

Contents = Callable[[Sequence[int]], Iterable[memoryview | int | ChunkRun]]
"""Given the numbers of files, yields their contents; runs in chunks only if the sidecar takes them."""

_FILES_WAITING_MAX: Final = 1 << 16
"""The most files that a sidecar may ask for before their contents were sent: it asks for some thousand."""

_READING_SECONDS: Final = 2.0
"""The wait at the end for the thread that reads contents. A storage that stalls can hold it for minutes, and no cancel
waits for that: it sends nothing more, and ends with its read."""


def tree_follow(
    *,
    start: Callable[[Iterator[bytes]], ReplyStream[wire.RestoreTreeReply]],
    header: wire.RestoreTreeRequest.Header,
    listing: Iterable[bytes],
    contents: Contents,
    on_progress: Callable[[ExtractProgress], None],
    patience: Patience,
) -> ExtractResult:
    """Start the call, send what it asks for, and report progress until the restore is done.

    Raises the restore's error, `Cancelled`, `SidecarUnavailable`, and errors of reading listing and contents.
    """
    result: ExtractResult | None = None
    sender = _Sender(header, listing, contents, alive=patience.alive)
    call = start(iter(sender.requests))
    replies: Pipe[wire.RestoreTreeReply] = Pipe(MESSAGES_WAITING)
    try:
        replies.run(partial(_forward, call, replies, sender, patience.alive), name="sidecar-replies")
        replies.run(sender.run, name="sidecar-contents")
        while (reply := patience.wait(partial(_taken, replies, sender))) is not None:
            if reply.HasField("wanted"):
                sender.ask(reply.wanted)
                continue
            on_progress(progress_from_wire(reply.progress))
            if reply.progress.HasField("result"):
                result = result_from_wire(reply.progress.result)
    finally:
        call.cancel()
        sender.close()
        replies.close(wait=_READING_SECONDS)
    return result_required(result)


def _taken(replies: Pipe[wire.RestoreTreeReply], sender: _Sender, seconds: float) -> wire.RestoreTreeReply | None:
    """The next reply. The sidecar says nothing while it waits for the listing: that is no stall of it."""
    try:
        return replies.take(seconds)
    except TimedOut:
        sender.excuse()
        raise


def _forward(
    call: ReplyStream[wire.RestoreTreeReply],
    replies: Pipe[wire.RestoreTreeReply],
    sender: _Sender,
    alive: Callable[[], None],
) -> None:
    """Put the replies of the call; with its end, nothing more is sent."""
    try:
        for reply in replies_of(call, alive=alive):
            replies.put(reply)
    finally:
        sender.close()


class _Sender:
    """Sends the requests of a call: the listing, then the contents that are asked for, batch by batch."""

    def __init__(
        self,
        header: wire.RestoreTreeRequest.Header,
        listing: Iterable[bytes],
        contents: Contents,
        *,
        alive: Callable[[], None],
    ) -> None:
        self.requests: Pipe[bytes] = Pipe(MESSAGES_WAITING)
        self._header = header
        self._listing = listing
        self._contents = contents
        self._alive = alive
        self._is_reading = False
        self._batches: Pipe[tuple[int, Sequence[int]]] = Pipe(_FILES_WAITING_MAX)
        self._number = 0
        self._last = -1
        self._asked = 0
        self._done = 0
        self._chunks = ChunkSender(self.requests.put)

    def ask(self, wanted: wire.RestoreTreeReply.Wanted) -> None:
        """Take the sidecar's request for files. Raises `SidecarFailed` for one that no sidecar makes."""
        number, files = getattr(wanted, "pass"), list(wanted.files)
        if number > self._number:
            self._number, self._last = number, -1
        ascending = all(one < other for one, other in zip([self._last, *files], files, strict=False))
        if number < self._number or not ascending or self._asked - self._done + len(files) > _FILES_WAITING_MAX:
            raise SidecarFailed(ErrorCode.INTERNAL, "The sidecar asked for contents out of order.")
        if files:
            self._last = files[-1]
            self._asked += len(files)
            with suppress(Closed):  # the call has ended meanwhile
                self._batches.put((number, files))

    def excuse(self) -> None:
        """Count the sidecar as alive while the listing is being read here."""
        if self._is_reading:
            self._alive()

    def run(self) -> None:
        """Send everything, until `close`. Raises errors of reading, and `Closed`."""
        self.requests.put(wire.RestoreTreeRequest(header=self._header).SerializeToString())
        size = 0
        for piece in pieces_of(self._read(self._listing)):
            size += len(piece)
            self.requests.put(data_pack(field=wire.RestoreTreeRequest.LISTING_FIELD_NUMBER, data=piece))
            self._alive()
        self.requests.put(wire.RestoreTreeRequest(listing_bytes=size).SerializeToString())
        sent = 0
        for number, files in self._batches:
            if number == self._number:
                if number != sent:
                    self.requests.put(wire.RestoreTreeRequest(contents_of=number).SerializeToString())
                    sent = number
                self._send(number, files)
            self._done += len(files)

    def _read(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        reading = iter(pieces)
        while True:
            self._is_reading = True
            try:
                piece = next(reading, None)
            finally:
                self._is_reading = False
            if piece is None:
                return
            yield piece

    def close(self) -> None:
        """Send nothing more."""
        self._batches.close()
        self.requests.close()

    def _send(self, number: int, files: Sequence[int]) -> None:
        """Send the contents of a batch, unless the sidecar has left its pass. Small pieces share a message."""
        held = bytearray()
        for piece in self._contents(files):
            if number != self._number:
                break
            if isinstance(piece, int):
                self._flush(held)
                self.requests.put(wire.RestoreTreeRequest(hole=piece).SerializeToString())
            elif isinstance(piece, memoryview):
                self._hold(held, piece)
            else:
                self._chunks.run(piece)
        self._flush(held)

    def _hold(self, held: bytearray, piece: memoryview) -> None:
        """Send what fills a message, and hold the rest."""
        for part in pieces_of([piece]):
            if len(held) + len(part) > DATA_BYTES:
                self._flush(held)
            if len(part) == DATA_BYTES:
                self.requests.put(_data(part))
            else:
                held += part

    def _flush(self, held: bytearray) -> None:
        self._chunks.flush()
        if held:
            self.requests.put(_data(held))
            held.clear()


def _data(data: bytes | bytearray | memoryview) -> bytes:
    return data_pack(field=wire.RestoreTreeRequest.DATA_FIELD_NUMBER, data=data)
