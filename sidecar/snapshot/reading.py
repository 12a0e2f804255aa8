"""Answers what a worker wants to read of a session's tree, in its order, in the thread of the call."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from typing import Final

from sidecar.errors import Refused, SourceFailed
from sidecar.snapshot.likeness import Likeness
from sidecar.snapshot.replies import Replies, end_pack
from sidecar.snapshot.sessions import Session
from trees import source as trees
from trees.local.file import LocalFile
from trees.paths import is_reserved
from trees.source import Changes, Kind, SourceGone, Wanted
from wire.contract import SMALL_FILE_BYTES
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire
from wire.tree_entries import wanted_unpack

_HEAD_BYTES: Final = 4096
_PART_BYTES_MAX: Final = 1 << 30


def session_read(
    session: Session, requests: Iterable[wire.ReadTreeRequest], *, check: Callable[[], None], aside: bool
) -> Generator[bytes, None, None]:
    """Yield the serialized replies to the requests; unless `aside`, the game goes on after them.

    Raises `SidecarError`s.
    All parts of one request are answered before the next one is read, so that no answer waits for another request.
    """
    replies = Replies()
    answering = _Answering(session, replies, check)
    try:
        for request in requests:
            for wanted in _wanted(request):
                answering.check()
                yield from answering.answer(wanted)
                if replies.is_full:
                    yield replies.take()
            if not replies.is_empty:
                yield replies.take()
    except trees.SourceFailed as error:
        raise SourceFailed(f"the data cannot be read: {error}") from error
    if not aside:
        yield end_pack(session.finish_reading().number)


class _Answering:
    """Adds the answers to the messages, and yields those that are full."""

    def __init__(self, session: Session, replies: Replies, check: Callable[[], None]) -> None:
        self._session = session
        self._check = check
        self._tree = session.tree
        self._replies = replies

    def check(self) -> None:
        """Raise the error with which the call or the session was stopped."""
        self._check()
        self._session.check()

    def answer(self, wanted: Wanted) -> Iterator[bytes]:
        if wanted.entry.kind is Kind.FOLDER:
            self._folder(wanted)
        elif wanted.span[1] - wanted.span[0] <= SMALL_FILE_BYTES:
            self._small(wanted)
        else:
            yield from self._part(wanted)

    def _folder(self, wanted: Wanted) -> None:
        try:
            self._replies.small(0, xattrs=self._tree.xattrs(wanted.entry))
        except SourceGone as gone:
            self._replies.small(0, gone=str(gone))

    def _small(self, wanted: Wanted) -> None:
        start, stop = wanted.span
        try:
            with self._tree.open(wanted.entry, in_place=wanted.in_place) as file:
                size = file.readinto(self._replies.room(stop - start), start) if stop > start else 0
                self._replies.small(size, changed=file.changed(), xattrs=file.xattrs())
        except SourceGone as gone:
            self._replies.small(0, gone=str(gone))

    def _part(self, wanted: Wanted) -> Iterator[bytes]:
        is_open = False
        try:
            with self._tree.open(wanted.entry, in_place=wanted.in_place) as file:
                ranges = list(file.data_ranges(*wanted.span))
                is_delta = bool(wanted.known) and ranges == [wanted.span]
                likeness = None if wanted.in_place or not is_delta else Likeness(file, wanted, self.check)
                is_delta = is_delta and (likeness is None or likeness.is_close)
                head = self._head(file, wanted) if is_delta else b""
                self._replies.opened(ranges=ranges, delta=is_delta, head=head)
                is_open, hashes = True, b""
                if is_delta:
                    changes = file.changes(*wanted.span, header=wanted.header, known=wanted.known)
                    hashes = yield from self._runs(changes if likeness is None else likeness.changes())
                else:
                    yield from self._content(file, ranges)
                self._replies.closed(hashes=hashes, changed=file.changed(), xattrs=file.xattrs())
        except SourceGone as gone:
            (self._replies.broken if is_open else self._replies.not_opened)(gone)

    def _head(self, file: LocalFile, wanted: Wanted) -> bytes:
        if wanted.span[0]:
            return b""
        head = bytearray(min(_HEAD_BYTES, wanted.span[1]))
        return bytes(head[: file.readinto(memoryview(head), 0)])

    def _content(self, file: LocalFile, ranges: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        for low, high in ranges:
            at = low
            while at < high:
                yield from self._sent()
                room = self._replies.room(high - at)
                size = file.readinto(room, at)
                if size:
                    self._replies.content(size)
                if size < len(room):
                    return  # the file has become shorter
                at += size

    def _runs(self, changes: Changes) -> Generator[bytes, None, bytes]:
        for offset, view in changes:
            at, rest = offset, view
            while rest:
                yield from self._sent()
                room = self._replies.room(len(rest))
                room[:] = rest[: len(room)]
                self._replies.run(at, len(room))
                at, rest = at + len(room), rest[len(room) :]
        return changes.hashes

    def _sent(self) -> Iterator[bytes]:
        if self._replies.is_full:
            self.check()
            yield self._replies.take()


def _wanted(request: wire.ReadTreeRequest) -> Iterable[Wanted]:
    """The parts that a request asks for. Raises `Refused` when it cannot be answered."""
    found: list[Wanted] = []
    with suppress(ValueError):
        found = wanted_unpack(request)
        if all(map(_is_possible, found)):
            return found
    raise Refused("The request asks for what no backup reads.")


def _is_possible(wanted: Wanted) -> bool:
    kind, path = wanted.entry.kind, wanted.entry.path
    start, stop = wanted.span
    if kind not in (Kind.FOLDER, Kind.FILE) or not _is_inside(path):
        return False
    is_span = 0 <= start <= stop <= wanted.entry.size and stop - start <= _PART_BYTES_MAX
    return is_span and (not wanted.known or start % 4096 == 0)


def path_check(path: bytes) -> None:
    """Raise `Refused` for a path that no scan told."""
    if not path or not _is_inside(path):
        raise Refused("The request names a path that no backup reads.")


def _is_inside(path: bytes) -> bool:
    """Whether a path has plain components only; the root is empty."""
    plain = not path or not any(name in (b"", b".", b"..") for name in path.split(b"/"))
    return plain and b"\0" not in path and not is_reserved(path)
