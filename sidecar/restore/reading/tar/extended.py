"""The headers before a member's own: pax records for it (`x`) or for all that follow (`g`), GNU long names (`L`, `K`).

Only the keywords that a restore needs are stored, so that neither memory nor the work for a member depends on the
number of records before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from sidecar.errors import ArchiveDamaged, ArchiveRefused
from sidecar.restore.reading.tar.header import BLOCK, Header
from sidecar.restore.reading.tar.limits import TarLimits

EXTENDED: Final = frozenset({b"x", b"g", b"L", b"K"})
_METADATA: Final = frozenset({b"uid", b"gid", b"mtime"})
_OFFSET, _LENGTH = b"GNU.sparse.offset", b"GNU.sparse.numbytes"
_SPARSE: Final = frozenset(
    {b"GNU.sparse." + word for word in (b"major", b"minor", b"name", b"realsize", b"size", b"numblocks", b"map")}
)
_KEPT: Final = _METADATA | _SPARSE | {b"path", b"linkpath", b"size"}
_REFUSED: Final = {
    b"GNU.volume.offset": "a member goes on from another volume",
    b"SCHILY.realsize": "a member is stored sparse in a form that is not restored",
}
_DECIMAL_TIME: Final = re.compile(rb"(-?)(\d{1,40})(?:\.(\d*))?")
_NS: Final = 1_000_000_000
_NUMBER_DIGITS: Final = 20  # of the largest 64-bit number
_METADATA_BYTES: Final = 64
# Records that a restore ignores: extended attributes, comments. An honest member has a few.
_IGNORED_MAX: Final = 100_000
_IGNORED_A_MEMBER: Final = 100


@dataclass(slots=True)
class Records:
    """The non-empty records of one member, and the number pairs of its sparse map."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    pairs: list[bytes] = field(default_factory=list)

    @property
    def sparse(self) -> bool:
        """Whether the member is a sparse file."""
        return bool(self.pairs) or not self.values.keys().isdisjoint(_SPARSE)


class ExtendedHeaders:
    """Collects the headers before each member. Of two headers of one kind the last one counts, as for GNU tar."""

    def __init__(self, limits: TarLimits) -> None:
        self._limits = limits
        self._shared: dict[bytes, bytes] = {}
        self._own = Records()
        self._long: dict[bytes, bytes] = {}
        self._bytes = 0
        self._ignored = 0
        self._members = 0

    @property
    def pending(self) -> bool:
        """Whether a member must follow."""
        return bool(self._own.values or self._own.pairs or self._long)

    def take(self, header: Header, exactly: Callable[[int], bytes]) -> None:
        """Add a header of one of these kinds; `exactly` reads its content.

        Raise ArchiveRefused when there is more than a member may have, ArchiveDamaged when it is malformed.
        """
        self._bytes += max(header.size, 0) + BLOCK
        if header.size < 0 or self._bytes > self._limits.header_bytes + BLOCK:
            raise ArchiveRefused("an extended header is larger than allowed")
        data = exactly(header.size)
        exactly(-header.size % BLOCK)
        match header.kind:
            case b"x":
                self._own = self._records(data)
            case b"g":
                self._share(self._records(data))
            case b"L":
                self._long[b"path"] = data.partition(b"\0")[0]
            case _:
                self._long[b"linkpath"] = data.partition(b"\0")[0]

    def end(self) -> Records:
        """Return the records of the current member, and start anew for the next."""
        own, shared = self._own, self._shared
        values = {key: value for key, value in {**self._long, **shared, **own.values}.items() if value}
        self._own, self._long, self._bytes = Records(), {}, 0
        self._members += 1
        return Records(values, own.pairs)

    def _share(self, records: Records) -> None:
        for key, value in records.values.items():
            if key not in _METADATA and value:
                raise ArchiveRefused("a global header has records that only one member can have")
        if records.pairs:
            raise ArchiveRefused("a global header has records that only one member can have")
        self._shared.update({key: value for key, value in records.values.items() if key in _METADATA})

    def _records(self, data: bytes) -> Records:
        found = Records()
        for key, value in _parsed(data):
            if key in (_OFFSET, _LENGTH):
                # Offsets and sizes alternate, as the numbers of the map do.
                if (len(found.pairs) % 2 == 0) != (key == _OFFSET):
                    raise ArchiveRefused("a sparse file's map contradicts itself")
                found.pairs.append(value)
            elif key in _KEPT:
                if key in _METADATA and len(value) > _METADATA_BYTES:
                    raise ArchiveDamaged("an extended header holds a malformed number")
                found.values[key] = value
            elif key in _REFUSED or key.startswith(b"GNU.sparse."):
                raise ArchiveRefused(_REFUSED.get(key, "a member is stored sparse in a form that is not restored"))
            else:
                self._ignored += 1
        if self._ignored > _IGNORED_MAX + _IGNORED_A_MEMBER * self._members:
            raise ArchiveRefused("the archive's extended headers have more records than allowed")
        return found


def _parsed(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records of an extended header. Raise ArchiveDamaged when it is malformed."""
    at = 0
    while at < len(data):
        digits, _, _ = data[at : at + 12].partition(b" ")
        if not digits.isdigit():
            raise ArchiveDamaged("an extended header is malformed")
        end = at + int(digits)
        key, equals, value = data[at + len(digits) + 1 : end].partition(b"=")
        if end > len(data) or not key or not equals or not value.endswith(b"\n"):
            raise ArchiveDamaged("an extended header is malformed")
        yield key, value[:-1]
        at = end


def pax_number(value: bytes) -> int:
    """Parse a pax record's decimal number. Raise ArchiveDamaged when it is malformed."""
    if not value.isdigit() or len(value) > _NUMBER_DIGITS:
        raise ArchiveDamaged("an extended header holds a malformed number")
    return int(value)


def pax_time(value: bytes) -> int:
    """Parse a pax record's time into nanoseconds since 1970, rounded down."""
    match = _DECIMAL_TIME.fullmatch(value)
    if match is None:
        raise ArchiveDamaged("an extended header holds a malformed time")
    sign, seconds, digits = match.groups(default=b"")
    nanoseconds = int(seconds) * _NS + int(digits[:9].ljust(9, b"0"))
    if not sign:
        return nanoseconds
    return -nanoseconds - bool(digits[9:].strip(b"0"))
