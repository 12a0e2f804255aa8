"""Downloads of a stored archive that are made on the fly: chosen paths, or another format than it is stored in.

The stored archive is read from its beginning up to the last chosen file, whatever part of the download is wanted.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import chain, dropwhile
from tarfile import TarInfo

from archives.formats import ArchiveFormat
from archives.points import Output, PackedFiles, Point
from archives.tar_format import DIRECTORY, HARD_LINK, REGULAR, SYMBOLIC_LINK, TarMember
from archives.tar_stream import content_start, tar_write
from archives.zip_format import ZipMember
from archives.zip_stream import zip_write
from backups.formats.archive_choice import ArchiveChoice, Planned
from backups.formats.archive_contents import archive_entries
from backups.formats.archive_reading import ArchivePass
from repository.browsing import Item, ItemKind
from vault.errors import ArchiveDamagedError
from vault.models import Asset
from vault.services.keys import DataKeys
from vault.services.opening import asset_open

_THREADS = 2
_TAR_TYPES = {ItemKind.FILE: REGULAR, ItemKind.FOLDER: DIRECTORY, ItemKind.SYMLINK: SYMBOLIC_LINK}
_ZIP_TYPES = {ItemKind.FILE: 0o100000, ItemKind.FOLDER: 0o040000, ItemKind.SYMLINK: 0o120000}


class ArchiveFiles:
    """The files of a stored archive, for a download that is made of them."""

    resumable = False

    def __init__(self, asset: Asset) -> None:
        self._asset = asset
        self.verified = asset.sealed

    def open(self) -> None:
        """Check the object in storage. Raises ArchiveDamagedError, StorageUnavailableError, KeyUnavailable."""
        asset_open(self._asset)

    @contextmanager
    def writing(self, format_: ArchiveFormat, paths: tuple[bytes, ...]) -> Iterator[_Repacked]:
        """The archive of these paths. Raises as `open`, PathNotFound, FilesUnavailable, ValidationError."""
        with archive_entries(self._asset.backup, DataKeys()) as blocks:
            choice = ArchiveChoice(blocks, paths, has_links=format_ is not ArchiveFormat.ZIP)
            yield _Repacked(self._asset, choice, format_)


class _Repacked:
    """The chosen members, as another archive."""

    def __init__(self, asset: Asset, choice: ArchiveChoice, format_: ArchiveFormat) -> None:
        self.format = format_
        self._asset = asset
        self._choice = choice

    def written(self, point: Point, output: Output, files: PackedFiles) -> Iterator[bytes]:
        """The bytes from a point on."""
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="repack")
        try:
            with closing(self._members(point)) as members:
                if self.format is ArchiveFormat.ZIP:
                    made = ((_zip_member(item), content) for item, _, content in members)
                    listed = (_zip_member(planned.item) for planned in self._choice.planned())
                    yield from zip_write(made, listed=listed, output=output, files=files, start=point, pool=pool)
                else:
                    tars = ((member, content) for _, member, content in members)
                    yield from tar_write(tars, format_=self.format, output=output, start=point, pool=pool)
        finally:
            pool.shutdown(cancel_futures=True)

    def _members(self, point: Point) -> Generator[tuple[Item, TarMember, Iterator[memoryview]], None, None]:
        """The members from a point on, each to be read before the next; the first one's content begins there."""
        sought, first = point.path, bool(point.within)
        for planned in self._choice.passes() if sought is not None else ():
            rest = _beginning_at(planned, sought or b"")
            begun = next(rest, None)
            if begun is None:
                continue
            sought = b""
            with closing(ArchivePass(self._asset)) as reading:
                for source, item in chain([begun], rest):
                    found = reading.member(source)
                    member = _tar_member(item, found)
                    start = 0
                    if first:
                        is_zip = self.format is ArchiveFormat.ZIP
                        start, first = point.within if is_zip else content_start(member, point), False
                    yield item, member, _content(reading, found, item, start)


def _beginning_at(planned: Iterator[Planned], path: bytes) -> Iterator[Planned]:
    return dropwhile(lambda each: bool(path) and each.item.path != path, planned)


def _content(reading: ArchivePass, found: TarInfo, item: Item, start: int) -> Iterator[memoryview]:
    if item.kind is ItemKind.FILE and item.name_of is None:
        for piece in reading.content(found, item, start=start, stop=item.size):
            yield memoryview(piece)


def _tar_member(item: Item, found: TarInfo) -> TarMember:
    """The owner alone is not in the listing. Raises ArchiveDamagedError for a member of another type."""
    type_ = HARD_LINK if item.name_of is not None else _TAR_TYPES[item.kind]
    if found.type != type_:
        raise ArchiveDamagedError
    return TarMember(
        path=item.path,
        type=type_,
        mode=item.mode,
        uid=found.uid,
        gid=found.gid,
        mtime_ns=item.mtime_ns,
        size=0 if item.name_of is not None else item.size,
        link=item.target if item.name_of is None else item.name_of,
    )


def _zip_member(item: Item) -> ZipMember:
    return ZipMember(item.path, _ZIP_TYPES[item.kind] | item.mode, item.mtime_ns, item.size, item.target)
