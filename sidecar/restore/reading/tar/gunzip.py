"""Reads a gzip file of one or more members as one stream of checked bytes, in bounded pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from isal import igzip_lib

from sidecar.errors import ArchiveDamaged

_INPUT_BYTES = 256 << 10
# The bytes fed at the beginning of a member. ISA-L misreads some optional fields that arrive in two pieces, so this is
# enough for any header. It is also few enough that the rest of a short member's bytes costs little.
_BEGIN_BYTES = 16 << 10
_OUTPUT_BYTES = 1 << 20


class Gunzip:
    """An iterator over the content of gzip members (RFC 1952); `read` returns up to so many of the next bytes.

    The CRC-32 and the length of every member are checked before it ends. Raises `ArchiveDamaged` for a truncated
    member, and for anything but zeros or a further member behind it.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._inflate = _decompressor()
        self._input = b""
        self._fed = 0
        self._at_begin = True

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._next_piece, b"")

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
        while len(self._input) - self._fed < wanted and (more := self._read(_INPUT_BYTES)):
            self._input, self._fed = self._input[self._fed :] + more, 0

    def _feed(self, most: int) -> bytes:
        data = self._input[self._fed : self._fed + most]
        self._fed += len(data)
        return data


def _decompressor() -> igzip_lib.IgzipDecompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
