"""One path over all backups of a server, and names over all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import User
from backups.errors import PathNotFound
from backups.formats.registry import format_of
from backups.models import Backup
from backups.rules import Rules
from backups.selectors import backups_of
from backups.services.browsing import SEARCH_SECONDS, scan_slot
from backups.services.damage import damage_noted
from common.errors import ApplicationError
from common.paging import Page, page_read
from provisions.selectors import provision_get
from repository.browsing import Blocks, Item, ItemKind, item_find, named
from vault.services.keys import DataKeys

BACKUPS_A_PAGE = 100
FOUND_MOST = 200
"""Paths that a search over all backups names."""


@dataclass(frozen=True, slots=True)
class Version:
    """A path as one backup has it. same: as in the backup before that has it."""

    backup: Backup
    item: Item
    same: bool


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions in a page of backups, newest first. unreadable: backups of it whose files cannot be listed."""

    found: list[Version]
    unreadable: list[Backup]
    page: Page[Backup]


@dataclass(frozen=True, slots=True)
class Match:
    """A path, and the newest backup that has it."""

    backup: Backup
    item: Item


@dataclass(frozen=True, slots=True)
class Matches:
    """The paths whose names match. complete: there are no more; False when time or number ended the search."""

    found: list[Match]
    complete: bool


def versions_of(*, user: User, order_id: UUID, provision_id: UUID, path: bytes, cursor: str | None = None) -> Versions:
    """The versions of a path over a page of a server's backups.

    Raises OrderNotFound, ProvisionNotFound, PermissionDenied, ValidationError for a wrong cursor, and PathNotFound
    when the backups are one page and none of them has the path.
    """
    rows = _readable(user=user, order_id=order_id, provision_id=provision_id)
    page = page_read(rows, cursor=cursor, size=BACKUPS_A_PAGE)
    before = _before(rows, page.rows[-1]) if page.older else []
    keys, unreadable = DataKeys(), []
    _expect([*page.rows, *before])
    versions: list[Version] = []
    older: Version | None = None
    for backup in reversed([*page.rows, *before]):
        try:
            with _entries(backup, keys) as blocks:
                item = item_find(blocks, path)
        except ApplicationError:
            unreadable.append(backup)
            continue
        if item is not None:
            older = Version(backup, item, same=older is not None and _is_same(older, backup, item))
            versions.append(older)
    shown = {backup.id for backup in page.rows}
    found = [version for version in reversed(versions) if version.backup.id in shown]
    if not found and not unreadable and page.older is None and page.newer is None:
        raise PathNotFound
    return Versions(found, [backup for backup in reversed(unreadable) if backup.id in shown], page)


def names_search(*, user: User, order_id: UUID, provision_id: UUID, needle: str) -> Matches:
    """The paths of all backups of a server whose last names contain a text, those of the newest backup first.

    Letters of ASCII match in either case. Raises OrderNotFound, ProvisionNotFound, PermissionDenied, Throttled.
    """
    rows = _readable(user=user, order_id=order_id, provision_id=provision_id).order_by("-created_at", "-id")
    customer = provision_get(user=user, order_id=order_id, provision_id=provision_id).order.customer_id
    ends_at = time.monotonic() + SEARCH_SECONDS
    found: dict[bytes, Match] = {}
    complete = True
    with scan_slot(customer):
        try:
            for match in _matches(rows.iterator(chunk_size=BACKUPS_A_PAGE), needle.encode(), ends_at):
                found.setdefault(match.item.path, match)
                if len(found) > FOUND_MOST:
                    raise _TimeUp
        except _TimeUp:
            complete = False
    return Matches(list(found.values())[:FOUND_MOST], complete)


class _TimeUp(Exception):  # it is no error
    """The search has taken long enough."""


def _matches(backups: Iterable[Backup], needle: bytes, ends_at: float) -> Iterator[Match]:
    keys, searched = DataKeys(), set[Hashable]()
    for backup in backups:
        try:
            with _entries(backup, keys) as blocks:
                checkpoint = _until(ends_at)
                yield from (Match(backup, item) for item in named(
                    blocks, needle, checkpoint=checkpoint, searched=searched
                ))  # fmt: skip
        except ApplicationError:
            # Damage was noted, and the backup says so; the others are searched all the same.
            continue


def _until(ends_at: float) -> Callable[[], None]:
    def checkpoint() -> None:
        if time.monotonic() > ends_at:
            raise _TimeUp

    return checkpoint


def _readable(*, user: User, order_id: UUID, provision_id: UUID) -> QuerySet[Backup]:
    """The backups of a server that have content."""
    provision = provision_get(user=user, order_id=order_id, provision_id=provision_id)
    Rules(user=user, order=provision.order).read_require()
    rows = backups_of(user=user, order_id=order_id, provision_id=provision_id)
    return rows.filter(asset__isnull=False).select_related(
        "order", "asset__target", "asset__customer", "asset__repository__target", "asset__repository__customer"
    )


def _before(rows: QuerySet[Backup], last: Backup) -> list[Backup]:
    """The backup before the last one of a page."""
    older = rows.filter(Q(created_at__lt=last.created_at) | Q(id__lt=last.id), created_at__lte=last.created_at)
    return list(older.order_by("-created_at", "-id")[:1])


def _expect(backups: Sequence[Backup]) -> None:
    for _, group in groupby(sorted(backups, key=lambda backup: backup.format), key=lambda backup: backup.format):
        same = list(group)
        try:
            format_of(same[0]).entries_expect(same)
        except ApplicationError:
            # Each backup tells its own reason when it is opened.
            continue


@contextmanager
def _entries(backup: Backup, keys: DataKeys) -> Iterator[Blocks]:
    with damage_noted(backup), format_of(backup).entries(backup, keys=keys) as blocks:
        yield blocks


def _is_same(older: Version, backup: Backup, item: Item) -> bool:
    """Whether a path did not change since an older version: by content where known of both, else by size and time."""
    before = older.item
    if before.kind is not item.kind:
        return False
    if item.kind is ItemKind.SYMLINK:
        return before.target == item.target
    if older.backup.format == backup.format and before.content and item.content:
        return before.content == item.content
    return (before.size, before.mtime_ns) == (item.size, item.mtime_ns)
