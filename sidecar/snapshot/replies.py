"""Collects answers into messages of about one MiB: Python pays for each message, hardly for a byte."""

from __future__ import annotations

from typing import Final, Protocol

from trees.source import SourceGone
from wire.contract import DATA_BYTES, SMALL_FILE_BYTES
from wire.framing import data_pack
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

_ANSWERS_MAX: Final = 1000
_VARINT_BYTES: Final = 5

Xattrs = dict[bytes, bytes] | None


class Attributes(Protocol):
    """The repeated field of a message."""

    def add(self, *, name: bytes, content: bytes) -> object:
        """Append an attribute."""
        ...


class Replies:
    """The message that is being filled. `view` is the room for content, of which `used` bytes are taken.

    Each method adds one answer or step; the caller sends `take` whenever the message `is_full`.
    """

    def __init__(self) -> None:
        self.used = 0
        self._view = memoryview(bytearray(DATA_BYTES + SMALL_FILE_BYTES))
        self._reply = wire.ReadTreeReply()
        self._small: wire.ReadTreeReply.Small | None = None
        self._runs: wire.ReadTreeReply.Runs | None = None
        self._beside = 0
        self._answers = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be added."""
        return self.used + self._beside >= DATA_BYTES or self._answers >= _ANSWERS_MAX

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not self._answers

    def room(self, size: int) -> memoryview:
        """The room for the next `size` bytes of content: fewer if the message has less."""
        limit = len(self._view) if size <= SMALL_FILE_BYTES else DATA_BYTES
        return self._view[self.used : min(self.used + size, limit)]

    def small(self, size: int, *, changed: bool = False, gone: str = "", xattrs: Xattrs = None) -> None:
        """Answer with the first `size` bytes of the room."""
        if self._small is None:
            self._small = self._reply.steps.add().small
        if changed or gone or xattrs:
            note = self._small.notes.add(index=len(self._small.sizes), changed=changed, gone=gone)
            self._attach(note.xattrs, xattrs)
        self._small.sizes.append(size)
        self._add(size)

    def opened(self, *, ranges: list[tuple[int, int]], delta: bool, head: bytes) -> None:
        """Begin to answer for a larger file."""
        flat = [offset for low_high in ranges for offset in low_high]
        self._step(wire.ReadTreeReply.Step(opened=wire.ReadTreeReply.Opened(ranges=flat, delta=delta, head=head)))
        self._beside += len(flat) * _VARINT_BYTES + len(head)

    def not_opened(self, gone: SourceGone) -> None:
        """Answer that a larger file cannot be read."""
        self._step(wire.ReadTreeReply.Step(opened=wire.ReadTreeReply.Opened(gone=str(gone))))

    def content(self, size: int) -> None:
        """Send the first `size` bytes of the room as the next ones of the open file."""
        self._step(wire.ReadTreeReply.Step(content=size), size)

    def run(self, offset: int, size: int) -> None:
        """Send the first `size` bytes of the room as changed ones at that offset of the open file."""
        if self._runs is None:
            step = self._reply.steps.add()
            self._small, self._runs = None, step.runs
        self._runs.offsets.append(offset)
        self._runs.sizes.append(size)
        self._add(size)

    def closed(self, *, hashes: bytes, changed: bool, xattrs: Xattrs) -> None:
        """End the open file."""
        closed = wire.ReadTreeReply.Closed(hashes=hashes, changed=changed)
        self._attach(closed.xattrs, xattrs)
        self._step(wire.ReadTreeReply.Step(closed=closed))
        self._beside += len(hashes)

    def broken(self, gone: SourceGone) -> None:
        """End the open file, which cannot be read to its end."""
        self._step(wire.ReadTreeReply.Step(closed=wire.ReadTreeReply.Closed(gone=str(gone))))

    def take(self) -> bytes:
        """The serialized message; the next one begins empty."""
        steps, data = self._reply.SerializeToString(), self._view[: self.used]
        message = data_pack(field=wire.ReadTreeReply.DATA_FIELD_NUMBER, data=data, rest=steps)
        self._reply = wire.ReadTreeReply()
        self._small = self._runs = None
        self.used = self._beside = self._answers = 0
        return message

    def _step(self, step: wire.ReadTreeReply.Step, size: int = 0) -> None:
        self._reply.steps.append(step)
        self._small = self._runs = None
        self._add(size)

    def _add(self, size: int) -> None:
        self.used += size
        self._answers += 1

    def _attach(self, attributes: Attributes, xattrs: Xattrs) -> None:
        for name, content in (xattrs or {}).items():
            attributes.add(name=name, content=content)
            self._beside += len(name) + len(content)


def end_pack(consistency: wire.Consistency) -> bytes:
    """The last message of a reading."""
    step = wire.ReadTreeReply.Step(end=wire.ReadTreeReply.End(consistency=consistency))
    return wire.ReadTreeReply(steps=[step]).SerializeToString()
