"""A snapshot, or some of its paths, as a `.tar.gz`, `.tar.zst` or `.zip` that is made while it is read.

The archive is stored nowhere. The same snapshot, paths and format give the same bytes on every machine of one edition
(`archives.formats`), so a download can be resumed (`archives.passes`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from itertools import chain

from archives.formats import ArchiveFormat
from archives.points import Output, PackedFiles, Point
from archives.tar_stream import Member, content_start, tar_write
from archives.zip_stream import zip_write
from repository.checkpoint import Checkpoint, go_on
from repository.chunked.contents.reading import Piece, contents_read
from repository.chunked.contents.selection import Entry, Selection
from repository.chunked.exporting.members import TarMembers, hard_links_resolved, members_of, zip_member
from repository.chunked.manifest.records import Record
from repository.chunked.repository import Repository


class SnapshotArchive:
    """An archive of a snapshot, or of `paths` with all below them.

    Files come in the manifest's order; what the backup left out is missing. A tar archive has hard links as links; a
    zip archive has the file at each name. Holes are zeros. `threads` threads read ahead, and as many compress.
    `checkpoint` raises to end a pass. Needs about 64 MiB, and in a zip archive 12 bytes for each file.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        snapshot: bytes,
        paths: Sequence[bytes] | None,
        format: ArchiveFormat,  # noqa: A002  # as people call it
        checkpoint: Checkpoint = go_on,
        threads: int = 2,
    ) -> None:
        """Raises `PathNotFound`, `SnapshotNotFound`, `Damage`, `StorageError`."""
        self.format = format
        self._repository = repository
        self._chunks = repository.chunks()
        self._checkpoint = checkpoint
        self._threads = threads
        try:
            self._selection = Selection(repository.manifest(snapshot, self._chunks), paths)
            self._selection.check()
        finally:
            repository.damage.settle()

    def written(self, point: Point, output: Output, files: PackedFiles) -> Iterator[bytes]:
        """The bytes from a point on; `files` is for a zip archive.

        Raises `ContentDamaged`, `Damage`, `StorageError`, and `archives.zip_format.NameTooLong`: the bytes so far are
        then no archive.
        """
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="export")
        try:
            if self.format is ArchiveFormat.ZIP:
                yield from self._zip(point, output, files, pool)
            else:
                yield from self._tar(point, output, pool)
        finally:
            pool.shutdown(cancel_futures=True)

    def members(self) -> Generator[Member, None, None]:
        """All members of the archive with their content, each to be read before the next one.

        A damaged file raises `ContentDamaged`, and the next member can be requested. Raises `Damage`, `StorageError`.
        """
        return self._members(TarMembers(self._selection), members_of(self._selection), 0)

    def _tar(self, point: Point, output: Output, pool: Executor) -> Iterator[bytes]:
        make = TarMembers(self._selection)
        entries = members_of(self._selection, point.path or b"")
        start = 0
        if point.path and point.within and (first := next(entries, None)) is not None:
            start = content_start(make.member(first[0]), point)
            entries = chain([first], entries)
        with closing(self._members(make, entries, start)) as members:
            yield from tar_write(members, format_=self.format, output=output, start=point, pool=pool)

    def _members(self, make: TarMembers, entries: Iterator[Entry], start: int) -> Generator[Member, None, None]:
        with closing(self._read(entries, start)) as read:
            for record, pieces in read:
                yield make.member(record), pieces

    def _zip(self, point: Point, output: Output, files: PackedFiles, pool: Executor) -> Iterator[bytes]:
        entries = hard_links_resolved(self._selection, point.path or b"")
        listed = (zip_member(record) for record, _ in hard_links_resolved(self._selection))
        with closing(self._read(entries, point.within)) as read:
            members = ((zip_member(record), pieces) for record, pieces in read)
            yield from zip_write(members, listed=listed, output=output, files=files, start=point, pool=pool)

    def _read(self, entries: Iterator[Entry], start: int) -> Generator[tuple[Record, Iterator[Piece]], None, None]:
        return contents_read(
            self._repository,
            entries,
            chunks=self._chunks,
            start=start,
            threads=self._threads,
            checkpoint=self._checkpoint,
        )
