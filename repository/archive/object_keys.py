"""The keys of archives and their companion objects in storage, and the contexts that bind their seals.

backups/{order}/{backup}[.{fence}].tar.gz    the archive; the first attempt at it has the plain name
….manifest                                   its manifest
….listing                                    the list of its entries
"""

from __future__ import annotations

import re
from uuid import UUID

from repository.key_grammar import UUID_PATTERN
from repository.sealing.frames import SealContext

FOLDER = "backups/"
MANIFEST_SUFFIX = ".manifest"
LISTING_SUFFIX = ".listing"
SUFFIXES = (MANIFEST_SUFFIX, LISTING_SUFFIX)
"""The suffixes of an archive's companion objects."""
_ENDING = ".tar.gz"
_ARCHIVE = re.compile(rf"{FOLDER}{UUID_PATTERN}/{UUID_PATTERN}(?:\.[0-9]+)?{re.escape(_ENDING)}")


def archive_key(*, order: UUID, backup: UUID, fence: int) -> str:
    """The object key of one attempt at a backup."""
    attempt = "" if fence == 1 else f".{fence}"
    return f"{FOLDER}{order}/{backup}{attempt}{_ENDING}"


def archive_folder(order: UUID | None) -> str:
    """The prefix of an order's archives, or of all archives for None."""
    return f"{FOLDER}{order}/" if order else FOLDER


def archive_backup(key: str) -> UUID | None:
    """The backup of the archive under a key; None for a key that names no archive."""
    match = _ARCHIVE.fullmatch(key)
    return UUID(match[2]) if match else None


def archive_name(key: str) -> str:
    """The backup's id, with the number of the attempt unless it was the first."""
    return key.rpartition("/")[2].removesuffix(_ENDING)


def archive_context(*, tenant: UUID, target: UUID, key: str) -> SealContext:
    """The context of an archive's seal."""
    return SealContext(tenant=tenant, target=target, kind="archive", object_id=key)


def listing_context(*, tenant: UUID, target: UUID, key: str) -> SealContext:
    """The context of the seal of the listing beside the archive under `key`."""
    return SealContext(tenant=tenant, target=target, kind="listing", object_id=key)
