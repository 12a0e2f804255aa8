"""Parses a tar stream into members, and refuses kinds of members that a game server does not need."""

from __future__ import annotations

from collections.abc import Iterator

from sidecar.errors import ArchiveDamaged, ArchiveRefused
from sidecar.restore.reading.member_paths import member_path, shown
from sidecar.restore.reading.members import ZEROS, Compared, Member, MemberKind, content_compare, dense_bytes
from sidecar.restore.reading.tar.decompressed import Decompressed
from sidecar.restore.reading.tar.extended import EXTENDED, ExtendedHeaders, Records, pax_number, pax_time
from sidecar.restore.reading.tar.header import BLOCK, Header, header_parse
from sidecar.restore.reading.tar.limits import TarLimits
from sidecar.restore.reading.tar.sparse_map import RUNS_MAX, SparseMap, map_of_content, map_of_header, map_of_records
from trees.metadata import PERMISSIONS, Metadata

_END = bytes(BLOCK)
_SPARSE, _DUMPED_FOLDER, _LABEL = b"S", b"D", b"V"
_SPARSE_VERSIONS = ((b"0", b"0"), (b"0", b"1"), (b"1", b"0"))


_KINDS = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"1": MemberKind.HARDLINK,
    b"2": MemberKind.SYMLINK,
    b"5": MemberKind.DIRECTORY,
    _SPARSE: MemberKind.FILE,
    _DUMPED_FOLDER: MemberKind.DIRECTORY,
}


class TarReader:
    """The members of a tar stream in order; `content` reads the current one.

    Understands ustar, pax (global and per member), GNU long names, sparse files, volume labels and incremental dumps.
    A single block of zeros ends an archive, as for GNU tar; without one, the archive may have been truncated. Reading
    continues behind the end, where another archive may have been appended.

    Raises ArchiveDamaged when a checksum is wrong, a member is truncated or the end is missing, and ArchiveRefused for
    valid members that are not acceptable.
    """

    def __init__(self, stream: Decompressed, limits: TarLimits) -> None:
        self._stream = stream
        self._limits = limits
        self._extended = ExtendedHeaders(limits)
        self._pieces: Iterator[memoryview] = iter(())
        self._padding = 0
        self._file_bytes = 0
        self._dense = 0
        self._runs = 0

    def members(self) -> Iterator[Member]:
        """Yield every member up to the end of the stream, which may hold only archives and zeros."""
        for block, header in self._headers():
            if header.kind in EXTENDED:
                self._extended.take(header, self._stream.exactly)
                continue
            member = self._member(block, header, self._extended.end())
            if member is not None:
                yield member
            for _ in self._pieces:
                pass
            self._stream.exactly(self._padding)
        if self._extended.pending:
            raise ArchiveDamaged("the archive ends after an extended header")

    def content(self) -> Iterator[memoryview]:
        """Yield the current member's content; each piece is valid until the next iteration. Holes are views of `ZEROS`.

        Raise ArchiveRefused when the content exceeds the ratio to the bytes read of the archive.
        """
        for piece in map(_hole_found, self._pieces):
            self._dense += dense_bytes(piece)
            excess = self._dense > self._stream.bytes_read * self._limits.ratio
            if excess and self._dense > self._limits.ratio_from_bytes:
                raise ArchiveRefused(f"the archive unpacks to more than {self._limits.ratio} times its size")
            yield piece

    def compare(self, live: int | None) -> Iterator[Compared]:
        """Compare the current member's content with an open live file, byte by byte."""
        return content_compare(self.content(), live)

    def _headers(self) -> Iterator[tuple[bytes, Header]]:
        """Yield every header. Blocks of zeros mark an end, or pad the last record."""
        count, ended, has_end = 0, False, False
        while block := self._block():
            ended = block == _END[: len(block)]
            if ended:
                has_end = True
                continue
            count += 1
            if count > self._limits.entries:
                raise ArchiveRefused(f"the archive has more than {self._limits.entries} entries")
            if len(block) < BLOCK:
                raise ArchiveDamaged("the archive ends too early")
            try:
                header = header_parse(block)
            except ArchiveDamaged:
                if has_end:
                    raise ArchiveDamaged("other data than an archive follows the archive's end") from None
                raise
            yield block, header
        if not ended:
            raise ArchiveDamaged("the archive's end is missing: it may have been cut")

    def _block(self) -> bytes:
        """The next block; shorter, then empty, at the end of the stream."""
        block = bytes(self._stream.take(BLOCK))
        while len(block) < BLOCK and (more := self._stream.take(BLOCK - len(block))):
            block += more
        return block

    def _next_block(self) -> bytes:
        return self._stream.exactly(BLOCK)

    def _member(self, block: bytes, header: Header, records: Records) -> Member | None:
        """Combine a header with its extended records; return None for a volume label."""
        name = records.values.get(b"path", header.name)
        stored = pax_number(records.values[b"size"]) if b"size" in records.values else header.size
        self._pieces, self._padding = self._stored(stored), -stored % BLOCK
        if header.kind == _LABEL and not stored:
            return None
        kind = _kind_of(header, name, stored)
        size = stored
        sparse = self._sparse_map(block, header, records)
        if sparse is not None:
            if kind is not MemberKind.FILE:
                raise ArchiveRefused(f"a member is sparse, but is no file: {shown(name)}")
            self._sparse_begin(sparse, stored)
            name, size = records.values.get(b"GNU.sparse.name", name), sparse.size
        path = member_path(name, self._limits)
        link = self._link(kind, path, records.values.get(b"linkpath", header.link))
        size = size if kind is MemberKind.FILE else 0
        self._file_bytes += size
        if self._file_bytes > self._limits.total_bytes:
            detail = f"the archive's files up to this one have more than {self._limits.total_bytes} bytes"
            raise ArchiveRefused(f"{detail}: {shown(path)}")
        return Member(kind, path, link, size, _metadata(header, records, name))

    def _link(self, kind: MemberKind, path: bytes, link: bytes) -> bytes:
        """A member's link, checked."""
        if not path and kind is not MemberKind.DIRECTORY:
            raise ArchiveRefused("the member of the data root is no folder")
        if kind is MemberKind.HARDLINK:
            return member_path(link, self._limits)
        if kind is MemberKind.SYMLINK and (not link or b"\0" in link):
            raise ArchiveRefused(f"a symlink points to an impossible name: {shown(path)}")
        return link

    def _sparse_begin(self, sparse: SparseMap, stored: int) -> None:
        sparse.check(stored)
        self._runs += len(sparse.numbers) // 2
        if self._runs > RUNS_MAX:
            raise ArchiveRefused(f"the archive's sparse files have more than {RUNS_MAX} runs of data")
        self._pieces = self._with_holes(sparse)

    def _sparse_map(self, block: bytes, header: Header, records: Records) -> SparseMap | None:
        """The map of a sparse file, read from the stream where it is there; None for any other member."""
        said = records.values
        if header.kind == _SPARSE:
            return map_of_header(block, self._next_block)
        if not records.sparse:
            return None
        version = said.get(b"GNU.sparse.major", b"0"), said.get(b"GNU.sparse.minor", b"0")
        whole = said.get(b"GNU.sparse.realsize") or said.get(b"GNU.sparse.size")
        if whole is None or version not in _SPARSE_VERSIONS:
            raise ArchiveRefused("a member is stored sparse in a form that is not restored")
        size = pax_number(whole)
        if version == (b"1", b"0"):
            return map_of_content(self._next_block, size)
        return map_of_records(records.pairs or said.get(b"GNU.sparse.map", b"0,0").split(b","), size)

    def _stored(self, size: int) -> Iterator[memoryview]:
        """The next bytes of the stream."""
        while size:
            piece = self._stream.take(size)
            if not piece:
                raise ArchiveDamaged("the archive ends inside a member")
            size -= len(piece)
            yield piece

    def _with_holes(self, sparse: SparseMap) -> Iterator[memoryview]:
        at = 0
        for offset, length in sparse.runs():
            yield from _hole(offset - at)
            yield from self._stored(length)
            at = offset + length
        yield from _hole(sparse.size - at)


