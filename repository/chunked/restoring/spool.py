"""Records set aside until all files are there."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator

from repository.chunked.manifest.records import Record, records_unpack

_HELD_MAX = 4 << 20
_LENGTH = struct.Struct(">I")


class Spool:
    """Records in order: the first 4 MiB in memory, more in a file without a name in the folder `at`."""

    def __init__(self, at: int) -> None:
        folder = f"/proc/self/fd/{at}"
        self._file = tempfile.SpooledTemporaryFile(max_size=_HELD_MAX, dir=folder)  # noqa: SIM115 - closed by `close`

    def add(self, record: Record) -> None:
        """Set a record aside."""
        self._file.write(_LENGTH.pack(len(record.raw)) + record.raw)

    def __iter__(self) -> Iterator[Record]:
        self._file.seek(0)
        while length := self._file.read(_LENGTH.size):
            yield from records_unpack(self._file.read(_LENGTH.unpack(length)[0]))

    def close(self) -> None:
        """Forget the records."""
        self._file.close()
