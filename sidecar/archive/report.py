"""Progress, warnings and result of packing a tree."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from sidecar.exclusion.counting import Count
from wire.contract import WARNINGS_KEPT
from wire.enums import WarningKind
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

# Names can be long: the warnings of one message stay well below the limit of a message.
_WARNING_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class PackWarning:
    """A path that is missing in the archive or was changing; `path` is relative to the root."""

    kind: WarningKind
    path: bytes


@dataclass(frozen=True, slots=True)
class PackProgress:
    """Bytes of file content read so far, their total by the scan before, and the files packed so far."""

    bytes_read: int
    bytes_total: int
    files: int


@dataclass(frozen=True, slots=True)
class PackResult:
    """The finished archive: its size and CRC-32, the number of its members, the bytes of file content in it, the first
    `WARNINGS_KEPT` warnings, and what the patterns in force left out.
    """

    size_bytes: int
    crc32: int
    entries: int
    content_bytes: int
    warnings_total: int
    warnings: tuple[PackWarning, ...]
    excluded: Count
    patterns: tuple[bytes, ...]


@dataclass(slots=True)
class WarningLog:
    """Counts every warning and keeps the first ones, so that memory stays bounded."""

    total: int = 0
    kept: list[PackWarning] = field(default_factory=list)

    def add(self, kind: WarningKind, path: bytes) -> None:
        """Add one warning."""
        self.total += 1
        if len(self.kept) < WARNINGS_KEPT:
            self.kept.append(PackWarning(kind, path))


def warnings_pack(warnings: Iterable[PackWarning]) -> Iterator[wire.Warning]:
    """The messages of the first warnings, as many as one message can hold."""
    room = _WARNING_BYTES
    for warning in warnings:
        room -= len(warning.path)
        if room < 0:
            return
        yield wire.Warning(kind=warning.kind.number, path=warning.path)
