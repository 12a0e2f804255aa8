"""Entries of a tree in the columns of a message: nothing is done for each entry that can be done for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Final

from google.protobuf.message import DecodeError

from trees.hashes import BLOCK_SIZE, HASH_SIZE
from trees.source import Kind, SourceEntry, Wanted
from trees.trust import Stat
from wire.framing import data_split
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

_SECTOR_BYTES: Final = 4096
_SECOND: Final = 1_000_000_000
_NO_STAT: Final = Stat(0, 0, 0, 0, 0, 0)
_MODES: Final = 0o7777
_KINDS: Final = {kind.value: kind for kind in Kind if kind is not Kind.PART}
_WITH_TARGET: Final = bytes((Kind.SYMLINK, Kind.HARDLINK, Kind.SKIPPED))


def entries_pack(entries: Sequence[SourceEntry]) -> wire.TreeEntries:
    """The message of these entries; there must be one."""
    kinds, paths, stats, sizes, targets = zip(*entries, strict=True)
    modes, uids, gids, mtimes, ctimes, inodes = zip(*[stat or _NO_STAT for stat in stats], strict=True)
    mtimes_s, mtimes_ns = zip(*map(divmod, mtimes, repeat(_SECOND)), strict=True)
    ctimes_s, ctimes_ns = zip(*map(divmod, ctimes, repeat(_SECOND)), strict=True)
    return wire.TreeEntries(
        kinds=bytes(kinds),
        paths=paths,
        modes=modes,
        uids=uids,
        gids=gids,
        mtimes_s=mtimes_s,
        mtimes_ns=mtimes_ns,
        ctimes_s=ctimes_s,
        ctimes_ns=ctimes_ns,
        inodes=inodes,
        sizes=sizes,
        targets=[target for target in targets if target is not None],
    )


def entries_unpack(message: wire.TreeEntries) -> list[SourceEntry]:
    """The entries of a message. Raises ValueError when they cannot be any; their paths and order are not checked."""
    kinds = message.kinds
    columns = (
        message.paths,
        message.modes,
        message.uids,
        message.gids,
        message.mtimes_s,
        message.mtimes_ns,
        message.ctimes_s,
        message.ctimes_ns,
        message.inodes,
        message.sizes,
    )
    with_target = len(kinds) - len(kinds.translate(None, _WITH_TARGET))
    if any(len(column) != len(kinds) for column in columns) or len(message.targets) != with_target:
        raise ValueError("the columns of the entries differ in length")
    modes, times = message.modes, (message.mtimes_ns, message.ctimes_ns)
    if kinds and (max(modes) > _MODES or max(map(max, times)) >= _SECOND or not set(kinds) <= _KINDS.keys()):
        raise ValueError("an entry has a field that it cannot have")
    mtimes = (seconds * _SECOND + ns for seconds, ns in zip(message.mtimes_s, message.mtimes_ns, strict=True))
    ctimes = (seconds * _SECOND + ns for seconds, ns in zip(message.ctimes_s, message.ctimes_ns, strict=True))
    stats = map(Stat, modes, message.uids, message.gids, mtimes, ctimes, message.inodes)
    found = zip(map(_KINDS.__getitem__, kinds), message.paths, stats, message.sizes, strict=True)
    return list(_entries(found, iter(message.targets)))


def _entries(found: Iterator[tuple[Kind, bytes, Stat, int]], targets: Iterator[bytes]) -> Iterator[SourceEntry]:
    for kind, path, stat, size in found:
        if kind is Kind.FILE:
            yield SourceEntry(kind, path, stat, size, None)
        elif kind is Kind.FOLDER:
            yield SourceEntry(kind, path, stat, 0, None)
        else:
            yield SourceEntry(kind, path, None if kind is Kind.SKIPPED else stat, 0, next(targets))


def wanted_pack(wanted: Sequence[Wanted]) -> wire.ReadTreeRequest:
    """The request for these; there must be one."""
    entries, spans, in_place, headers, known = zip(*wanted, strict=True)
    starts, stops = zip(*spans, strict=True)
    return wire.ReadTreeRequest(
        entries=entries_pack(entries),
        starts=starts,
        stops=stops,
        in_place=bytes(in_place),
        headers=headers,
        known=known,
    )


def reading_unpack(message: bytes) -> tuple[memoryview, wire.ReadTreeReply]:
    """The content of a reply, and its steps. Raises ValueError when it is none."""
    data, rest = data_split(field=wire.ReadTreeReply.DATA_FIELD_NUMBER, message=message)
    try:
        return data, wire.ReadTreeReply.FromString(bytes(rest))
    except DecodeError as error:
        raise ValueError("the reply cannot be decoded") from error


def wanted_unpack(message: wire.ReadTreeRequest) -> list[Wanted]:
    """The parts that a request asks for. Raises ValueError when it cannot be meant; the spans are not checked."""
    entries = entries_unpack(message.entries)
    known, headers = message.known, message.headers
    if any(len(hashes) % HASH_SIZE for hashes in known) or (headers and max(headers) > BLOCK_SIZE):
        raise ValueError("what is known of a part cannot be")
    if any(header % _SECTOR_BYTES for header in headers):
        raise ValueError("a header is not made of whole sectors")
    spans = zip(message.starts, message.stops, strict=True)
    return [Wanted(*fields) for fields in zip(entries, spans, map(bool, message.in_place), headers, known, strict=True)]
