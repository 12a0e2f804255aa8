"""The listing of a backup: its entries without their content. Part of the contract of the wire.

A listing is one gzip member (RFC 1952) of lines, each of fields between single blanks. In a name `%`, blank and newline
stand as `%25`, `%20` and `%0A`, every other byte as itself; a name that is empty is `%`. Numbers are decimal.

    savepoint-listing VERSION STARTED_NS
    KIND MODE UID GID MTIME_NS SIZE CONTENT PATH LINK      for every entry, and every path that was left out
    end ENTRIES

VERSION      1 for an archive, 2 for a snapshot

STARTED_NS   when the scan began, by the sidecar's clock, in nanoseconds since 1970
KIND         `f` file, `d` folder, `l` symbolic link, `h` further name of a file that came before; `x` a path that was
             there and is not in the backup, nor is anything below it: its other numbers are 0. An archive may have a
             member of that path, whose content its disk did not give
MODE         the permission bits, with setuid, setgid and sticky
MTIME_NS     when it was changed last, in nanoseconds since 1970; may be negative. Its seconds fit 64 bits, signed
SIZE         of the content; 0 for folders and symbolic links. A further name has that of its file, as it has all but
             path and link: they are one file
CONTENT      in version 1 the CRC-32 of the content as packed, 0 for folders and links; in version 2 four fields:
             HASH    of the content, as in the manifest (`trees.hashes`), in hexadecimal; `-` where there is none
             HEADER  the size of the block at its beginning, before which no other begins; 0 for none
             DATA    its bytes outside of holes
             XATTRS  the `user.*` attributes of a file or folder (`wire.attributes`)
PATH         relative to the root, without `.`, `..`, and doubled slashes
LINK         the target of a symbolic link, or the path of the file that this is a further name of, or the reason why
             the path was left out (a kind of warning, such as `unreadable`, or `excluded` by a pattern); else empty

Entries come in the order of a walk: a folder before what is in it, the names of a folder in the order of their bytes.
The last line tells a listing that was cut from a whole one.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from isal import igzip_lib, isal_zlib

from trees.paths import is_reserved, walk_order
from wire.attributes import NONE, attributes_field, attributes_read
from wire.enums import WarningKind
from wire.records import name_escape, name_unescape

FILE: Final = b"f"
FOLDER: Final = b"d"
SYMLINK: Final = b"l"
HARD_LINK: Final = b"h"
LEFT_OUT: Final = b"x"
_VANISHED: Final = WarningKind.VANISHED.encode()
_EXCLUDED: Final = WarningKind.EXCLUDED.encode()

OF_ARCHIVE: Final = 1
OF_SNAPSHOT: Final = 2
"""Versions."""
_HEAD_LINE: Final = b"savepoint-listing %d %d\n"
_ENTRY_LINE: Final = b"%b %d %d %d %d %d %b %b %b\n"
END_LINE: Final = b"end "
_HEAD: Final = re.compile(rb"savepoint-listing ([0-9]{1,9}) ([0-9]{1,19})")
_STATUS: Final = rb"([fdlhx]) ([0-9]{1,4}) ([0-9]{1,10}) ([0-9]{1,10}) (-?[0-9]{1,28}) ([0-9]{1,19}) "
_CONTENTS: Final = {
    OF_ARCHIVE: rb"([0-9]{1,10})",
    OF_SNAPSHOT: rb"([0-9a-f]{64}|-) ([0-9]{1,5}) ([0-9]{1,19}) ([A-Za-z0-9+/=:,]+|-)",
}
_ENTRIES: Final = {
    version: re.compile(_STATUS + content + rb" ([^ ]+) ([^ ]+)") for version, content in _CONTENTS.items()
}

_LEVEL: Final = 1
_GZIP: Final = 31
_BUFFER_BYTES: Final = 128 << 10
_PIECE_BYTES: Final = 256 << 10

_WITH_LINK: Final = frozenset({SYMLINK, HARD_LINK, LEFT_OUT})
_WITH_CONTENT: Final = frozenset({FILE, HARD_LINK})
_WITH_XATTRS: Final = frozenset({FILE, HARD_LINK, FOLDER})
_LARGEST_HEADER: Final = 1 << 16
_LARGEST: Final = (1 << 63) - 1
_LARGEST_32_BITS: Final = (1 << 32) - 1
_LARGEST_MODE: Final = 0o7777
_TIMES_NS: Final = range(-(10**9 << 63), 10**9 << 63)
# A component that is empty, `.` or `..`; and no name has a NUL.
_NOT_PLAIN: Final = re.compile(rb"(?:\A|/)\.{0,2}(?:/|\Z)|\0")


class ListingDamaged(ValueError):
    """It is cut, fails its checksum, or is no listing."""


class ListingRefused(ValueError):
    """The listing is well formed, but breaks a limit, or names an entry that no backup may hold."""


class Entry(NamedTuple):
    """One line; the fields are those of the format.

    In version 1 `xattrs` is None, as nothing is known of them, and `hash` is empty; in version 2 `crc32` is 0.
    """

    kind: bytes
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int
    crc32: int
    path: bytes
    link: bytes
    hash: bytes = b""
    header: int = 0
    data: int = 0
    xattrs: Mapping[bytes, bytes] | None = None

    @property
    def vanished(self) -> bool:
        """Whether the backup lacks a path because it was gone before it was read: then it was not there."""
        return self.kind == LEFT_OUT and self.link == _VANISHED

    @property
    def excluded(self) -> bool:
        """Whether the archive lacks a path because a pattern left it out, with everything below it."""
        return self.kind == LEFT_OUT and self.link == _EXCLUDED


@dataclass(frozen=True, slots=True)
class ListingLimits:
    """Limits of a listing, to bound the cost of reading it. Paths are at most 256 KiB long."""

    line_bytes: int = 4 << 20
    entries: int = 200_000_000
    total_bytes: int = 64 << 30  # decompressed


DEFAULT_LIMITS: Final = ListingLimits()


class ListingWriter:
    """Writes a listing as it becomes known; entries are added in the order of the walk."""

    def __init__(self, write: Callable[[bytes], object], *, started_ns: int, version: int = OF_ARCHIVE) -> None:
        """`write` takes the listing's next bytes, all of them at each call."""
        self._content = _CONTENT_LINES[version]
        self._write = write
        self._gzip = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)
        self._buffer = bytearray(_HEAD_LINE % (version, started_ns))
        self._entries = 0

    def add(self, entry: Entry) -> None:
        """Append one entry."""
        names = name_escape(entry.path), name_escape(entry.link)
        self._buffer += _ENTRY_LINE % (*entry[:6], self._content(entry), *names)
        self._entries += 1
        if len(self._buffer) >= _BUFFER_BYTES:
            self._write(self._gzip.compress(self._buffer))
            self._buffer.clear()

    def finish(self) -> None:
        """Write the end line and the rest of the stream."""
        self._buffer += b"%b%d\n" % (END_LINE, self._entries)
        self._write(self._gzip.compress(self._buffer) + self._gzip.flush())
        self._buffer.clear()


