"""Packs a live tree into a compressed tar: one thread reads ahead, the caller's thread compresses and writes."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from isal import isal_zlib

from archives.compression import Stream, stream_begin
from archives.formats import ArchiveFormat
from pipelines.pacing import NO_LIMIT, Bandwidth
from pipelines.pipe import TimedOut
from sidecar.archive.report import PackProgress, PackResult, PackWarning
from sidecar.archive.ring import Ring
from sidecar.archive.tree_reader import PACKED_BYTES_MAX, TreeReader
from sidecar.errors import Cancelled, ScratchFull
from sidecar.exclusion.counting import tree_count
from sidecar.exclusion.patterns import NO_EXCLUDE, Exclude, patterns_read
from sidecar.places.finding import NO_LINKS, places_find
from sidecar.places.links import LinkRoots
from sidecar.scan import root_open
from trees.limits import NO_ROOM
from wire.listing import ListingWriter

__all__ = ["PackProgress", "PackResult", "PackWarning", "Sink", "tree_pack"]

_PROGRESS_SECONDS: Final = 0.2


class Sink(Protocol):
    """Receives the archive. Each call takes all of the bytes, and may keep the buffer."""

    def write(self, data: bytes | bytearray | memoryview, /) -> object:
        """Take the next bytes of the archive."""
        ...


def tree_pack(  # noqa: PLR0913 - all by keyword, and none can be derived from another
    *,
    root: Path,
    sink: Sink,
    on_progress: Callable[[PackProgress], None],
    cancelled: Callable[[], bool],
    listing: Sink | None = None,
    links: LinkRoots = NO_LINKS,
    bandwidth: Bandwidth = NO_LIMIT,
    exclude: Exclude = NO_EXCLUDE,
    format_: ArchiveFormat = ArchiveFormat.TAR_GZ,
) -> PackResult:
    """Write everything below `root` to the sink as a compressed tar.

    The paths of members are relative to the root, which is no member itself. The reserved folder, devices, FIFOs and
    sockets are left out; the listing names everything that was left out. A link that `links` follow is packed as the
    folder that it leads to. Paths that `exclude` matches are left out without a warning. A file that changes while it
    is read keeps its first size, with a warning. `bandwidth` limits the content that is read a second.

    `on_progress` is called before the first byte, now and then, and once at the end; `cancelled` is called for every
    MiB. The caller's thread makes these calls, and those of `sink.write`. Another thread writes the archive's listing
    (wire/listing.py) to `listing`; it is complete before the archive is.

    Raises SourceFailed, Cancelled, and ScratchFull when a sink's disk has no room; the sinks then hold an incomplete
    archive and listing.
    """
    started_ns = time.time_ns()
    with ExitStack() as opened:
        descriptor = root_open(root)
        opened.callback(os.close, descriptor)
        places = opened.enter_context(closing(places_find(descriptor, links)))
        patterns = patterns_read(descriptor, exclude)
        counted = tree_count(descriptor, places=places, check=partial(_go_on, cancelled), patterns=patterns)
        ring = Ring()
        listed = None if listing is None else ListingWriter(_Output(listing).write, started_ns=started_ns)
        reader = TreeReader(ring, places, listed, patterns=patterns, bandwidth=bandwidth)
        progress = _Progress(reader, min(counted.kept.bytes, PACKED_BYTES_MAX), on_progress)
        # Readers of the archive plan by the total, so it is reported before the first byte.
        progress.report()
        output = _Output(sink)
        with closing(ring):
            ring.run(partial(reader.run, descriptor), name="tree-reader")
            _compress(ring, stream_begin(format_), output, progress, cancelled)
    progress.report()
    return PackResult(
        size_bytes=output.size,
        crc32=output.crc32,
        entries=reader.entries,
        content_bytes=reader.content_bytes,
        warnings_total=reader.warnings.total,
        warnings=tuple(reader.warnings.kept),
        excluded=counted.left_out,
        patterns=patterns.texts,
    )


def _go_on(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled("packing was cancelled")


def _compress(
    ring: Ring, stream: Stream, output: "_Output", progress: "_Progress", cancelled: Callable[[], bool]
) -> None:
    while True:
        _go_on(cancelled)
        progress.report_if_due()
        try:
            filled = ring.take(timeout=_PROGRESS_SECONDS)
        except TimedOut:
            continue
        if filled is None:
            break
        part = stream.compress(filled.buffer, filled.size)
        ring.give_back(filled)
        output.write(part)
    output.write(stream.finish())


class _Output:
    """The sink, with the size and the CRC-32 of the bytes written to it."""

    def __init__(self, sink: Sink) -> None:
        self.size = 0
        self.crc32 = 0
        self._sink = sink

    def write(self, data: bytes) -> None:
        try:
            self._sink.write(data)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise ScratchFull("the scratch folder's disk is full") from error
            raise
        self.size += len(data)
        self.crc32 = isal_zlib.crc32(data, self.crc32)


class _Progress:
    """Reports the reader's progress at a limited rate."""

    def __init__(self, reader: TreeReader, bytes_total: int, on_progress: Callable[[PackProgress], None]) -> None:
        self._reader = reader
        self._bytes_total = bytes_total
        self._on_progress = on_progress
        self._due = time.monotonic() + _PROGRESS_SECONDS

    def report_if_due(self) -> None:
        if time.monotonic() >= self._due:
            self.report()

    def report(self) -> None:
        self._due = time.monotonic() + _PROGRESS_SECONDS
        self._on_progress(PackProgress(self._reader.bytes_read, self._bytes_total, self._reader.files))
