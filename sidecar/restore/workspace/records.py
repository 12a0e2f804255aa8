"""Files of one record a line, for lists too long for memory: fields between blanks, any byte of a name kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from trees.filesystem import Filesystem
from wire.records import record_fields, record_line

__all__ = ["RecordWriter", "record_fields", "record_line", "records_read"]

_FLUSH_BYTES = 64 << 10


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
