"""The other door to the files: a path over all backups of the server, and names over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from backups.errors import BackupNotFound
from backups.models import Backup
from backups.rules import Rules, refusal
from backups.selectors import order_backup_get
from backups.services.browsing import modified_at
from backups.services.files import TEXT_BYTES_MAX, DiffLine, file_get, file_head, text_of, texts_compare
from backups.services.versions import BACKUPS_A_PAGE, Version, Versions, names_search, versions_of
from backups.web.files import PATH, SEARCH_LENGTH_MAX, EntryRow, entry_row, file_address, folder_address, path_asked
from backups.web.order import OrderPageView
from common.paging import CURSOR
from common.paths import path_text
from orders.models import Order
from provisions.models import Provision
from provisions.selectors import provisions_of
from repository.browsing import Item, ItemKind


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A path as one backup has it. compare: the address of its comparison with the version before, if there is any."""

    backup: Backup
    same: bool
    first: bool
    size_bytes: int | None
    changed_at: datetime | None
    address: str
    download: str
    restore: str
    compare: str


@dataclass(frozen=True, slots=True)
class MatchRow:
    """A path that a search found, in the newest backup that has it."""

    entry: EntryRow
    backup: Backup
    versions: str


class OrderFilesView(OrderPageView):
    """A path and its versions, or the names that a search finds."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:
        """Show what the query asks for; without a query, where to begin."""
        Rules(user=self.user, order=order).read_require()
        context: dict[str, Any] = {"needle": request.GET.get("q", "").strip()[:SEARCH_LENGTH_MAX]}
        provision = primary_of(order)
        if provision is not None and request.GET.get(PATH):
            context |= self._versions(order, provision, request.GET)
        elif provision is not None and context["needle"]:
            context |= self._matches(order, provision, context["needle"])
        elif provision is not None:
            context["newest"] = newest_readable(order, provision)
        return render(request, "backups/order_files.html", {**context, **self.page_context()})

    def _versions(self, order: Order, provision: Provision, query: QueryDict) -> dict[str, Any]:
        path = path_asked(query)
        versions = versions_of(
            user=self.user, order_id=order.id, provision_id=provision.id, path=path, cursor=query.get(CURSOR) or None
        )
        rules = Rules(user=self.user, order=order)
        may_restore = {one.backup.id: _may_restore(rules, one.backup, provision) for one in versions.found}
        return {
            "path": path_text(path),
            "versions": versions,
            "rows": version_rows(order, versions, may_restore=may_restore),
            "older": versions.page.older,
            "newer": versions.page.newer,
            "query": urlencode({PATH: path_text(path)}),
            "backups_a_page": BACKUPS_A_PAGE,
        }

    def _matches(self, order: Order, provision: Provision, needle: str) -> dict[str, Any]:
        matches = names_search(user=self.user, order_id=order.id, provision_id=provision.id, needle=needle)
        rows = [
            MatchRow(
                entry_row(match.backup, match.item, below=b""),
                match.backup,
                versions_address(order, match.item.path),
            )
            for match in matches.found
        ]
        return {"matches": rows, "complete": matches.complete}


class FileCompareView(OrderPageView):
    """How two versions of a text differ."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:
        """Show the lines that differ."""
        path = path_asked(request.GET)
        older, newer = (self._backup(order, request.GET.get(name, "")) for name in ("older", "newer"))
        before, after = (file_get(user=self.user, backup=found, path=path) for found in (older, newer))
        texts = [self._text(older, before), self._text(newer, after)]
        lines: list[DiffLine] | None = None
        if texts[0] is not None and texts[1] is not None:
            lines = texts_compare(texts[0], texts[1])
        context = {
            "path": path_text(path),
            "versions_address": versions_address(order, path),
            "sides": [(found, entry_row(found, item, below=b"")) for found, item in ((older, before), (newer, after))],
            "lines": lines,
            "same": before.content and before.content == after.content and older.format == newer.format,
        }
        return render(request, "backups/file_compare.html", {**context, **self.page_context()})

    def _backup(self, order: Order, text: str) -> Backup:
        try:
            return order_backup_get(order=order, backup_id=UUID(text))
        except ValueError:
            raise BackupNotFound from None

    def _text(self, backup: Backup, item: Item) -> str | None:
        """A text that is short enough to be compared."""
        if item.size > TEXT_BYTES_MAX:
            return None
        return text_of(file_head(user=self.user, backup=backup, item=item, size=TEXT_BYTES_MAX), is_cut=False)


def _may_restore(rules: Rules, backup: Backup, provision: Provision) -> bool:
    return refusal(lambda: rules.restore_require(backup, provision)) is None


def primary_of(order: Order) -> Provision | None:
    """The server of an order, if it has one."""
    return next((found for found in provisions_of(order) if found.is_primary), None)


def newest_readable(order: Order, provision: Provision) -> Backup | None:
    """The newest backup of a server that has content."""
    rows = Backup.objects.filter(order=order, provision=provision, asset__isnull=False, deleted_at__isnull=True)
    return rows.order_by("-created_at", "-id").first()


def version_rows(order: Order, versions: Versions, *, may_restore: dict[UUID, bool]) -> list[VersionRow]:
    """The versions as rows, each with the address that compares it with the one before where both are files."""
    return [
        _version_row(order, version, older, may_restore=may_restore[version.backup.id])
        for version, older in zip_longest(versions.found, versions.found[1:])
    ]


def _version_row(order: Order, version: Version, older: Version | None, *, may_restore: bool) -> VersionRow:
    item, backup = version.item, version.backup
    query = urlencode({PATH: path_text(item.path)})
    is_file = item.kind is ItemKind.FILE
    restore = reverse("page-backup-restore", kwargs={"order": order.id, "backup": backup.id})
    download = reverse("page-backup-file-download", kwargs={"order": order.id, "backup": backup.id})
    opened = file_address(backup, item.path) if is_file else ""
    return VersionRow(
        backup=backup,
        same=version.same,
        first=older is None,
        size_bytes=item.size if is_file else None,
        changed_at=modified_at(item),
        address=folder_address(backup, item.path) if item.kind is ItemKind.FOLDER else opened,
        download=f"{download}?{query}" if is_file else "",
        restore=f"{restore}?{query}" if may_restore else "",
        compare=_compare_address(order, version, older) if is_file and not version.same else "",
    )


def _compare_address(order: Order, version: Version, older: Version | None) -> str:
    if older is None or older.item.kind is not ItemKind.FILE:
        return ""
    query = {PATH: path_text(version.item.path), "older": older.backup.id, "newer": version.backup.id}
    return f"{reverse('page-order-files-compare', kwargs={'order': order.id})}?{urlencode(query)}"


def versions_address(order: Order, path: bytes) -> str:
    """The address of the versions of a path."""
    return f"{reverse('page-order-files', kwargs={'order': order.id})}?{urlencode({PATH: path_text(path)})}"
