"""The tar format: block size, entry types, the layout of a header, and the function that writes it.

The layout is ustar (POSIX.1-1988); values that do not fit go into a pax extended header (POSIX.1-2001) before it.
Names are raw bytes there, too: pax asks for UTF-8, but GNU tar and the standard library read any bytes, and a
restore needs the exact name.
"""

import struct
from functools import lru_cache
from typing import Final, NamedTuple

BLOCK_BYTES: Final = 512
END_OF_ARCHIVE: Final = bytes(2 * BLOCK_BYTES)

# The type flag of a header.
REGULAR: Final = b"0"
HARD_LINK: Final = b"1"
SYMBOLIC_LINK: Final = b"2"
DIRECTORY: Final = b"5"
PAX_EXTENDED: Final = b"x"

# The limits of a header's fields.
NAME_BYTES: Final = 100
PREFIX_BYTES: Final = 155
LARGEST_ID: Final = 0o7777777
LARGEST_SIZE: Final = 0o77777777777
LARGEST_MTIME: Final = 0o77777777777

# Name, numbers, checksum, type flag, link name, constant fields, prefix; the rest is zero.
_HEADER: Final = struct.Struct("100s 48s 8s 1s 100s 88s 155s 12x")
_NUMBERS: Final = b"%07o\0%07o\0%07o\0%011o\0%011o\0"
# Magic and version, no user name, no group name, no device numbers.
_UNCHANGING: Final = b"ustar\x0000" + bytes(64) + 2 * b"0000000\0"
_UNCHANGING_SUM: Final = sum(_UNCHANGING) + sum(b" " * 8)
_EXTENDED_HEADER_NAME: Final = b"././@PaxHeader"
_NANOSECONDS: Final = 1_000_000_000


class TarMember(NamedTuple):
    """One entry of an archive.

    `path` and `link` are raw bytes. `path` is relative to the root. `link` is the target of a symbolic link, or the
    path of the member that a hard link names again. `mtime_ns` counts from 1970. `size` is the size in bytes of the
    content after the header: zero for all but regular files.
    """

    path: bytes
    type: bytes
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int = 0
    link: bytes = b""


def padding_bytes(size: int) -> int:
    """The padding after a content of `size` bytes, up to the next block."""
    return -size % BLOCK_BYTES


def member_header(member: TarMember) -> bytes:
    """The blocks before a member's content: its header, and before that an extended one if values do not fit."""
    path = member.path + b"/" if member.type == DIRECTORY else member.path
    records: list[bytes] = []
    prefix, name = _split(path)
    if not name:
        records.append(_pax_record(b"path", path))
        name = path[:NAME_BYTES]
    link = member.link[:NAME_BYTES]
    if link != member.link:
        records.append(_pax_record(b"linkpath", member.link))
    seconds, nanoseconds = divmod(member.mtime_ns, _NANOSECONDS)
    if nanoseconds or not 0 <= seconds <= LARGEST_MTIME:
        records.append(_pax_record(b"mtime", _decimal_seconds(member.mtime_ns)))
        seconds = min(max(seconds, 0), LARGEST_MTIME)
    uid = _number(member.uid, LARGEST_ID, b"uid", records)
    gid = _number(member.gid, LARGEST_ID, b"gid", records)
    size = _number(member.size, LARGEST_SIZE, b"size", records)
    header = _ustar(name, (member.mode & 0o7777, uid, gid, size, seconds), member.type, link, prefix)
    return _extended_header(b"".join(records)) + header if records else header


def _split(path: bytes) -> tuple[bytes, bytes]:
    """The path as (prefix, name) of a ustar header; the name is empty when no split fits."""
    if len(path) <= NAME_BYTES:
        return b"", path
    # The last byte may be a directory's own slash, with no name behind it.
    slash = path.find(b"/", len(path) - NAME_BYTES - 1, len(path) - 1)
    if 0 < slash <= PREFIX_BYTES:
        return path[:slash], path[slash + 1 :]
    return b"", b""


def _number(value: int, largest: int, keyword: bytes, records: list[bytes]) -> int:
    """The value for the header's own field; zero when it is added to the extended records instead."""
    if value <= largest:
        return value
    records.append(_pax_record(keyword, b"%d" % value))
    return 0


def _decimal_seconds(mtime_ns: int) -> bytes:
    decimal = b"%d.%09d" % divmod(abs(mtime_ns), _NANOSECONDS)
    sign = b"-" if mtime_ns < 0 else b""
    return sign + decimal.rstrip(b"0").rstrip(b".")


def _pax_record(keyword: bytes, value: bytes) -> bytes:
    """`length keyword=value newline`, where the length counts its own digits."""
    rest = len(keyword) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, keyword, value)


def _extended_header(records: bytes) -> bytes:
    return _extended_header_block(len(records)) + records + bytes(padding_bytes(len(records)))


@lru_cache(maxsize=BLOCK_BYTES)
def _extended_header_block(size: int) -> bytes:
    """Cached: nearly every file has a fraction of a second in its time, and only the size differs."""
    return _ustar(_EXTENDED_HEADER_NAME, (0o644, 0, 0, size, 0), PAX_EXTENDED)


def _ustar(
    name: bytes, numbers: tuple[int, int, int, int, int], kind: bytes, link: bytes = b"", prefix: bytes = b""
) -> bytes:
    """A header block; `numbers` are mode, uid, gid, size and mtime."""
    fields = _NUMBERS % numbers
    # The sum of all bytes, with blanks for the checksum; the zeros between the fields add nothing.
    checksum = _UNCHANGING_SUM + sum(name) + sum(fields) + sum(kind) + sum(link) + sum(prefix)
    return _HEADER.pack(name, fields, b"%06o\0 " % checksum, kind, link, _UNCHANGING, prefix)
