"""The records of a manifest (FORMAT.md), packed and unpacked."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgpack

from repository.errors import ManifestInvalid
from trees.hashes import BLOCK_SIZE, HASH_SIZE, zero_hash
from trees.source import Kind
from trees.trust import Stat

PATH_SIZE_MAX = 65535
RECORD_SIZE_MAX = 4 << 20
PART_SIZE = 256 << 20
HEADER_SIZE = 8192
CHUNK_ID_SIZE = 32
ARRAY_LENGTH_MIN = 3
# MessagePack's codes: an array of 3 to 15 elements, the numbers below 128, and up to 255 bytes behind their number.
_SHORT_ARRAYS = range(0x93, 0xA0)
_NUMBERS_END = 0x80
_BIN_8 = 0xC4
_CODE_AT, _PATH_AT = 2, 4
HOLE = -1
_FILE = int(Kind.FILE)
# Most paths: no name is empty or begins with a dot.
_PLAIN_PATH = re.compile(rb"[^./\x00][^/\x00]*(?:/[^./\x00][^/\x00]*)*")
_INTEGERS = frozenset({int})
_STAT_TYPES = (int,) * len(Stat._fields)
# A file system stores a time's seconds in 64 bits: as nanoseconds, that exceeds MessagePack's integers.
_WIDE_CODE = 1
_WIDE_SIZE = 16
_NARROW = range(-(1 << 63), 1 << 64)

Xattrs = dict[bytes, bytes] | None


class Extent(NamedTuple):
    """A run of a file's bytes: `length` bytes from `offset` of a chunk, or a hole where `chunk` is None."""

    length: int
    chunk: bytes | None
    offset: int


class Content(NamedTuple):
    """A part of a file as in the manifest: ids of chunks, flat extents, hashes of blocks, and the file's hash."""

    ids: bytes
    extents: tuple[int, ...]
    blocks: bytes
    hash: bytes | None

    def runs(self) -> Iterator[Extent]:
        """The extents in order."""
        ids, flat = self.ids, self.extents
        for at in range(0, len(flat), 3):
            length, number, offset = flat[at : at + 3]
            if number == HOLE:
                yield Extent(length, None, 0)
            else:
                yield Extent(length, ids[number * CHUNK_ID_SIZE : (number + 1) * CHUNK_ID_SIZE], offset)

    def chunk_ids(self) -> Iterator[bytes]:
        """The ids of the chunks that the part needs."""
        return (self.ids[at : at + CHUNK_ID_SIZE] for at in range(0, len(self.ids), CHUNK_ID_SIZE))


class Record(NamedTuple):
    """Any record; fields that its kind lacks are None or 0.

    `target`: the text of a symbolic link, the path of a hard link's first name, or the reason why an entry was skipped.
    `number`: that of a part (a file's own record holds part 0). `raw`: the record's bytes in the manifest.
    """

    kind: Kind
    path: bytes
    stat: Stat | None = None
    xattrs: Xattrs = None
    size: int = 0
    header: int = 0
    content: Content | None = None
    warning: str | None = None
    target: bytes | None = None
    number: int = 0
    raw: bytes = b""


def path_check(path: bytes) -> None:
    """Raise ManifestInvalid unless this is the path of an entry below a root, or of the root itself."""
    if _PLAIN_PATH.fullmatch(path) and len(path) <= PATH_SIZE_MAX:
        return
    framed = b"/" + path + b"/"
    if len(path) > PATH_SIZE_MAX or b"\x00" in path:
        raise ManifestInvalid("the manifest holds an impossible path")
    if path and (b"//" in framed or b"/./" in framed or b"/../" in framed):
        raise ManifestInvalid("the manifest holds a path that leads elsewhere")


def parts_of(size: int, header: int) -> list[tuple[int, int]]:
    """Start and end of each part of a file; an empty file has one empty part."""
    if size <= PART_SIZE:
        return [(0, size)]
    first = min(size, PART_SIZE + header)
    begins = range(first, size, PART_SIZE)
    return [(0, first), *((begin, min(begin + PART_SIZE, size)) for begin in begins)]


def blocks_of(start: int, stop: int, header: int) -> Iterator[tuple[int, int]]:
    """Start and end, in the file, of each block of a part."""
    if start == 0 and header and stop:
        yield 0, min(header, stop)
        start = min(header, stop)
    for begin in range(start, stop, BLOCK_SIZE):
        yield begin, min(begin + BLOCK_SIZE, stop)


