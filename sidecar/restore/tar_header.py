"""One 512-byte tar header and the extended records that may stand before it, parsed strictly.

Formats: POSIX.1-2017 "pax Interchange Format" (ustar headers, pax records) and GNU tar's base-256 numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sidecar.errors import ArchiveDamaged

BLOCK = 512
_CHECKSUM = slice(148, 156)
_DECIMAL_TIME = re.compile(rb"(-?)(\d{1,19})(?:\.(\d*))?")
_NS = 1_000_000_000
_NUMBER_DIGITS = 20  # of the largest 64-bit number
_POSITIVE, _NEGATIVE = 0x80, 0xFF  # first byte of a base-256 number


@dataclass(frozen=True, slots=True)
class Header:
    """What the block itself says, before extended records override it. `size` is in bytes, `mtime_ns` since 1970."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    kind: bytes
    link: bytes


def header_parse(block: bytes) -> Header:
    """Given a block of 512 bytes, return its fields. Raise ArchiveDamaged on a wrong checksum or a malformed number."""
    _checksum_check(block)
    name = _text(block[0:100])
    # GNU tar keeps times where ustar has the prefix, and writes another magic.
    if block[257:265] == b"ustar\x0000" and block[345]:
        name = _text(block[345:500]) + b"/" + name
    return Header(
        name=name,
        mode=_number(block[100:108]),
        uid=_number(block[108:116]),
        gid=_number(block[116:124]),
        size=_number(block[124:136]),
        mtime_ns=_number(block[136:148]) * _NS,
        kind=block[156:157],
        link=_text(block[157:257]),
    )


def pax_parse(data: bytes) -> dict[bytes, bytes]:
    """Given the payload of an extended header, return its records. Raise ArchiveDamaged when it is malformed."""
    records = {}
    at = 0
    while at < len(data):
        digits, _, _ = data[at : at + 12].partition(b" ")
        if not digits.isdigit():
            raise ArchiveDamaged("an extended header is malformed")
        end = at + int(digits)
        key, equals, value = data[at + len(digits) + 1 : end].partition(b"=")
        if end > len(data) or not key or not equals or not value.endswith(b"\n"):
            raise ArchiveDamaged("an extended header is malformed")
        records[key] = value[:-1]
        at = end
    return records


def pax_number(value: bytes) -> int:
    """A pax record's decimal number. Raise ArchiveDamaged when it is none."""
    if not value.isdigit() or len(value) > _NUMBER_DIGITS:
        raise ArchiveDamaged("an extended header holds a malformed number")
    return int(value)


def pax_time(value: bytes) -> int:
    """A pax record's time in nanoseconds since 1970, finer digits dropped towards the past."""
    match = _DECIMAL_TIME.fullmatch(value)
    if match is None:
        raise ArchiveDamaged("an extended header holds a malformed time")
    sign, seconds, digits = match.groups(default=b"")
    nanoseconds = int(seconds) * _NS + int(digits[:9].ljust(9, b"0"))
    if not sign:
        return nanoseconds
    return -nanoseconds - bool(digits[9:].strip(b"0"))


def _checksum_check(block: bytes) -> None:
    """The sum of all bytes, its own field taken as spaces; some old tars summed signed bytes."""
    stored = _number(block[_CHECKSUM])
    rest = block[:148] + block[156:]
    unsigned = sum(rest) + 8 * ord(" ")
    if stored != unsigned and stored != unsigned - 256 * sum(byte >> 7 for byte in rest):
        raise ArchiveDamaged("a header's checksum is wrong")


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """Octal digits between blanks, or base-256 when the first bit is set (GNU tar, for what octal cannot hold)."""
    if field[0] == _POSITIVE:
        return int.from_bytes(field[1:], "big")
    if field[0] == _NEGATIVE:
        return int.from_bytes(field, "big", signed=True)
    digits = field.partition(b"\0")[0].strip(b" ")
    if not digits:
        return 0
    if digits.strip(b"01234567"):
        raise ArchiveDamaged("a header holds a malformed number")
    return int(digits, 8)