class Listing:
    """A listing that is read once, forward only, in bounded memory.

    Reading raises `ListingDamaged` and `ListingRefused`; that it is whole is known only when the entries have ended.
    """

    def __init__(self, parts: Iterable[bytes | memoryview], *, limits: ListingLimits = DEFAULT_LIMITS) -> None:
        """Read the head, `version` and `started_ns`, from the listing's bytes, which come in parts of any size."""
        self._limits = limits
        self._lines = _lines(listing_inflated(parts, limits), limits)
        self.version, self.started_ns = head_read(next(self._lines, b""))
        self._entry = _READERS[self.version]

    def entries(self) -> Iterator[Entry]:
        """Every entry in its order, none of them outside of the root or in the reserved folder."""
        size = 0
        before = b""
        for count, line in enumerate(self._lines):
            if line.startswith(END_LINE):
                self._end_check(line, count)
                return
            entry = self._entry(line)
            order = walk_order(entry.path)
            if order <= before:
                raise ListingDamaged("The listing's entries are not in their order.")
            before = order
            size += entry.size
            if count >= self._limits.entries or size > _LARGEST:
                raise ListingRefused("The listing tells of more than any backup may hold.")
            yield entry
        raise ListingDamaged("The listing is cut.")

    def left_out(self) -> Iterator[Entry]:
        """The entries of kind `LEFT_OUT` alone: most lines need no parsing for that."""
        for count, line in enumerate(self._lines):
            if line.startswith(END_LINE):
                self._end_check(line, count)
                return
            if line.startswith(LEFT_OUT):
                yield self._entry(line)
        raise ListingDamaged("The listing is cut.")

    def _end_check(self, line: bytes, count: int) -> None:
        if line != b"%b%d" % (END_LINE, count) or next(self._lines, None) is not None:
            raise ListingDamaged("The listing does not end where it says.")


def head_read(line: bytes) -> tuple[int, int]:
    """The version, and the time when the scan began."""
    head = _HEAD.fullmatch(line)
    if head is None:
        raise ListingDamaged("This is no listing of a backup.")
    version, started_ns = map(int, head.groups())
    if version not in _READERS:
        raise ListingRefused("The listing was made by a newer version.")
    return version, started_ns


