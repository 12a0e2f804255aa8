"""The keys of archives and their companion objects in storage, and the contexts that bind their seals.

backups/{order}/{backup}[.{fence}].tar.gz    the archive, or .tar.zst; the first attempt at it has the plain name
….manifest                                   its manifest
….listing                                    the list of its entries
"""

from __future__ import annotations

import re
from uuid import UUID

from archives.formats import ArchiveFormat
from repository.key_grammar import UUID_PATTERN
from repository.sealing.frames import SealContext

FOLDER = "backups/"
MANIFEST_SUFFIX = ".manifest"
LISTING_SUFFIX = ".listing"
SUFFIXES = (MANIFEST_SUFFIX, LISTING_SUFFIX)
"""The suffixes of an archive's companion objects."""
FORMATS = (ArchiveFormat.TAR_GZ, ArchiveFormat.TAR_ZST)
"""The formats of stored archives."""
_ARCHIVE = re.compile(rf"{FOLDER}{UUID_PATTERN}/{UUID_PATTERN}(?:\.[0-9]+)?\.({'|'.join(map(re.escape, FORMATS))})")


def archive_key(*, order: UUID, backup: UUID, fence: int, format_: ArchiveFormat = ArchiveFormat.TAR_GZ) -> str:
    """The object key of one attempt at a backup."""
    attempt = "" if fence == 1 else f".{fence}"
    return f"{FOLDER}{order}/{backup}{attempt}.{format_}"


def archive_folder(order: UUID | None) -> str:
    """The prefix of an order's archives, or of all archives for None."""
    return f"{FOLDER}{order}/" if order else FOLDER


def archive_backup(key: str) -> UUID | None:
    """The backup of the archive under a key; None for a key that names no archive."""
    match = _ARCHIVE.fullmatch(key)
    return UUID(match[2]) if match else None


def archive_name(key: str) -> str:
    """The backup's id, with the number of the attempt unless it was the first."""
    return key.rpartition("/")[2].removesuffix(f".{archive_format(key)}")


def archive_format(key: str) -> ArchiveFormat:
    """The format of the archive under a key, by its ending."""
    return next((format_ for format_ in FORMATS if key.endswith(f".{format_}")), ArchiveFormat.TAR_GZ)


def archive_context(*, tenant: UUID, target: UUID, key: str) -> SealContext:
    """The context of an archive's seal."""
    return SealContext(tenant=tenant, target=target, kind="archive", object_id=key)


def listing_context(*, tenant: UUID, target: UUID, key: str) -> SealContext:
    """The context of the seal of the listing beside the archive under `key`."""
    return SealContext(tenant=tenant, target=target, kind="listing", object_id=key)
