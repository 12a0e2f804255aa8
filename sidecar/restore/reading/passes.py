"""The packed archive, read from its beginning once for each pass over it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO

from sidecar.errors import ArchiveRefused
from sidecar.restore.reading.gzip_stream import GzipStream
from sidecar.restore.reading.limits import Limits
from sidecar.restore.reading.sparse_map import ZEROS
from sidecar.restore.reading.tar_reader import TarReader


class Archive:
    """An open `.tar.gz`. Every pass checks all of it again: what one has found does not bind the file."""

    def __init__(self, packed: BinaryIO, limits: Limits) -> None:
        self._packed = packed
        self._limits = limits
        self.packed_bytes = os.fstat(packed.fileno()).st_size

    @contextlib.contextmanager
    def read(self) -> Iterator[tuple[TarReader, Density]]:
        """Begin a pass."""
        self._packed.seek(0)
        stream = GzipStream(self._packed, total_bytes=self._limits.total_bytes)
        with contextlib.closing(stream):
            yield TarReader(stream, self._limits), Density(stream, self._limits)


class Density:
    """Tells content from holes, and keeps it in a sane relation to the archive's size."""

    def __init__(self, stream: GzipStream, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._dense = 0

    def of(self, piece: memoryview) -> int:
        """How many bytes on the volume a piece of content takes: none for a run of zeros, which stays a hole.

        Raise ArchiveRefused when it is too much for what was read of the archive.
        """
        # Comparing is cheap where it fails, and it mostly fails at an end.
        if piece.obj is ZEROS:
            return 0
        if not piece[0] and not piece[-1] and bytes(piece) == bytes(len(piece)):
            return 0
        self._dense += len(piece)
        excess = self._dense > self._stream.bytes_read * self._limits.ratio
        if excess and self._dense > self._limits.ratio_from_bytes:
            raise ArchiveRefused(f"the archive unpacks to more than {self._limits.ratio} times its size")
        return len(piece)
