"""One 512-byte tar header, parsed strictly.

Formats: POSIX.1-2017 "pax Interchange Format" (ustar headers) and GNU tar's base-256 numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.errors import ArchiveDamaged

BLOCK = 512
_CHECKSUM = slice(148, 156)
_NS = 1_000_000_000
_POSITIVE, _NEGATIVE = 0x80, 0xFF  # first byte of a base-256 number


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of the block, before extended records override them. `size` is in bytes, `mtime_ns` since 1970."""

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
    # GNU tar has another magic, and times in the place of ustar's prefix.
    if block[257:265] == b"ustar\x0000" and block[345]:
        name = _text(block[345:500]) + b"/" + name
    return Header(
        name=name,
        mode=number_parse(block[100:108]),
        uid=number_parse(block[108:116]),
        gid=number_parse(block[116:124]),
        size=number_parse(block[124:136]),
        mtime_ns=number_parse(block[136:148]) * _NS,
        kind=block[156:157],
        link=_text(block[157:257]),
    )


def _checksum_check(block: bytes) -> None:
    """Check the sum of all bytes, with the checksum's own field as spaces; some old tars summed signed bytes."""
    stored = number_parse(block[_CHECKSUM])
    rest = block[:148] + block[156:]
    unsigned = sum(rest) + 8 * ord(" ")
    if stored != unsigned and stored != unsigned - 256 * sum(byte >> 7 for byte in rest):
        raise ArchiveDamaged("a header's checksum is wrong")


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def number_parse(field: bytes) -> int:
    """Parse octal digits between blanks, or base-256 when the first bit is set (GNU tar, for larger numbers)."""
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
