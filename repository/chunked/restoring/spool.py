"""Records that wait until all files are restored."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator

from repository.chunked.manifest.records import Record, records_unpack

_HELD_MAX = 4 << 20
_LENGTH = struct.Struct(">I")


class Spool:
    """A queue of records: up to 4 MiB in memory, more of them in an unnamed file in the folder `at`."""

    def __init__(self, at: int) -> None:
        folder = f"/proc/self/fd/{at}"
        self._file = tempfile.SpooledTemporaryFile(max_size=_HELD_MAX, dir=folder)  # noqa: SIM115 - closed by `close`

    def add(self, record: Record) -> None:
        """Append a record."""
        self._file.write(_LENGTH.pack(len(record.raw)) + record.raw)

    def __iter__(self) -> Iterator[Record]:
        self._file.seek(0)
        while length := self._file.read(_LENGTH.size):
            yield from records_unpack(self._file.read(_LENGTH.unpack(length)[0]))

    def close(self) -> None:
        """Drop the records."""
        self._file.close()
