"""Files of one record a line, for lists too long for memory: fields between blanks, any byte of a name kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from sidecar.restore.filesystem import Filesystem

_FLUSH_BYTES = 64 << 10


def record_line(*fields: int | bytes) -> bytes:
    """Given fields, return them as one line; `%`, blank and newline are written as `%XX`, an empty name as `%`."""
    parts = (
        b"%d" % field
        if isinstance(field, int)
        else field.replace(b"%", b"%25").replace(b" ", b"%20").replace(b"\n", b"%0A") or b"%"
        for field in fields
    )
    return b" ".join(parts) + b"\n"


def record_fields(line: bytes) -> list[bytes]:
    """Given a line without its newline, return its fields as they went in; numbers stay as their digits."""
    fields = line.split(b" ")
    if b"%" not in line:
        return fields
    return [
        b"" if field == b"%" else field.replace(b"%0A", b"\n").replace(b"%20", b" ").replace(b"%25", b"%")
        for field in fields
    ]


class RecordWriter:
    """Appends records to an open file; what is buffered gets there with `flush`."""

    def __init__(self, fd: int, filesystem: Filesystem) -> None:
        self._fd = fd
        self._filesystem = filesystem
        self._buffer = bytearray()

    def add(self, *fields: int | bytes) -> None:
        """Append one record."""
        self._buffer += record_line(*fields)
        if len(self._buffer) >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system; records are only ever cut at their ends."""
        if self._buffer:
            self._filesystem.write(self._fd, self._buffer)
            self._buffer.clear()


def records_read(file: BinaryIO, grown: RecordWriter | None = None) -> Iterator[list[bytes]]:
    """Yield the records of a file to its end. With `grown`, its own writer, records added on the way come too: a list
    that grows while it is worked off is a queue.
    """
    while True:
        line = file.readline()
        if not line and grown:
            grown.flush()
            line = file.readline()
        if not line:
            return
        yield record_fields(line.removesuffix(b"\n"))
