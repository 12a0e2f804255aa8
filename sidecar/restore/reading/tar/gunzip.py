"""Reads a gzip file of one or more members as one stream of checked bytes, in bounded pieces."""

from __future__ import annotations

from typing import BinaryIO

from isal import igzip_lib

from pipelines.pipe import Pipe
from sidecar.errors import ArchiveDamaged, ArchiveRefused, SourceFailed

_INPUT_BYTES = 256 << 10
# The bytes fed at the beginning of a member. ISA-L misreads some optional fields that arrive in two pieces, so this is
# enough for any header. It is also few enough that the rest of a short member's bytes costs little.
_BEGIN_BYTES = 16 << 10
_OUTPUT_BYTES = 1 << 20
_PIECES_WAITING = 2


class GunzipStream:
    """The decompressed bytes of `source` (RFC 1952), read forward only.

    The CRC-32 and the length of every member are checked before the stream ends. Raises `ArchiveDamaged` for a
    truncated member, and for anything but zeros or a further member behind it; `ArchiveRefused` for more than
    `total_bytes`. A thread decompresses some MiB ahead, until `close`.
    """

    def __init__(self, source: BinaryIO, *, total_bytes: int) -> None:
        self._source = source
        self._total_bytes = total_bytes
        self._inflate = _decompressor()
        self._input = b""
        self._fed = 0
        self._at_begin = True
        self._piece = memoryview(b"")
        self.bytes_read = 0
        self.bytes_out = 0
        self._pieces: Pipe[bytes] = Pipe(_PIECES_WAITING)
        self._pieces.feed(iter(self._next_piece, b""), name="decompressing ahead")

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

    def _next_piece(self) -> bytes:
        while True:
            data = self._next_input()
            if data is None:
                return b""
            try:
                piece: bytes = self._inflate.decompress(data, _OUTPUT_BYTES)
            except igzip_lib.IsalError as error:  # type: ignore[misc]  # its stub declares an instance
                raise ArchiveDamaged("the archive's compression is damaged") from error
            if piece:
                self.bytes_out += len(piece)
                if self.bytes_out > self._total_bytes:
                    raise ArchiveRefused(f"the archive holds more than {self._total_bytes} bytes")
                return piece

    def _next_input(self) -> bytes | None:
        """The next bytes to feed; None at the end. They are empty while the decompressor has not given all it holds."""
        if self._inflate.eof:
            self._fed -= len(self._inflate.unused_data)
            if not self._find_member():
                return None
            self._inflate, self._at_begin = _decompressor(), True
        elif not self._inflate.needs_input:
            return b""
        if self._at_begin:
            self._at_begin = False
            self._fill(_BEGIN_BYTES)
            data = self._feed(_BEGIN_BYTES)
        else:
            self._fill(1)
            data = self._feed(_INPUT_BYTES)
        if not data:
            raise ArchiveDamaged("the archive is truncated")
        return data

    def _find_member(self) -> bool:
        """Skip zeros behind a member, which some devices and tools pad with; return False when nothing follows."""
        while True:
            self._fill(1)
            if self._fed == len(self._input):
                return False
            if self._input[self._fed]:
                return True
            self._input, self._fed = self._input[self._fed :].lstrip(b"\0"), 0

    def _fill(self, wanted: int) -> None:
        """Buffer at least `wanted` bytes to feed, fewer only at the end of the file."""
        while len(self._input) - self._fed < wanted and (more := self._read()):
            self._input, self._fed = self._input[self._fed :] + more, 0

    def _feed(self, most: int) -> bytes:
        data = self._input[self._fed : self._fed + most]
        self._fed += len(data)
        return data

    def _read(self) -> bytes:
        try:
            data = self._source.read(_INPUT_BYTES)
        except OSError as error:
            raise SourceFailed("the archive cannot be read") from error
        self.bytes_read += len(data)
        return data


def _decompressor() -> igzip_lib.IgzipDecompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
