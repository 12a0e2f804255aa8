"""The decompressed bytes of an archive, read ahead of the one who takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from archives.zstd_frames import MAGIC, ZstdDamaged, is_zstd, zstd_unpack
from pipelines.pipe import Pipe
from sidecar.errors import ArchiveDamaged, ArchiveRefused, SourceFailed
from sidecar.restore.reading.tar.gunzip import Gunzip

_PIECES_WAITING = 2


class Decompressed:
    """The decompressed bytes of `source`, gzip or Zstandard by its first bytes, read forward only.

    The checksum of every gzip member or Zstandard frame is checked before the stream ends. Raises `ArchiveDamaged` for
    a truncated one, and for anything that does not belong behind it; `ArchiveRefused` for more than `total_bytes`;
    `SourceFailed`. A thread decompresses some MiB ahead, until `close`.
    """

    def __init__(self, source: BinaryIO, *, total_bytes: int) -> None:
        self._source = source
        self._total_bytes = total_bytes
        self._piece = memoryview(b"")
        self.bytes_read = 0
        self.bytes_out = 0
        self._pieces: Pipe[bytes] = Pipe(_PIECES_WAITING)
        self._pieces.feed(self._counted(), name="decompressing ahead")

    def take(self, wanted: int) -> memoryview:
        """Return between 1 and `wanted` of the next bytes, or none at the end of the stream."""
        if not self._piece:
            self._piece = memoryview(self._pieces.take() or b"")
        taken, self._piece = self._piece[:wanted], self._piece[wanted:]
        return taken

    def exactly(self, wanted: int) -> bytes:
        """Return the next `wanted` bytes. Raise ArchiveDamaged when the stream ends before."""
        taken = self.take(wanted)
        if len(taken) == wanted:
            return bytes(taken)
        parts = bytearray(taken)
        while len(parts) < wanted:
            taken = self.take(wanted - len(parts))
            if not taken:
                raise ArchiveDamaged("the archive ends too early")
            parts += taken
        return bytes(parts)

    def close(self) -> None:
        """Stop reading; the source stays open."""
        self._pieces.close()

    def _counted(self) -> Iterator[bytes]:
        for piece in self._unpacked():
            self.bytes_out += len(piece)
            if self.bytes_out > self._total_bytes:
                raise ArchiveRefused(f"the archive holds more than {self._total_bytes} bytes")
            yield piece

    def _unpacked(self) -> Iterator[bytes]:
        head = self._read(len(MAGIC))
        begun = iter([head])

        def read(most: int) -> bytes:
            return next(begun, b"") or self._read(most)

        if not is_zstd(head):
            yield from Gunzip(read)
            return
        try:
            yield from zstd_unpack(read)
        except ZstdDamaged as error:
            raise ArchiveDamaged("the archive's compression is damaged, or it is truncated") from error

    def _read(self, most: int) -> bytes:
        try:
            data = self._source.read(most)
        except OSError as error:
            raise SourceFailed("the archive cannot be read") from error
        self.bytes_read += len(data)
        return data
