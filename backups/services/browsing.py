"""Browsing a backup: one folder page by page, names below a folder, one path."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from threading import Lock
from typing import Generic, TypeVar
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import User
from backups.errors import PathNotFound
from backups.formats.registry import format_of
from backups.models import Backup
from backups.rules import Rules
from backups.services.damage import damage_noted
from backups.services.downloads import DownloadSlots
from common.errors import ValidationError
from common.paths import path_parsed, path_text
from repository.browsing import Blocks, Item, children, is_folder, item_find, named
from vault.services.keys import DataKeys

SORTED_MOST = 20_000
"""A folder with more entries than this is shown by name alone: any other order needs all of them."""
ENTRIES_HELD = 60_000
"""Entries of pages, and as many of sorted folders, that a process holds."""
SEARCH_SECONDS = 5.0
"""A search ends after this time with what it has found, and goes on with the next page."""
SCANS_PER_CUSTOMER, SCANS_PER_PROCESS = 4, 8
"""Searches that run at once."""

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Sort(StrEnum):
    """The order of a folder's entries."""

    NAME = "name"
    SIZE = "size"
    MODIFIED = "modified_at"

    def of(self, item: Item) -> int | bytes:
        """The value that an item is sorted by."""
        return {Sort.SIZE: item.size, Sort.MODIFIED: item.mtime_ns}.get(self, item.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The part of a folder that is asked for. search: names that contain this, at any depth, in place of a folder's
    own entries. cursor: a place from `Entries`, empty for the beginning.
    """

    path: bytes = b""
    sort: Sort = Sort.NAME
    backwards: bool = False
    search: str = ""
    cursor: str = ""
    size: int = 100


@dataclass(frozen=True, slots=True)
class Entries:
    """A page of entries with the cursors of the pages beside it, None where there is none."""

    items: list[Item]
    next: str | None = None
    previous: str | None = None


@contextmanager
def entries_open(*, user: User, backup: Backup) -> Iterator[Blocks]:
    """The entries of a backup that the caller was found to see. Damage marks the backup.

    Raises PermissionDenied, StatusConflict, FilesUnavailable, ArchiveDamagedError, StorageUnavailableError,
    KeyUnavailable.
    """
    Rules(user=user, order=backup.order).download_require(backup)
    with damage_noted(backup), format_of(backup).entries(backup, keys=DataKeys()) as blocks:
        yield blocks


def folder_look(*, user: User, backup: Backup, look: Look) -> Entries:
    """A page of a folder's entries, or of the names that match below it.

    Raises as `entries_open`, PathNotFound, ValidationError for a cursor of another list or too large a folder to sort,
    and Throttled.
    """
    Rules(user=user, order=backup.order).download_require(backup)
    if look.search or look.sort is not Sort.NAME:
        return _looked(user, backup, look)
    return _pages.get((backup.asset_id, look), lambda: _looked(user, backup, look), size=lambda page: len(page.items))


def _looked(user: User, backup: Backup, look: Look) -> Entries:
    with entries_open(user=user, backup=backup) as blocks:
        if not is_folder(blocks, look.path):
            raise PathNotFound
        if look.search:
            with scan_slot(backup.order.customer_id):
                return _searched(blocks, look)
        return _by_name(blocks, look) if look.sort is Sort.NAME else _sorted(blocks, look, backup)


def item_get(*, user: User, backup: Backup, path: bytes) -> Item:
    """The entry of a backup at a path. Raises as `entries_open`, and PathNotFound."""
    with entries_open(user=user, backup=backup) as blocks:
        found = item_find(blocks, path) if path else None
    if found is None:
        raise PathNotFound
    return found


def _by_name(blocks: Blocks, look: Look) -> Entries:
    """The cursor is a name, and the side of it that is wanted."""
    side, name = look.cursor[:1], _cursor_path(look.cursor[1:]) if look.cursor else None
    if look.cursor and side not in (">", "<"):
        raise _cursor_wrong()
    turned = side == "<"
    walk = children(blocks, look.path, beyond=name, backwards=look.backwards != turned)
    found = list(islice(walk, look.size + 1))
    more, items = len(found) > look.size, found[: look.size]
    if turned:
        items.reverse()
    after = bool(items) and (more or turned)
    before = bool(items) and bool(look.cursor) and (more or not turned)
    return Entries(
        items,
        next=">" + _name_text(items[-1]) if after else None,
        previous="<" + _name_text(items[0]) if before else None,
    )


def _sorted(blocks: Blocks, look: Look, backup: Backup) -> Entries:
    """The cursor is a number of entries."""
    if look.cursor and not (look.cursor.isascii() and look.cursor.isdigit() and len(look.cursor) < len(str(1 << 62))):
        raise _cursor_wrong()
    start = int(look.cursor or 0)
    items = sorted(_folder(blocks, look.path, backup), key=look.sort.of, reverse=look.backwards)
    return Entries(
        items[start : start + look.size],
        next=str(start + look.size) if start + look.size < len(items) else None,
        previous=str(max(0, start - look.size)) if start else None,
    )


def _searched(blocks: Blocks, look: Look) -> Entries:
    """The cursor is the last path that was looked at."""
    beyond = _cursor_path(look.cursor) if look.cursor else None
    found: list[Item] = []
    ends_at = time.monotonic() + SEARCH_SECONDS
    for item in named(blocks, look.search.encode(), folder=look.path, beyond=beyond, checkpoint=lambda: None):
        found.append(item)
        if len(found) > look.size or time.monotonic() > ends_at:
            break
    else:
        return Entries(found)
    items = found[: look.size]
    return Entries(items, next=path_text(items[-1].path))


class _Kept(Generic[T]):
    """The parts of backups that were read last; a backup's content never changes. Thread-safe."""

    def __init__(self) -> None:
        self._held: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._turn = Lock()

    def get(self, key: Hashable, read: Callable[[], T], *, size: Callable[[T], int]) -> T:
        """The held part, else the one read now. size: the entries in it; those of all are limited."""
        with self._turn:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
                return found[0]
        made = read()
        with self._turn:
            self._held[key] = made, size(made) + 1
            while len(self._held) > 1 and sum(weight for _, weight in self._held.values()) > ENTRIES_HELD:
                self._held.popitem(last=False)
        return made


_pages: _Kept[Entries] = _Kept()
_folders: _Kept[tuple[Item, ...]] = _Kept()
_scans = DownloadSlots()


@contextmanager
def scan_slot(customer: UUID) -> Iterator[None]:
    """A place among the searches that run. Raises Throttled."""
    limits: dict[Hashable, int] = {"all": SCANS_PER_PROCESS, customer: SCANS_PER_CUSTOMER}
    _scans.take(limits)
    try:
        yield
    finally:
        _scans.give_back(limits)


def _folder(blocks: Blocks, path: bytes, backup: Backup) -> tuple[Item, ...]:
    items = _folders.get(
        (backup.asset_id, path), lambda: tuple(islice(children(blocks, path), SORTED_MOST + 1)), size=len
    )
    if len(items) > SORTED_MOST:
        said = _("This folder has more than %(count)s entries. It can be sorted by name only.")
        raise ValidationError(errors={"sort": [said % {"count": SORTED_MOST}]})
    return items


def _name_text(item: Item) -> str:
    return path_text(item.path.rpartition(b"/")[2])


def _cursor_path(text: str) -> bytes:
    try:
        return path_parsed(text)
    except ValueError:
        raise _cursor_wrong() from None


def _cursor_wrong() -> ValidationError:
    return ValidationError(errors={"cursor": [_("This is no cursor of this list.")]})


def modified_at(item: Item) -> datetime | None:
    """When an item was changed last; None for a time that no calendar has."""
    try:
        return _EPOCH + timedelta(microseconds=item.mtime_ns // 1000)
    except OverflowError:
        return None