def block_count(start: int, stop: int, header: int) -> int:
    """The number of blocks in a part."""
    if start == 0 and header and stop:
        return 1 + block_count(min(header, stop), stop, 0)
    return -(-(stop - start) // BLOCK_SIZE)


class _Packing(threading.local):
    """A thread's packer: creating one for each record would cost as much as packing it."""

    def __init__(self) -> None:
        self.packer = msgpack.Packer(use_bin_type=True, default=_wide_pack)


def record_pack(record: Record) -> bytes:
    """The bytes of a record in the manifest."""
    packed: bytes = _packing.packer.pack(_array(record))
    return packed


def _wide_pack(number: object) -> msgpack.ExtType:
    """Pack an integer that is too large for MessagePack."""
    if type(number) is not int:
        raise TypeError(f"a record holds no {type(number).__name__}")
    return msgpack.ExtType(_WIDE_CODE, number.to_bytes(_WIDE_SIZE, "big", signed=True))


_packing = _Packing()


def _wide_unpack(code: int, data: bytes) -> int:
    number = int.from_bytes(data, "big", signed=True)
    if code != _WIDE_CODE or len(data) != _WIDE_SIZE or number in _NARROW:
        raise ManifestInvalid("the manifest holds an invalid record")
    return number


def _array(record: Record) -> tuple[Any, ...]:
    kind, path, stat, xattrs, size, header, content, warning, target, number, _ = record
    meta = None if stat is None else (*stat, xattrs)
    if kind is Kind.FILE:
        return _FILE, path, meta, size, header, content, warning
    if kind is Kind.FOLDER:
        return int(kind), path, meta
    if kind is Kind.SYMLINK:
        return int(kind), path, meta, target
    if kind is Kind.PART:
        return int(kind), path, number, content, warning
    if kind is Kind.SKIPPED:
        return int(kind), path, (target or b"").decode()
    return int(kind), path, target


def arrays_unpack(plain: bytes) -> Iterator[tuple[tuple[Any, ...], bytes]]:
    """The arrays in a chunk of a manifest with their bytes, unchecked; raises `ManifestInvalid` for other content."""
    unpacker = _unpacker(plain)
    begin = 0
    try:
        for array in unpacker:
            end = unpacker.tell()
            if type(array) is not tuple or len(array) < ARRAY_LENGTH_MIN or type(array[1]) is not bytes:
                raise ManifestInvalid("the manifest holds a value that is not a record")
            yield array, plain[begin:end]
            begin = end
    except ManifestInvalid:
        raise
    except (ValueError, TypeError, msgpack.UnpackException):
        raise ManifestInvalid("the manifest holds an invalid record") from None
    if begin != len(plain):
        raise ManifestInvalid("the manifest ends inside a record")


def record_offsets(plain: bytes) -> list[int]:
    """Where each record in a chunk of a manifest begins, and where the last one ends. Nothing in them is looked at.

    Raises `ManifestInvalid` for other content.
    """
    unpacker = _unpacker(plain)
    skip, tell, stop = unpacker.skip, unpacker.tell, len(plain)
    offsets = [0]
    try:
        while offsets[-1] < stop:
            skip()
            offsets.append(tell())
    except (ValueError, TypeError, msgpack.UnpackException):
        raise ManifestInvalid("the manifest holds an invalid record") from None
    return offsets


def path_at(plain: bytes, begin: int, end: int) -> bytes:
    """The path of the record between two offsets, which is otherwise unchecked. Raises `ManifestInvalid`."""
    # As the writer packs it: an array of few elements, a small number, a short run of bytes.
    if end - begin > _PATH_AT and plain[begin + _CODE_AT] == _BIN_8 and plain[begin] in _SHORT_ARRAYS:
        path_end = begin + _PATH_AT + plain[begin + _PATH_AT - 1]
        if path_end < end and plain[begin + 1] < _NUMBERS_END:
            return plain[begin + _PATH_AT : path_end]
    path: bytes = array_at(plain, begin, end)[1]
    return path


def array_at(plain: bytes, begin: int, end: int) -> tuple[Any, ...]:
    """The array of the record between two offsets, unchecked. Raises `ManifestInvalid`."""
    for array, _ in arrays_unpack(plain[begin:end]):
        return array
    raise ManifestInvalid("the manifest holds an invalid record")


def _unpacker(plain: bytes) -> msgpack.Unpacker:
    unpacker = msgpack.Unpacker(
        None, raw=False, use_list=False, strict_map_key=False, max_buffer_size=len(plain) + 1, ext_hook=_wide_unpack
    )
    unpacker.feed(plain)
    return unpacker


def records_unpack(plain: bytes, *, checked: bool = False) -> Iterator[Record]:
    """The records in a chunk of a manifest, each checked by itself, unless all of them were `checked` before.

    Raises `ManifestInvalid`.
    """
    decode = _record if checked else record_of
    for array, raw in arrays_unpack(plain):
        yield decode(array, raw)


def record_of(array: tuple[Any, ...], raw: bytes) -> Record:
    """Decode the array of one record and check it by itself; raises `ManifestInvalid`."""
    try:
        record = _record(array, raw)
        path_check(record.path)
        if record.kind is Kind.HARDLINK and record.target is not None:
            path_check(record.target)
        if _is_typed(record):
            return record
    except (ValueError, TypeError, IndexError, KeyError, AttributeError):
        pass
    raise ManifestInvalid("the manifest holds an invalid record")


def _record(array: tuple[Any, ...], raw: bytes) -> Record:
    kind, path = array[0], array[1]
    if kind == _FILE:
        _, _, meta, size, header, content, warning = array
        stat, xattrs = Stat(*meta[:6]), meta[6]
        return Record(Kind.FILE, path, stat, xattrs, size, header, Content(*content), warning, None, 0, raw)
    if kind == Kind.FOLDER:
        _, _, meta = array
        return Record(Kind.FOLDER, path, Stat(*meta[:6]), meta[6], raw=raw)
    if kind == Kind.SYMLINK:
        _, _, meta, target = array
        return Record(Kind.SYMLINK, path, Stat(*meta[:6]), meta[6], target=target, raw=raw)
    if kind == Kind.PART:
        _, _, number, content, warning = array
        return Record(Kind.PART, path, content=Content(*content), warning=warning, number=number, raw=raw)
    if kind == Kind.HARDLINK:
        _, _, target = array
        return Record(Kind.HARDLINK, path, target=target, raw=raw)
    if kind == Kind.SKIPPED:
        _, _, reason = array
        return Record(Kind.SKIPPED, path, target=reason.encode(), raw=raw)
    raise ManifestInvalid("the manifest holds a record of an unknown kind")


def _is_typed(record: Record) -> bool:
    """Whether every field has its type, and every number is in range."""
    kind, _, stat, xattrs, size, header, content, warning, target, number, _ = record
    return (
        type(size) is type(header) is type(number) is int
        and (stat is None or tuple(map(type, stat)) == _STAT_TYPES)
        and (xattrs is None or {*map(type, xattrs), *map(type, xattrs.values())} <= {bytes})
        and (content is None or _is_typed_content(content))
        and (warning is None or type(warning) is str)
        and (type(target) is bytes if kind is Kind.HARDLINK else target is None or type(target) is bytes)
        and size >= 0 <= number
        and 0 <= header <= HEADER_SIZE
    )


def _is_typed_content(content: Content) -> bool:
    ids, extents, blocks, whole = content
    of_bytes = type(ids) is type(blocks) is bytes and (whole is None or type(whole) is bytes)
    return of_bytes and type(extents) is tuple and {*map(type, extents)} <= _INTEGERS


def content_check(content: Content, *, start: int, stop: int, header: int) -> None:
    """Raise ManifestInvalid unless a part's extents, ids and hashes fit together."""
    flat, chunks = content.extents, len(content.ids) // CHUNK_ID_SIZE
    if len(flat) == 3 and flat[1] != HOLE:  # noqa: PLR2004  # one extent, as most files are
        length, number, offset = flat
        is_there = 0 <= number < chunks and len(content.ids) % CHUNK_ID_SIZE == 0 <= offset
        blocks = block_count(start, stop, header)
        if is_there and 0 < length == stop - start and len(content.blocks) == HASH_SIZE * blocks:
            return
    if len(flat) % 3 or len(content.ids) % CHUNK_ID_SIZE or len(content.blocks) % HASH_SIZE:
        raise ManifestInvalid("the manifest holds a broken list")
    lengths, numbers = flat[0::3], flat[1::3]
    if sum(lengths) != stop - start or min(lengths, default=1) <= 0 or min(flat[2::3], default=0) < 0:
        raise ManifestInvalid("the manifest's extents do not make up the file")
    if min(numbers, default=0) < HOLE or max(numbers, default=HOLE) >= chunks:
        raise ManifestInvalid("the manifest names a chunk it does not list")
    if HOLE in numbers:
        blocks = sum(not is_hole for _, _, is_hole in blocks_in(content, start, stop, header))
    else:
        blocks = block_count(start, stop, header)
    if len(content.blocks) != HASH_SIZE * blocks:
        raise ManifestInvalid("the manifest's hashes do not make up the file")


def blocks_in(content: Content, start: int, stop: int, header: int) -> Iterator[tuple[int, int, bool]]:
    """Each block of a part: its start and end in the file, and whether it lies wholly in a hole."""
    if HOLE not in content.extents[1::3]:
        yield from ((begin, end, False) for begin, end in blocks_of(start, stop, header))
        return
    holes = [(begin, end) for begin, end, extent in placed(content, start) if extent.chunk is None]
    waiting = iter([*_joined(holes), (stop, stop)])
    begin_hole, end_hole = next(waiting)
    for begin, end in blocks_of(start, stop, header):
        while end_hole <= begin and end_hole < stop:
            begin_hole, end_hole = next(waiting)
        yield begin, end, begin_hole <= begin and end <= end_hole


def placed(content: Content, start: int) -> Iterator[tuple[int, int, Extent]]:
    """Each extent with its start and end in the file."""
    for extent in content.runs():
        yield start, start + extent.length, extent
        start += extent.length


def all_hashes(content: Content, start: int, stop: int, header: int) -> bytes:
    """The hashes of all blocks of a part, those in holes included."""
    if HOLE not in content.extents[1::3]:
        return content.blocks
    known = iter([content.blocks[at : at + 32] for at in range(0, len(content.blocks), 32)])
    blocks = blocks_in(content, start, stop, header)
    return b"".join(zero_hash(end - begin) if is_hole else next(known) for begin, end, is_hole in blocks)


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort ranges and merge those that touch."""
    joined: list[tuple[int, int]] = []
    for begin, end in ranges:
        if joined and joined[-1][1] == begin:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined
