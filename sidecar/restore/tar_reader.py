"""Turns a tar stream into members, and refuses every kind of member that a game server's data cannot need."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from sidecar.errors import ArchiveDamaged, ArchiveRefused
from sidecar.restore.gzip_stream import GzipStream
from sidecar.restore.limits import Limits
from sidecar.restore.member_paths import member_path, shown
from sidecar.restore.tar_header import BLOCK, Header, header_parse, pax_number, pax_parse, pax_time

_END = bytes(BLOCK)
_NO_ID = 0xFFFF_FFFF  # chown(2) takes it as "leave it as it is"
_TIME_RANGE = range(-(10**9 << 63), 10**9 << 63)  # what a 64-bit time_t holds; the filesystem clamps to its own
_PADDING_BYTES = 16 << 20  # tar fills its last record, of some KiB, with zeros


class Kind(enum.Enum):
    """What a member may be. Devices, FIFOs, sockets, sparse files and multi-volume pieces are not on the list."""

    FILE = enum.auto()
    DIRECTORY = enum.auto()
    SYMLINK = enum.auto()
    HARDLINK = enum.auto()


_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"5": Kind.DIRECTORY,
}


@dataclass(frozen=True, slots=True)
class Metadata:
    """Permission bits, numeric owner and modification time (nanoseconds since 1970) of a path."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Member:
    """One entry: `path` is checked and relative to the data root; `link` is a symlink's target as it stands in the
    archive, or a hard link's checked path; `size` is that of the content of a FILE.
    """

    kind: Kind
    path: bytes
    link: bytes
    size: int
    metadata: Metadata


class TarReader:
    """The members of a tar stream in their order; the content of the one last given is read with `content`.

    Understands ustar, pax (global and per member) and GNU long names. Raises ArchiveDamaged when a checksum is wrong
    or the end-of-archive blocks are missing, ArchiveRefused for what is well formed but not acceptable.
    """

    def __init__(self, stream: GzipStream, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._shared: dict[bytes, bytes] = {}
        self._content_left = 0
        self._padding = 0

    def members(self) -> Iterator[Member]:
        """Yield every member up to the end of the archive, then make sure that nothing but zeros follows it."""
        count = 0
        own: dict[bytes, bytes] = {}
        while (block := self._stream.exactly(BLOCK)) != _END:
            header = header_parse(block)
            count += 1
            if count > self._limits.entries:
                raise ArchiveRefused(f"the archive has more than {self._limits.entries} entries")
            if self._extended(header, own):
                continue
            member = self._member(header, {**self._shared, **own})
            own.clear()
            yield member
            for _ in self.content():
                pass
            self._stream.exactly(self._padding)
        if own:
            raise ArchiveDamaged("the archive ends after an extended header")
        self._end_check()

    def content(self) -> Iterator[memoryview]:
        """Yield the current member's content in pieces, each valid until the next is asked for."""
        while self._content_left:
            piece = self._stream.take(self._content_left)
            if not piece:
                raise ArchiveDamaged("the archive ends inside a member")
            self._content_left -= len(piece)
            yield piece

    def _extended(self, header: Header, own: dict[bytes, bytes]) -> bool:
        """Take in a header that describes later ones; False when it is a member's own."""
        if header.kind not in (b"x", b"g", b"L", b"K"):
            return False
        if not 0 <= header.size <= self._limits.header_bytes:
            raise ArchiveRefused("an extended header is larger than allowed")
        data = self._stream.exactly(header.size)
        self._stream.exactly(-header.size % BLOCK)
        match header.kind:
            case b"x":
                own.update(pax_parse(data))
            case b"g":
                self._shared.update(pax_parse(data))
            case b"L":
                own.setdefault(b"path", data.partition(b"\0")[0])
            case _:
                own.setdefault(b"linkpath", data.partition(b"\0")[0])
        if sum(map(len, [*own, *own.values(), *self._shared, *self._shared.values()])) > self._limits.header_bytes:
            raise ArchiveRefused("extended headers are larger than allowed")
        return True

    def _member(self, header: Header, records: dict[bytes, bytes]) -> Member:
        """Combine a header with its extended records. A record without a value does not count (POSIX)."""
        records = {key: value for key, value in records.items() if value}
        name = records.get(b"path", header.name)
        if any(key.startswith(b"GNU.sparse") for key in records):
            raise ArchiveRefused(f"a member is stored sparse: {shown(name)}")
        size = pax_number(records[b"size"]) if b"size" in records else header.size
        kind = _kind_of(header, name, size)
        path = member_path(name, self._limits)
        link = records.get(b"linkpath", header.link)
        if not path and kind is not Kind.DIRECTORY:
            raise ArchiveRefused("a member that is no folder takes the place of the data root")
        if kind is Kind.HARDLINK:
            link = member_path(link, self._limits)
        elif kind is Kind.SYMLINK and (not link or b"\0" in link):
            raise ArchiveRefused(f"a symlink points to an impossible name: {shown(path)}")
        self._content_left, self._padding = size, -size % BLOCK
        return Member(kind, path, link, size, _metadata(header, records, name))

    def _end_check(self) -> None:
        if self._stream.exactly(BLOCK) != _END:
            raise ArchiveDamaged("the archive's end is not marked by two blocks of zeros")
        padding = 0
        while piece := self._stream.take(1 << 20):
            padding += len(piece)
            if padding > _PADDING_BYTES or bytes(piece).strip(b"\0"):
                raise ArchiveDamaged("something follows the archive's end")


def _kind_of(header: Header, name: bytes, size: int) -> Kind:
    kind = _KINDS.get(header.kind)
    if kind is None:
        raise ArchiveRefused(f"a member is of a kind that is not restored: {shown(name)}")
    if header.kind == b"\0" and name.endswith(b"/"):
        kind = Kind.DIRECTORY  # before ustar had a type for folders
    if kind is Kind.FILE and name.endswith(b"/"):
        raise ArchiveRefused(f"a file is named like a folder: {shown(name)}")
    # Tars disagree on whether content follows such a header: read one way it would hide members from the other.
    if size < 0 or (size and kind is not Kind.FILE):
        raise ArchiveRefused(f"a member has a size that it cannot have: {shown(name)}")
    return kind


def _metadata(header: Header, records: dict[bytes, bytes], name: bytes) -> Metadata:
    """Numeric owners only; setuid, setgid and sticky are dropped: no game's data needs them."""
    uid = pax_number(records[b"uid"]) if b"uid" in records else header.uid
    gid = pax_number(records[b"gid"]) if b"gid" in records else header.gid
    mtime_ns = pax_time(records[b"mtime"]) if b"mtime" in records else header.mtime_ns
    if not (0 <= uid < _NO_ID and 0 <= gid < _NO_ID and mtime_ns in _TIME_RANGE):
        raise ArchiveRefused(f"a member's owner or time is out of range: {shown(name)}")
    return Metadata(header.mode & 0o777, uid, gid, mtime_ns)
