"""What packing a tree tells its caller: progress, warnings, the result."""

import enum
from dataclasses import dataclass, field
from typing import Final

WARNINGS_KEPT: Final = 1000


class WarningKind(enum.Enum):
    """Why something in the tree could not be captured as it was."""

    CHANGED = "changed"
    """Grew, shrank or was written while it was read: the archive has a mixture."""
    VANISHED = "vanished"
    """Listed, then gone: the archive does not have it."""
    UNREADABLE = "unreadable"
    """Forbidden to this process: the archive does not have it."""
    SKIPPED = "skipped"
    """A device, FIFO or socket: the archive does not have it."""
    MOUNTED = "mounted"
    """A file, or a folder that this process cannot restore into, is mounted there: the archive has it. Of a restore: it
    stays, and so does a folder at which a volume is mounted, whatever becomes of its content.
    """
    LINKED_OUT = "linked_out"
    """A symbolic link to something outside the tree: the archive has the link and not what it leads to. Of a restore:
    one that is followed and stays.
    """
    LEFT_OUT = "left_out"
    """Of a restore: a path that was there and that the backup could not take."""
    HOLDS = "holds"
    """Of a restore: a folder that stays because of something in it."""
    FIXED = "fixed"
    """Of a restore: immutable, append-only, or in a folder that this process may not change."""
    COMPANION = "companion"
    """Of a restore: it belongs together with a file that stays."""


@dataclass(frozen=True, slots=True)
class PackWarning:
    """One thing that is not as it was; `path` is relative to the root."""

    kind: WarningKind
    path: bytes


@dataclass(frozen=True, slots=True)
class PackProgress:
    """Bytes of file content read so far and in all (as scanned beforehand), and the files packed so far."""

    bytes_read: int
    bytes_total: int
    files: int


@dataclass(frozen=True, slots=True)
class PackResult:
    """The finished archive: size and CRC-32 of its bytes, members, bytes of file content in it, and the first
    `WARNINGS_KEPT` warnings.
    """

    size_bytes: int
    crc32: int
    entries: int
    content_bytes: int
    warnings_total: int
    warnings: tuple[PackWarning, ...]


@dataclass(slots=True)
class WarningLog:
    """Counts every warning and keeps the first, so that a tree full of them costs no memory."""

    total: int = 0
    kept: list[PackWarning] = field(default_factory=list)

    def add(self, kind: WarningKind, path: bytes) -> None:
        """Take note of one warning."""
        self.total += 1
        if len(self.kept) < WARNINGS_KEPT:
            self.kept.append(PackWarning(kind, path))
