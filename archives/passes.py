"""Passes over an archive that is made while it is read: a first complete one, and others from any offset on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol

from archives.edition import edition
from archives.formats import ArchiveFormat
from archives.points import START, ArchiveDiffers, Output, PackedFiles, Point, Points


class Writing(Protocol):
    """An archive that can be written any number of times, and begun at any restart point."""

    format: ArchiveFormat

    def written(self, point: Point, output: Output, files: PackedFiles, /) -> Iterator[bytes]:
        """The bytes from a point on; `files` is for a zip archive."""
        ...


class CompletePass:
    """The bytes of an archive; `points` is known once the iteration has ended. To be iterated once."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._points: Points | None = None

    def __iter__(self) -> Iterator[bytes]:
        output, files, digest = Output(), PackedFiles(), hashlib.sha256()
        for data in self._writing.written(START, output, files):
            digest.update(data)
            yield data
        made_by = edition(self._writing.format)
        self._points = Points(made_by, output.offset, digest.digest(), tuple(output.points), files)

    @property
    def points(self) -> Points:
        """The size, hash and restart points; raises ValueError before the pass is complete."""
        if self._points is None:
            raise ValueError("the pass is not complete")
        return self._points


def pass_from(writing: Writing, *, start: int = 0, points: Points | None = None) -> Iterator[bytes]:
    """The bytes of an archive from offset `start` on, none behind its end.

    With the `points` of a complete pass, at most 32 MiB of output (or 1 GiB of content) is made in vain; without them,
    everything before. Raises `ArchiveDiffers` at once when the points are of another edition, or in the iteration when
    the bytes are not those of that pass.
    """
    if start < 0:
        raise ValueError("an offset is not negative")
    if points is None:
        return _without(writing.written(START, Output(), PackedFiles()), start)
    if points.edition != edition(writing.format):
        raise ArchiveDiffers("the restart points are of another edition")
    if start >= points.size:
        return iter(())
    point = points.before(start)
    return _without(writing.written(point, Output(point, points), points.files), start - point.offset)


def _without(parts: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The bytes without the first `count`."""
    for part in parts:
        if count < len(part):
            yield part[count:] if count else part
        count = max(0, count - len(part))
