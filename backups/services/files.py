"""One file of a backup: its bytes, a preview of them, and how two versions of it differ."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum

from accounts.models import User
from backups.errors import PathNotFound
from backups.formats.download import DownloadChoice
from backups.formats.registry import format_of
from backups.models import Backup
from backups.rules import Rules
from backups.services.browsing import item_get, scan_slot
from backups.services.damage import damage_noted
from backups.services.downloads import Download, Look, asset_content
from repository.browsing import Item, ItemKind
from vault.models import Asset

TEXT_BYTES_MAX = 256 << 10
"""So much of a text is shown."""
IMAGE_BYTES_MAX = 8 << 20
SANDBOX = "sandbox; default-src 'none'"
"""The policy under which a browser gets a customer's file: whatever it is, nothing in it runs or loads anything."""
COMPARED_LINES_MAX = 3000
CONTEXT_LINES = 3
PASS_BYTES_MAX = 64 << 20
"""A larger archive is not read for a preview unless somebody asks for it."""
PASS_BYTES_LIMIT = 4 << 30
"""A still larger one is not read for a preview at all: a request would wait for too long."""
_IMAGES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
_RIFF, _WEBP = b"RIFF", b"WEBP"


class PreviewKind(StrEnum):
    """The part of a file that can be shown."""

    TEXT = "text"
    IMAGE = "image"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class FilePreview:
    """The beginning of a file. is_cut: the file goes on. media_type: of an image."""

    kind: PreviewKind
    text: str = ""
    is_cut: bool = False
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of a comparison: `+` only in the newer, `-` only in the older, blank in both, `@` before a new place."""

    sign: str
    text: str


class FileContent:
    """The bytes of one file."""

    def __init__(self, backup: Backup, item: Item) -> None:
        # A pass over an archive costs as much as making one, and counts against the same limits.
        self.is_made = format_of(backup).reads_whole
        self.size: int | None = item.size
        self.resumable = not format_of(backup).reads_whole
        # Of a stored archive that is not sealed only a whole file is checked.
        self.verified = self.resumable or _asset(backup).sealed
        self._backup, self._item = backup, item

    def open(self) -> None:
        """Check the object that is read from its beginning, where there is one. Raises as `read`."""
        if format_of(self._backup).reads_whole:
            asset_content(_asset(self._backup), DownloadChoice()).open()

    def read(self, start: int, stop: int | None, /) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`. Raises ArchiveDamagedError, StorageUnavailableError, KeyUnavailable."""
        end = self._item.size if stop is None else stop
        return format_of(self._backup).content(self._backup, self._item, start=start, stop=end)


def file_get(*, user: User, backup: Backup, path: bytes) -> Item:
    """A file of a backup that the caller was found to see.

    Raises PermissionDenied, StatusConflict, FilesUnavailable, and PathNotFound also for what is no file.
    """
    item = item_get(user=user, backup=backup, path=path)
    if item.kind is not ItemKind.FILE:
        raise PathNotFound
    return item


def file_download(*, backup: Backup, item: Item, start: int, stop: int, caller: Hashable, look: Look) -> Download:
    """The download of a part of a file; it ends when the caller may not read any more. Raises Throttled."""
    return Download(
        asset=_asset(backup), content=FileContent(backup, item), start=start, stop=stop, caller=caller, look=look
    )


def file_check(*, user: User, backup: Backup, path: bytes) -> Item:
    """Raise the reason why a file cannot be read, as far as it shows before its first byte."""
    item = file_get(user=user, backup=backup, path=path)
    with damage_noted(backup):
        FileContent(backup, item).open()
    return item


def preview_costs(backup: Backup) -> bool:
    """Whether a preview has to be asked for, because a large archive would be read for it."""
    return PASS_BYTES_MAX < _pass_bytes(backup) <= PASS_BYTES_LIMIT


def preview_possible(backup: Backup) -> bool:
    """Whether the content of a file can be had within a request."""
    return _pass_bytes(backup) <= PASS_BYTES_LIMIT


def _pass_bytes(backup: Backup) -> int:
    """The bytes that are read for any file of a backup."""
    return (_asset(backup).size_bytes or 0) if format_of(backup).reads_whole else 0


def file_preview(*, user: User, backup: Backup, item: Item) -> FilePreview:
    """The beginning of a text, or the type of a picture that browsers show. Raises as `file_head`."""
    if not preview_possible(backup):
        return FilePreview(PreviewKind.NONE)
    head = file_head(user=user, backup=backup, item=item, size=TEXT_BYTES_MAX)
    media_type = image_type(head)
    if media_type and item.size <= IMAGE_BYTES_MAX:
        return FilePreview(PreviewKind.IMAGE, media_type=media_type)
    text = text_of(head, is_cut=item.size > len(head))
    if text is None:
        return FilePreview(PreviewKind.NONE)
    return FilePreview(PreviewKind.TEXT, text=text, is_cut=item.size > len(head))


def file_head(*, user: User, backup: Backup, item: Item, size: int) -> bytes:
    """The first bytes of a file. Raises as `file_get`, ArchiveDamagedError, and Throttled."""
    Rules(user=user, order=backup.order).download_require(backup)
    slot = scan_slot(backup.order.customer_id) if format_of(backup).reads_whole else nullcontext()
    with slot, damage_noted(backup):
        return b"".join(FileContent(backup, item).read(0, min(size, item.size)))


def image_type(head: bytes) -> str:
    """The media type of a picture by its first bytes; empty for all that is none, whatever its name says."""
    for mark, media_type in _IMAGES.items():
        if head.startswith(mark):
            return media_type
    return "image/webp" if head[:4] == _RIFF and head[8:12] == _WEBP else ""


def text_of(content: bytes, *, is_cut: bool) -> str | None:
    """Bytes as text: UTF-8, or UTF-16 with its mark; None for others. is_cut: the last letter may not be whole."""
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in content and not utf16:
        return None
    for lost in range(4 if is_cut else 1):
        try:
            text = content[: len(content) - lost].decode("utf-16" if utf16 else "utf-8-sig")
        except UnicodeDecodeError:
            continue
        return text if _is_readable(text) else None
    return None


def texts_compare(older: str, newer: str) -> list[DiffLine] | None:
    """The lines that differ, with those around them; None for texts of too many lines."""
    before, after = older.splitlines(), newer.splitlines()
    if max(len(before), len(after)) > COMPARED_LINES_MAX:
        return None
    lines = list(difflib.unified_diff(before, after, lineterm="", n=CONTEXT_LINES))[2:]
    return [DiffLine(line[:1], line if line.startswith("@@") else line[1:]) for line in lines]


def _is_readable(text: str) -> bool:
    """Whether it has hardly any control characters."""
    odd = sum(letter < " " and letter not in "\t\n\r\f\x1b" for letter in text)
    return odd * 100 <= len(text)


def _asset(backup: Backup) -> Asset:
    if backup.asset is None:
        raise PathNotFound
    return backup.asset
