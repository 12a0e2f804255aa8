"""The files in a backup: the browser of its folders, and the page of one file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from archives.formats import ArchiveFormat
from backups.errors import PathNotFound
from backups.formats.download import DownloadChoice
from backups.formats.registry import format_of
from backups.models import Backup
from backups.rules import Rules
from backups.selectors import order_backup_get
from backups.services.browsing import Look, Sort, folder_look, modified_at
from backups.services.files import (
    IMAGE_BYTES_MAX,
    SANDBOX,
    FilePreview,
    file_check,
    file_get,
    file_head,
    file_preview,
    image_type,
    preview_costs,
    preview_possible,
)
from backups.web.order import OrderPageView
from backups.web.rows import row_of
from common.errors import ValidationError
from common.paths import path_text, path_within
from orders.models import Order
from repository.browsing import Item, ItemKind

PATH, CHOSEN, SEARCH_LENGTH_MAX = "path", "chosen", 200
WITH_CHOSEN = "with"
"""The field of the buttons: `restore`, or the format of a download."""
ICONS = {ItemKind.FOLDER: "folder", ItemKind.FILE: "file", ItemKind.SYMLINK: "link"}


@dataclass(frozen=True, slots=True)
class Link:
    """A part of a path, or a column that sorts: its words and where it leads; `now`: it is what is shown."""

    name: str
    address: str
    now: bool = False


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry of a folder. address: empty for a link, which leads nowhere."""

    path: str
    name: str
    icon: str
    address: str
    target: str
    is_folder: bool
    size_bytes: int | None
    changed_at: datetime | None


class BackupFilesView(OrderPageView):
    """A folder of a backup."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Show its entries, or what a search finds below it; or go on with those chosen."""
        found = order_backup_get(order=order, backup_id=backup)
        if CHOSEN in request.GET or WITH_CHOSEN in request.GET:
            return self._chosen(request.GET, found)
        look = look_of(request.GET)
        try:
            entries = folder_look(user=self.user, backup=found, look=look)
        except ValidationError:
            # A cursor of another list, or a folder too large for this order: the folder itself can be shown.
            messages.warning(request, _("The list could not be shown in that order. It is sorted by name."))
            return redirect(folder_address(found, look.path))
        rules = Rules(user=self.user, order=order)
        context = {
            "backup": found,
            "row": row_of(found, rules=rules, provision=found.provision if found.provision.is_primary else None),
            "look": look,
            "path": path_text(look.path),
            "crumbs": crumbs_of(found, look.path),
            "rows": [entry_row(found, item, below=look.path) for item in entries.items],
            "columns": columns_of(found, look),
            "reads_whole": format_of(found).reads_whole,
            "next": entries.next and _paged(request.GET, entries.next),
            "previous": entries.previous and _paged(request.GET, entries.previous),
        }
        return render(request, "backups/files.html", {**context, **self.page_context()})

    def _chosen(self, query: QueryDict, backup: Backup) -> HttpResponseBase:
        """On to the restore or download of the chosen paths; without any, back to the folder with a word about it."""
        try:
            chosen = [path_text(path_within(text)) for text in query.getlist(CHOSEN)]
            folder = path_of(query)
        except ValueError:
            raise PathNotFound from None
        if not chosen:
            messages.warning(self.request, _("Choose the files and folders first."))
            return redirect(folder_address(backup, folder))
        asked, format_wanted = [(PATH, path) for path in chosen], query.get(WITH_CHOSEN, "")
        page = "page-backup-restore"
        if format_wanted in list(ArchiveFormat):
            page, asked = "page-backup-download", [("format", format_wanted), *asked]
        address = reverse(page, kwargs={"order": backup.order_id, "backup": backup.id})
        return redirect(f"{address}?{urlencode(asked)}")


class BackupFileView(OrderPageView):
    """One file of a backup."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Show what it is, and its content where a page can show it."""
        found = order_backup_get(order=order, backup_id=backup)
        path = path_asked(request.GET)
        item = file_get(user=self.user, backup=found, path=path)
        costs = preview_costs(found) and "show" not in request.GET
        preview: FilePreview | None = None
        if not costs:
            preview = file_preview(user=self.user, backup=found, item=item)
        rules = Rules(user=self.user, order=order)
        context = {
            "backup": found,
            "row": row_of(found, rules=rules, provision=found.provision if found.provision.is_primary else None),
            "entry": entry_row(found, item, below=path.rpartition(b"/")[0]),
            "mode": f"{item.mode:04o}",
            "query": urlencode({PATH: path_text(path)}),
            "crumbs": crumbs_of(found, path.rpartition(b"/")[0]),
            "preview": preview,
            "reads_whole": format_of(found).reads_whole,
        }
        return render(request, "backups/file.html", {**context, **self.page_context()})


