"""Every format by its name."""

from __future__ import annotations

from backups.formats.archive import ArchiveBackupFormat
from backups.formats.interface import Format
from backups.formats.snapshot import SnapshotFormat
from backups.models import Backup

_FORMATS: dict[str, Format] = {found.name: found for found in (ArchiveBackupFormat(), SnapshotFormat())}


def format_of(backup: Backup) -> Format:
    """The format of a backup."""
    return _FORMATS[backup.format]
