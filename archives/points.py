"""Restart points of an archive: where its bytes can be made again without those before."""

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple, Self

import msgpack
import zstandard
from isal import isal_zlib

SPACING_BYTES: Final = 32 << 20
SPACING_PLAIN: Final = 1 << 30
"""A point is set after this many bytes of output, or of what was compressed: zeros give hardly any output."""


class ArchiveDiffers(Exception):
    """Bytes made now are not those of the first pass: the archive needs a new complete pass, with points of its own."""


class Point(NamedTuple):
    """A place in an archive: the output from `offset` on begins with the member at `path`, None behind the last.

    `within`: the bytes of the member before it: of its header and content in a tar archive, of its content in a zip
    archive. `crc32`, `packed`: in a `.tar.gz` the CRC-32 and the size of the tar so far, in a zip archive those of the
    unfinished file, packed. Of a zip archive alone are `files` with content that ended before, and the offset of the
    unfinished file's header. `check` is the CRC-32 of the output from here to the next point.
    """

    offset: int
    path: bytes | None
    within: int = 0
    files: int = 0
    crc32: int = 0
    packed: int = 0
    header_at: int = 0
    check: int = 0


START: Final = Point(0, b"")


class PackedFiles:
    """The CRC-32 and packed size of each file with content in a zip archive: 12 bytes each, for its directory."""

    def __init__(self, crc32s: bytes = b"", sizes: bytes = b"") -> None:
        self._crc32s = array("I", crc32s)
        self._sizes = array("Q", sizes)

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, number: int) -> tuple[int, int]:
        return self._crc32s[number], self._sizes[number]

    def add(self, crc32: int, size: int) -> None:
        """Add the next file."""
        self._crc32s.append(crc32)
        self._sizes.append(size)

    def encoded(self) -> tuple[bytes, bytes]:
        """The arguments that give an equal value."""
        return self._crc32s.tobytes(), self._sizes.tobytes()


@dataclass(frozen=True, slots=True)
class Points:
    """The result of a complete pass: the archive's size in bytes, its SHA-256, and its restart points in order.

    `edition`: that of the machine which made the pass (`formats.edition`). `files`: empty but for a zip archive.
    """

    edition: str
    size: int
    sha256: bytes
    points: tuple[Point, ...]
    files: PackedFiles

    def before(self, offset: int) -> Point:
        """The last point that is not behind an offset."""
        return self.points[bisect_right(self.points, offset, key=attrgetter("offset")) - 1]

    def encoded(self) -> bytes:
        """The points in few bytes, to be stored: some 30 for a point, and up to 12 for a file in a zip archive."""
        points = [list(point) for point in self.points]
        plain = msgpack.packb([self.edition, self.size, self.sha256, points, self.files.encoded()], use_bin_type=True)
        return zstandard.ZstdCompressor().compress(plain)

    @classmethod
    def decode(cls, stored: bytes) -> Self:
        """The value that was encoded; raises ValueError for other bytes."""
        try:
            plain = zstandard.ZstdDecompressor().decompress(stored)
            edition, size, sha256, points, files = msgpack.unpackb(plain, raw=False)
            return cls(edition, size, sha256, tuple(Point(*point) for point in points), PackedFiles(*files))
        except (zstandard.ZstdError, msgpack.UnpackException, TypeError) as error:
            raise ValueError("these are no restart points") from error


class Output:
    """Follows an archive's output from a point on: sets new points, or checks bytes made again by the `known` ones."""

    def __init__(self, start: Point = START, known: Points | None = None) -> None:
        self.offset = start.offset
        self.points: list[Point] = []
        self._open = start
        self._check = 0
        self._plain = 0
        self._known = known

    @property
    def is_due(self) -> bool:
        """Whether the next possible place is to be a point."""
        return self.offset - self._open.offset >= SPACING_BYTES or self._plain >= SPACING_PLAIN

    def add(self, data: bytes, *, plain: int = 0) -> bytes:
        """Count the next bytes, made from `plain` bytes, and return them."""
        self.offset += len(data)
        self._check = isal_zlib.crc32(data, self._check)
        self._plain += plain
        return data

    def point(self, point: Point) -> None:
        """Set a point at the current offset. Raises `ArchiveDiffers` when the output since the last one is another."""
        self._close()
        self._open, self._check, self._plain = point, 0, 0

    def finish(self) -> None:
        """The archive is complete; raises as `point`."""
        self._close()
        if self._known is not None and self.offset != self._known.size:
            raise ArchiveDiffers("the archive has another size than it had")

    def _close(self) -> None:
        point = self._open._replace(check=self._check)
        if self._known is None:
            self.points.append(point)
        elif self._known.before(point.offset) != point:
            raise ArchiveDiffers("the archive's bytes are not those of the first pass")
