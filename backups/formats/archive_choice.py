"""Chosen paths of an archive, planned by its listing as members of another archive.

The content of an archive comes in one order only. A plan follows that order: a chosen hard link whose file was not
chosen becomes the file, at the place where its content comes. A zip archive has no links between its members, so each
further name of a file needs the content once more, and takes a place in a further pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from typing import NamedTuple

from django.utils.translation import gettext as _

from backups.errors import PathNotFound
from backups.formats.archive_contents import ArchiveBlocks
from common.errors import ValidationError
from repository.browsing import Item, item_find, named
from repository.checkpoint import go_on
from trees.paths import folders_above, paths_apart, walk_order

LINKS_MOST = 100_000
"""Further names that a plan holds in memory."""
PASSES_MOST = 8


class Planned(NamedTuple):
    """A member to be made. source: the path of the member in the stored archive that has its metadata and content.

    item: with the path that it gets, and `name_of` only where it is made as a hard link.
    """

    source: bytes
    item: Item


class ArchiveChoice:
    """Paths of an archive with everything below them and the folders above; everything without paths."""

    def __init__(self, blocks: ArchiveBlocks, paths: Sequence[bytes], *, has_links: bool) -> None:
        """has_links: whether the archive to be made can have hard links.

        Raises PathNotFound, ValidationError for too many further names, and as `archive_entries`.
        """
        self._blocks = blocks
        self._paths = paths_apart(paths) if paths else [b""]
        self._chosen = frozenset(self._paths)
        self._has_links = has_links
        self._names: dict[bytes, list[Item]] = {}
        count = 0
        for item in self._further_names():
            source = item.name_of or b""
            if has_links and (source in self._names or self.covers(source)):
                continue
            names = self._names.setdefault(source, [])
            names.append(item)
            count += 1
            if count > LINKS_MOST or len(names) > PASSES_MOST:
                said = _("Too many of these files are hard links. Choose .tar.gz or .tar.zst, or the whole backup.")
                raise ValidationError(errors={"path": [said]})

    def covers(self, path: bytes) -> bool:
        """Whether a path, or a folder above it, was chosen."""
        return path in self._chosen or any(above in self._chosen for above in folders_above(path))

    def planned(self) -> Iterator[Planned]:
        """All members, in the order in which they are made."""
        for members in self.passes():
            yield from members

    def passes(self) -> Iterator[Iterator[Planned]]:
        """The members of each pass, in the order of the stored archive."""
        moved = sorted(filter(None, map(self._moved, self._names)), key=_place)
        yield merge(self._in_place(), moved, key=_place)
        if self._has_links:
            return
        for number in range(PASSES_MOST):
            later = [(source, self._later(source)) for source in self._names]
            found = [Planned(source, _as_file(items[number])) for source, items in later if number < len(items)]
            if not found:
                return
            yield iter(sorted(found, key=_place))

    def _moved(self, source: bytes) -> Planned | None:
        """A file that was not chosen, under the first of its names that was."""
        names = self._names[source]
        return None if self.covers(source) else Planned(source, _as_file(names[0]))

    def _later(self, source: bytes) -> list[Item]:
        """The names of a file that need its content once more."""
        return self._names[source] if self.covers(source) else self._names[source][1:]

    def _in_place(self) -> Iterator[Planned]:
        """The content as it is made where it is stored."""
        for item in self._items():
            source = item.name_of
            if source is None:
                yield Planned(item.path, item)
            elif not self._has_links:
                continue
            elif self.covers(source):
                yield Planned(item.path, item)
            elif (first := self._names[source][0].path) != item.path:
                yield Planned(item.path, item._replace(name_of=first))

    def _items(self) -> Iterator[Item]:
        seen: set[bytes] = set()
        for path in self._paths:
            for above in folders_above(path)[1:]:
                if above not in seen:
                    seen.add(above)
                    yield self._item(above)
            if path:
                yield self._item(path)
            yield from named(self._blocks, b"", checkpoint=go_on, folder=path)

    def _further_names(self) -> Iterator[Item]:
        """The chosen ones, in order. Raises PathNotFound for a chosen path that is not there."""
        for path in self._paths:
            if path and self._item(path).name_of is not None:
                yield self._item(path)
            for item in self._blocks.further_names(path):
                if path in (b"", *folders_above(item.path)):
                    yield item

    def _item(self, path: bytes) -> Item:
        found = item_find(self._blocks, path)
        if found is None:
            raise PathNotFound
        return found


def _place(planned: Planned) -> bytes:
    return walk_order(planned.source)


def _as_file(item: Item) -> Item:
    return item._replace(name_of=None)
