"""Files with one record per line, for lists too long for memory: fields separated by blanks, names of any bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from trees.filesystem import Filesystem
from wire.records import record_fields, record_line

__all__ = ["RecordWriter", "record_fields", "record_line", "records_read"]

_FLUSH_BYTES = 64 << 10


class RecordWriter:
    """Appends records to an open file; `flush` writes the buffered ones."""

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
        """Write all buffered records to the file, without a sync; writes end at the end of a record."""
        if self._buffer:
            self._filesystem.write(self._fd, self._buffer)
            self._buffer.clear()


def records_read(file: BinaryIO, grown: RecordWriter | None = None) -> Iterator[list[bytes]]:
    """Yield the records of a file. With `grown`, the file's own writer, records that are added meanwhile follow: the
    list is then a queue.
    """
    while True:
        line = file.readline()
        if not line and grown:
            grown.flush()
            line = file.readline()
        if not line:
            return
        yield record_fields(line.removesuffix(b"\n"))
