"""A `.tar.gz` or `.tar.zst` as a source of members, read from its beginning once for each pass."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sidecar.errors import SourceFailed
from sidecar.restore.reading.members import Wanted
from sidecar.restore.reading.tar.decompressed import Decompressed
from sidecar.restore.reading.tar.limits import TarLimits
from sidecar.restore.reading.tar.reader import TarReader


class TarArchive:
    """An open archive. Its members take at least the bytes that it has itself."""

    def __init__(self, packed: BinaryIO, limits: TarLimits) -> None:
        self._packed = packed
        self._limits = limits
        self.least_bytes = os.fstat(packed.fileno()).st_size

    @contextlib.contextmanager
    def read(self, wanted: Wanted | None = None) -> Iterator[TarReader]:
        """Begin a pass; contents come with their members, whether or not they are wanted."""
        del wanted
        self._packed.seek(0)
        stream = Decompressed(self._packed, total_bytes=self._limits.total_bytes)
        with contextlib.closing(stream):
            yield TarReader(stream, self._limits)


@contextlib.contextmanager
def archive_opened(archive: Path, limits: TarLimits) -> Iterator[TarArchive]:
    """Open an archive. Raise SourceFailed when it cannot be read."""
    try:
        packed = archive.open("rb", buffering=0)
    except OSError as error:
        raise SourceFailed("the archive cannot be read") from error
    with packed:
        yield TarArchive(packed, limits)