def entry_of_archive(line: bytes) -> Entry:
    """The entry of a line of version 1, without its newline. Raises `ListingDamaged`, `ListingRefused`."""
    kind, *digits, path, link = _fields(line, OF_ARCHIVE)
    mode, uid, gid, mtime_ns, size, crc32 = map(int, digits)
    entry = Entry(kind, mode, uid, gid, mtime_ns, size, crc32, name_unescape(path), name_unescape(link))
    return _checked(entry)


def _entry_of_snapshot(line: bytes) -> Entry:
    kind, mode, uid, gid, mtime_ns, size, digest, header, data, xattrs, path, link = _fields(line, OF_SNAPSHOT)
    entry = Entry(
        kind, int(mode), int(uid), int(gid), int(mtime_ns), int(size), 0, name_unescape(path), name_unescape(link),
        b"" if digest == b"-" else bytes.fromhex(digest.decode()), int(header), int(data),
        _attributes(xattrs),
    )  # fmt: skip
    fits = bool(entry.hash) == (kind in _WITH_CONTENT) and (not entry.xattrs or kind in _WITH_XATTRS)
    if not fits or entry.header > _LARGEST_HEADER or entry.data > entry.size:
        raise ListingDamaged("An entry of the listing has a field that it cannot have.")
    return _checked(entry)


_READERS: Final = {OF_ARCHIVE: entry_of_archive, OF_SNAPSHOT: _entry_of_snapshot}


def _fields(line: bytes, version: int) -> tuple[bytes, ...]:
    found = _ENTRIES[version].fullmatch(line)
    if found is None:
        raise ListingDamaged("A line of the listing is no entry.")
    return found.groups()


def _checked(entry: Entry) -> Entry:
    numbers_fit = entry.mode <= _LARGEST_MODE and max(entry.uid, entry.gid, entry.crc32) <= _LARGEST_32_BITS
    if not numbers_fit or entry.mtime_ns not in _TIMES_NS or bool(entry.link) != (entry.kind in _WITH_LINK):
        raise ListingDamaged("An entry of the listing has a field that it cannot have.")
    if _NOT_PLAIN.search(entry.path) or is_reserved(entry.path):
        raise ListingRefused("An entry of the listing lies where no backup may reach.")
    return entry


def _crc32_line(entry: Entry) -> bytes:
    return b"%d" % entry.crc32


def _hash_line(entry: Entry) -> bytes:
    digest = entry.hash.hex().encode() or b"-"
    return b"%b %d %d %b" % (digest, entry.header, entry.data, attributes_field(entry.xattrs or NONE))


_CONTENT_LINES: Final = {OF_ARCHIVE: _crc32_line, OF_SNAPSHOT: _hash_line}


def _attributes(field: bytes) -> Mapping[bytes, bytes]:
    try:
        return attributes_read(field)
    except ValueError as error:
        raise ListingDamaged("An entry of the listing has attributes that cannot be read.") from error


def _lines(pieces: Iterable[bytes], limits: ListingLimits) -> Iterator[bytes]:
    """The lines without their newlines."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        if max(map(len, (*lines, rest))) > limits.line_bytes:
            raise ListingRefused("A line of the listing is longer than allowed.")
        yield from lines
    if rest:
        raise ListingDamaged("The listing is cut.")


def listing_inflated(parts: Iterable[bytes | memoryview], limits: ListingLimits) -> Iterator[bytes]:
    """The decompressed bytes, a bounded piece at a time; checks the gzip member's end, and that nothing follows it."""
    inflate = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    total = 0
    for part in parts:
        if inflate.eof and part:
            raise ListingDamaged("Something follows the listing's end.")
        data: bytes | memoryview = part
        while not inflate.eof and (data or not inflate.needs_input):
            piece = _piece(inflate, data)
            data = b""
            total += len(piece)
            if total > limits.total_bytes:
                raise ListingRefused("The listing holds more bytes than allowed.")
            yield piece
    if not inflate.eof or inflate.unused_data:
        raise ListingDamaged("The listing is cut, or something follows its end.")


def _piece(inflate: igzip_lib.IgzipDecompressor, data: bytes | memoryview) -> bytes:
    try:
        piece: bytes = inflate.decompress(data, _PIECE_BYTES)
    except igzip_lib.IsalError as error:  # type: ignore[misc]  # its stub declares an instance
        raise ListingDamaged("The listing's compression is damaged.") from error
    return piece
