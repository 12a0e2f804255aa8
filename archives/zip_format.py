"""The zip format (APPNOTE.TXT 6.3): the headers of members, and the directory at the end.

A file's sizes and CRC-32 are written behind its content, in a data descriptor: they are not known before. Values that
do not fit go into the Zip64 fields. Names are raw bytes, marked as UTF-8 where they are; a Unix mode makes links and
executables come back.
"""

import stat
import struct
from datetime import UTC, datetime
from typing import Final, NamedTuple

STORED: Final = 0
DEFLATED: Final = 8

_LARGEST: Final = 0xFFFFFFFF
_LARGEST_COUNT: Final = 0xFFFF
_LONGEST_NAME: Final = 0xFFFF
# Content that does not compress grows by less than a hundredth.
_LARGEST_FILE: Final = _LARGEST // 101 * 100

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_DESCRIPTOR: Final = struct.Struct("<4s3I")
_DESCRIPTOR_64: Final = struct.Struct("<4sI2Q")
_END_64: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64: Final = struct.Struct("<4sIQI")
_END: Final = struct.Struct("<4s4H2IH")
_EXTRA: Final = struct.Struct("<2H")
_TIME_EXTRA: Final = struct.Struct("<2HBi")
_SIZES_EXTRA: Final = struct.Struct("<2H2Q")

_HAS_DESCRIPTOR: Final = 1 << 3
_IS_UTF8: Final = 1 << 11
_NEEDS: Final = 20
_NEEDS_64: Final = 45
_UNIX: Final = 3 << 8
_FOLDER_ATTRIBUTE: Final = 0x10
_ZIP64: Final = 0x0001
_TIMES: Final = 0x5455
_SECONDS: Final = range(-(1 << 31), 1 << 31)
_FIRST: Final = int(datetime(1980, 1, 1, tzinfo=UTC).timestamp())
_LAST: Final = int(datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC).timestamp())


class NameTooLong(ValueError):
    """A path is longer than a zip archive allows: 65,535 bytes."""


class ZipMember(NamedTuple):
    """One entry of an archive. `mode` has the type: a regular file, a folder, or a symbolic link, whose target is
    `link`. `size` is that of a file's content in bytes.
    """

    path: bytes
    mode: int
    mtime_ns: int
    size: int = 0
    link: bytes = b""

    @property
    def has_content(self) -> bool:
        """Whether compressed content and a descriptor follow the header."""
        return self.size > 0


class Stored(NamedTuple):
    """A member after it is written: the CRC-32 of its content, its packed size, its header's offset."""

    crc32: int
    packed: int
    header_at: int


def local_header(member: ZipMember, *, link_crc32: int = 0) -> bytes:
    """The bytes before a member's content; those of a link are followed by its target alone."""
    name = _name(member)
    extra = _times(member)
    size = len(member.link)
    sizes = (link_crc32, size, size)
    if is_large(member):
        sizes = (0, _LARGEST, _LARGEST)
        extra += _SIZES_EXTRA.pack(_ZIP64, 16, 0, 0)
    head = _LOCAL.pack(b"PK\3\4", *_common(member, needs=_needs(member)), *sizes, len(name), len(extra))
    return head + name + extra


def descriptor(member: ZipMember, *, crc32: int, packed: int) -> bytes:
    """The bytes behind a file's content."""
    layout = _DESCRIPTOR_64 if is_large(member) else _DESCRIPTOR
    return layout.pack(b"PK\7\x08", crc32, packed, member.size)


def written_bytes(member: ZipMember, packed: int) -> int:
    """The bytes that a member takes before the directory."""
    layout = _DESCRIPTOR_64 if is_large(member) else _DESCRIPTOR
    return len(local_header(member)) + (packed + layout.size if member.has_content else len(member.link))


def central_header(member: ZipMember, stored: Stored) -> bytes:
    """A member's entry in the directory."""
    name = _name(member)
    size = member.size or len(member.link)
    wide = [value for value in (size, stored.packed, stored.header_at) if value >= _LARGEST]
    extra = _times(member)
    if wide:
        extra += _EXTRA.pack(_ZIP64, 8 * len(wide)) + struct.pack(f"<{len(wide)}Q", *wide)
    needs = _NEEDS_64 if wide else _needs(member)
    attributes = member.mode << 16 | (_FOLDER_ATTRIBUTE if stat.S_ISDIR(member.mode) else 0)
    sizes = (stored.crc32, min(stored.packed, _LARGEST), min(size, _LARGEST))
    head = _CENTRAL.pack(
        b"PK\1\2", _UNIX | _NEEDS_64, *_common(member, needs=needs), *sizes, len(name), len(extra), 0, 0, 0,
        attributes, min(stored.header_at, _LARGEST),
    )  # fmt: skip
    return head + name + extra


def directory_end(*, members: int, start: int, size: int) -> bytes:
    """The end of an archive whose directory has `size` bytes from offset `start` on."""
    end = b""
    if members >= _LARGEST_COUNT or start >= _LARGEST or size >= _LARGEST:
        rest = _END_64.size - 12
        numbers = (_UNIX | _NEEDS_64, _NEEDS_64, 0, 0, members, members, size, start)
        end = _END_64.pack(b"PK\6\6", rest, *numbers) + _LOCATOR_64.pack(b"PK\6\7", 0, start + size, 1)
    count = min(members, _LARGEST_COUNT)
    return end + _END.pack(b"PK\5\6", 0, 0, count, count, min(size, _LARGEST), min(start, _LARGEST), 0)


def is_large(member: ZipMember) -> bool:
    """Whether the file's sizes may need more than 32 bits."""
    return member.size > _LARGEST_FILE


def _needs(member: ZipMember) -> int:
    return _NEEDS_64 if is_large(member) else _NEEDS


def _common(member: ZipMember, *, needs: int) -> tuple[int, ...]:
    """The fields from the needed version to the date."""
    flags = _HAS_DESCRIPTOR if member.has_content else 0
    if not member.path.isascii() and _is_utf8(member.path):
        flags |= _IS_UTF8
    time = _dos_time(member.mtime_ns)
    return needs, flags, DEFLATED if member.has_content else STORED, time & 0xFFFF, time >> 16


def _name(member: ZipMember) -> bytes:
    name = member.path + b"/" if stat.S_ISDIR(member.mode) else member.path
    if len(name) > _LONGEST_NAME:
        raise NameTooLong("a path is too long for a zip archive")
    return name


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def _times(member: ZipMember) -> bytes:
    """The time of modification in whole seconds, where it fits."""
    seconds = member.mtime_ns // 1_000_000_000
    return _TIME_EXTRA.pack(_TIMES, 5, 1, seconds) if seconds in _SECONDS else b""


def _dos_time(mtime_ns: int) -> int:
    """The time in UTC, in steps of two seconds, from 1980 to 2107."""
    seconds = min(max(mtime_ns // 1_000_000_000, _FIRST), _LAST)
    at = datetime.fromtimestamp(seconds, UTC)
    return (at.year - 1980) << 25 | at.month << 21 | at.day << 16 | at.hour << 11 | at.minute << 5 | at.second // 2