def _hole(size: int) -> Iterator[memoryview]:
    zeros = memoryview(ZEROS)
    while size:
        count = min(size, len(zeros))
        yield zeros[:count]
        size -= count


def _hole_found(piece: memoryview) -> memoryview:
    """A piece of content, or as many of `ZEROS` where it holds nothing else."""
    # Comparing is cheap where it fails, and it mostly fails at an end.
    is_hole = not piece[0] and not piece[-1] and piece.obj is not ZEROS and bytes(piece) == bytes(len(piece))
    return memoryview(ZEROS)[: len(piece)] if is_hole else piece


def _kind_of(header: Header, name: bytes, size: int) -> MemberKind:
    kind = _KINDS.get(header.kind)
    if kind is None:
        raise ArchiveRefused(f"a member is of a kind that is not restored: {shown(name)}")
    if header.kind == b"\0" and name.endswith(b"/"):
        kind = MemberKind.DIRECTORY  # before ustar had a type for folders
    if kind is MemberKind.FILE and name.endswith(b"/"):
        raise ArchiveRefused(f"a file is named like a folder: {shown(name)}")
    # Tars disagree on whether content follows such a header: read one way it would hide members from the other.
    if size < 0 or (size and kind is not MemberKind.FILE and header.kind != _DUMPED_FOLDER):
        raise ArchiveRefused(f"a member has a size that it cannot have: {shown(name)}")
    return kind


def _metadata(header: Header, records: Records, name: bytes) -> Metadata:
    """Numeric owners only; setuid, setgid and sticky are dropped: no game's data needs them."""
    said = records.values
    uid = pax_number(said[b"uid"]) if b"uid" in said else header.uid
    gid = pax_number(said[b"gid"]) if b"gid" in said else header.gid
    mtime_ns = pax_time(said[b"mtime"]) if b"mtime" in said else header.mtime_ns
    metadata = Metadata(header.mode & PERMISSIONS, uid, gid, mtime_ns)
    if not metadata.is_possible:
        raise ArchiveRefused(f"a member's owner or time is out of range: {shown(name)}")
    return metadata
