"""Browsing an archive: its listing as blocks, in a derived file of this machine."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from typing import Any

from backups.errors import FilesUnavailable
from backups.models import Backup
from pipelines.pipe import Pipe
from repository.browsing import Item, ItemKind, numbers_below
from repository.sealing.frames import SealError
from repository.storage import StorageError
from vault.errors import ArchiveDamagedError
from vault.models import Asset
from vault.services.derived import Derived, DerivedReader, derived_of
from vault.services.keys import DataKeys
from vault.services.opening import listing_open
from wire.listing import (
    FILE,
    FOLDER,
    HARD_LINK,
    LEFT_OUT,
    SYMLINK,
    ListingDamaged,
    ListingRefused,
    entry_of_archive,
)
from wire.listing_lines import line_path, lines_read
from wire.records import name_escape, name_unescape

ENTRIES = "entries"
"""The name of the derived file."""
_TAIL = struct.Struct(">8sQ")
"""The end of it: a mark, and where the table begins that has a line with offset and first path for each block."""
_MARK = b"SVPBLOCK"
_KINDS = {FILE: ItemKind.FILE, HARD_LINK: ItemKind.FILE, FOLDER: ItemKind.FOLDER, SYMLINK: ItemKind.SYMLINK}
_FURTHER = HARD_LINK + b" "
_RUN_MOST = 16
_LINES_WAITING = 8
_SPOILT = (ListingDamaged, ListingRefused, SealError, StorageError, OSError, ValueError, struct.error)
"""The errors of a derived file that is not there, or not as it was written."""


class ArchiveBlock:
    """Some lines of a listing."""

    def __init__(self, lines: bytes) -> None:
        self._lines = lines

    @cached_property
    def rows(self) -> Sequence[bytes]:
        """The lines."""
        return self._lines.split(b"\n")[:-1]

    def path(self, row: Any) -> bytes:
        """The path of a line."""
        return line_path(row)

    def item(self, row: Any) -> Item | None:
        """A line as an item; None for a path that was left out. Raises `ListingDamaged`, `ListingRefused`."""
        entry = entry_of_archive(row)
        if entry.kind == LEFT_OUT:
            return None
        kind = _KINDS[entry.kind]
        return Item(
            entry.path,
            kind,
            size=entry.size,
            mtime_ns=entry.mtime_ns,
            mode=entry.mode,
            target=entry.link if kind is ItemKind.SYMLINK else b"",
            content=b"%d %08x" % (entry.size, entry.crc32) if kind is ItemKind.FILE else b"",
            name_of=entry.link if entry.kind == HARD_LINK else None,
        )

    def further_names(self) -> Iterator[Item]:
        """The items that are further names of files."""
        if self._lines.startswith(_FURTHER) or b"\n" + _FURTHER in self._lines:
            yield from (item for row in self.rows if row.startswith(_FURTHER) and (item := self.item(row)))

    def may_name(self, needle: bytes) -> bool:
        """Whether a path may contain these bytes."""
        return name_escape(needle).lower() in self._lines.lower()


class ArchiveBlocks:
    """The listing of an archive in blocks. The first use of a backup on this machine reads its listing once."""

    def __init__(self, backup: Backup, asset: Asset, keys: DataKeys) -> None:
        """Reads what the database has. Raises KeyUnavailable."""
        self._asset, self._stored_bytes = asset, backup.listing_bytes or 0
        self.derived: Derived = derived_of(asset, ENTRIES, keys=keys)

    @property
    def firsts(self) -> Sequence[bytes]:
        """The first path of each block."""
        return self._opened[2]

    def read(self, numbers: Sequence[int]) -> Iterator[ArchiveBlock]:
        """The blocks of these numbers, one read for those that follow each other."""
        reader, offsets, _ = self._opened
        for first, last in _runs(numbers):
            begin = offsets[first]
            held = reader.read(begin, offsets[last + 1])
            spans = [(offsets[number] - begin, offsets[number + 1] - begin) for number in range(first, last + 1)]
            blocks = [ArchiveBlock(held[low:high]) for low, high in spans]
            yield from reversed(blocks) if numbers[0] > numbers[-1] else blocks

    def further_names(self, folder: bytes) -> Iterator[Item]:
        """The further names of files in the blocks that reach below a folder, which may lie beside it, too."""
        for block in self.read(numbers_below(self, folder)):
            yield from block.further_names()

    def identity(self, number: int) -> None:  # the protocol's
        """Nothing is known of blocks of other archives."""

    @cached_property
    def _opened(self) -> tuple[DerivedReader, list[int], list[bytes]]:
        """The derived file, which is made first where it is not there or not whole; and its table."""
        with suppress(*_SPOILT):
            return _table_read(self.derived.open())
        lines: Pipe[bytes] = Pipe(_LINES_WAITING)
        try:
            listing = listing_open(self._asset, stored_bytes=self._stored_bytes)
            with closing(lines):
                # Somebody waits for it: the listing is read and inflated beside the sealing and writing.
                lines.feed(lines_read(listing.read()), name="listing")
                self.derived.store(_with_table(lines))
        except ArchiveDamagedError as error:
            raise FilesUnavailable from error
        return _table_read(self.derived.open())


def _table_read(reader: DerivedReader) -> tuple[DerivedReader, list[int], list[bytes]]:
    """A derived file, where each block of it begins, with the end of the last one, and the first paths."""
    size = reader.size
    mark, begin = _TAIL.unpack(reader.read(max(0, size - _TAIL.size), size))
    if mark != _MARK or begin > size:
        raise ListingDamaged("This is no derived listing.")
    lines = reader.read(begin, size - _TAIL.size).split(b"\n")[:-1]
    fields = [line.split(b" ") for line in lines]
    return reader, [*(int(offset) for offset, _ in fields), begin], [name_unescape(first) for _, first in fields]


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and last of numbers that follow each other, up or down, of which few are read at once."""
    run: list[int] = []
    for number in numbers:
        if run and (len(run) >= _RUN_MOST or abs(number - run[-1]) != 1):
            yield min(run), max(run)
            run = []
        run.append(number)
    if run:
        yield min(run), max(run)


def _with_table(blocks: Iterable[bytes]) -> Iterator[bytes]:
    at, table = 0, []
    for block in blocks:
        table.append(b"%d %b\n" % (at, name_escape(line_path(block.partition(b"\n")[0]))))
        at += len(block)
        yield block
    yield b"".join(table)
    yield _TAIL.pack(_MARK, at)


@contextmanager
def archive_entries(backup: Backup, keys: DataKeys) -> Iterator[ArchiveBlocks]:
    """Open an archive for browsing.

    The block raises FilesUnavailable when the listing is missing or damaged, which the archive need not be;
    StorageUnavailableError, KeyUnavailable.
    """
    if backup.asset is None or backup.listing_bytes is None:
        raise FilesUnavailable
    blocks = ArchiveBlocks(backup, backup.asset, keys)
    try:
        yield blocks
    except _SPOILT as error:
        blocks.derived.drop()
        raise FilesUnavailable from error