class BackupFileRawView(OrderPageView):
    """A picture out of a backup, for the page of its file."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """The bytes, under the type that they begin with. A file that is no picture is not found here."""
        found = order_backup_get(order=order, backup_id=backup)
        item = file_get(user=self.user, backup=found, path=path_asked(request.GET))
        if item.size > IMAGE_BYTES_MAX or not preview_possible(found):
            raise PathNotFound
        content = file_head(user=self.user, backup=found, item=item, size=IMAGE_BYTES_MAX)
        media_type = image_type(content)
        if not media_type:
            raise PathNotFound
        headers = {
            "Content-Security-Policy": SANDBOX,
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "inline",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, no-cache",
        }
        return HttpResponse(content, content_type=media_type, headers=headers)


class BackupFileDownloadView(OrderPageView):
    """The way to the download of a file."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Redirect to the bytes once it is sure that there are any: errors appear on a page, not in a file."""
        found = order_backup_get(order=order, backup_id=backup)
        item = file_check(user=self.user, backup=found, path=path_asked(request.GET))
        address = reverse(
            "backup-file", kwargs={"order": order.id, "provision": found.provision_id, "backup": found.id}
        )
        return redirect(f"{address}?{urlencode({PATH: path_text(item.path)})}")


def path_of(query: QueryDict) -> bytes:
    """The path that a query names; empty for the root. Raises ValueError."""
    text = query.get(PATH, "")
    return path_within(text) if text else b""


def path_asked(query: QueryDict) -> bytes:
    """As `path_of`, of a page that needs one. Raises PathNotFound."""
    try:
        return path_of(query)
    except ValueError:
        raise PathNotFound from None


def choice_of(query: QueryDict) -> DownloadChoice:
    """The part of a download that a query asks for. Raises PathNotFound; an unknown format is refused by the bytes."""
    named = query.get("format", "")
    try:
        paths = tuple(path_within(text) for text in query.getlist("path"))
    except ValueError:
        raise PathNotFound from None
    return DownloadChoice(format=ArchiveFormat(named) if named in list(ArchiveFormat) else None, paths=paths)


def look_of(query: QueryDict) -> Look:
    """The part of a folder that a query asks for; what it does not say right is as by default."""
    sort = query.get("sort", "")
    name = sort.removeprefix("-")
    return Look(
        path=path_asked(query),
        sort=Sort(name) if name in list(Sort) else Sort.NAME,
        backwards=sort.startswith("-"),
        search=query.get("search", "").strip()[:SEARCH_LENGTH_MAX],
        cursor=query.get("cursor", ""),
    )


def entry_row(backup: Backup, item: Item, *, below: bytes) -> EntryRow:
    """An item as a row of a folder, whose path the name leaves out."""
    text, is_folder = path_text(item.path), item.kind is ItemKind.FOLDER
    address = folder_address(backup, item.path) if is_folder else file_address(backup, item.path)
    return EntryRow(
        path=text,
        name=path_text(item.path[len(below) :].lstrip(b"/")),
        icon=ICONS[item.kind],
        address="" if item.kind is ItemKind.SYMLINK else address,
        target=path_text(item.target),
        is_folder=is_folder,
        size_bytes=item.size if item.kind is ItemKind.FILE else None,
        changed_at=modified_at(item),
    )


def crumbs_of(backup: Backup, folder: bytes) -> list[Link]:
    """The folders above, and the folder itself; the first is the root."""
    parts = folder.split(b"/") if folder else []
    paths = [b"/".join(parts[:depth]) for depth in range(len(parts) + 1)]
    return [
        Link(path_text(path.rpartition(b"/")[2]), folder_address(backup, path), now=path == folder) for path in paths
    ]


def columns_of(backup: Backup, look: Look) -> dict[str, Link]:
    """For each column the address that sorts by it, or turns its order round; `name` says how it is sorted now."""
    found = {}
    for sort in Sort:
        now = look.sort is sort
        turned = "-" if now and not look.backwards else ""
        order = ("descending" if look.backwards else "ascending") if now else ""
        found[sort.name.lower()] = Link(order, folder_address(backup, look.path, sort=f"{turned}{sort.value}"), now=now)
    return found


def folder_address(backup: Backup, path: bytes, **query: Any) -> str:
    """The address of a folder's page."""
    address = reverse("page-backup-files", kwargs={"order": backup.order_id, "backup": backup.id})
    asked = {**({PATH: path_text(path)} if path else {}), **query}
    return f"{address}?{urlencode(asked)}" if asked else address


def file_address(backup: Backup, path: bytes) -> str:
    """The address of a file's page."""
    address = reverse("page-backup-file", kwargs={"order": backup.order_id, "backup": backup.id})
    return f"{address}?{urlencode({PATH: path_text(path)})}"


def _paged(query: QueryDict, cursor: str) -> str:
    changed = query.copy()
    changed["cursor"] = cursor
    return f"?{changed.urlencode()}"
