"""Receives the replies of one reading in a thread, and hands each wanted item what arrives of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from pipelines.pipe import TimedOut
from sidecar_client.errors import SidecarClientError, SourceFailed
from sidecar_client.snapshot.items import Item
from sidecar_client.streams import ReplyStream, replies_of
from sidecar_client.waiting import Patience
from trees.source import SourceGone, Wanted
from wire.enums import Consistency
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire
from wire.tree_entries import reading_unpack

WINDOW_BYTES: Final = 12 << 20
"""The most that waits to be taken, beside one message."""

FULL_SECONDS: Final = 900.0
"""How long a full window may wait for a storage that is slow, before it counts as a stall."""

_POLL_SECONDS: Final = 0.4


class Arrivals:
    """The items in the order in which they were wanted.

    No item waits for another one that is taken later, so the window cannot lock up as long as the items are taken in
    their order, or dropped.
    """

    def __init__(self, patience: Patience, *, explain: Callable[[SidecarClientError], SidecarClientError]) -> None:
        """`explain` may find the cause of an error in another call."""
        self._patience = patience
        self._explain = explain
        self._changed = threading.Condition()
        self._expected: deque[Item] = deque()
        self._opened: Item | None = None
        self._held = 0
        self._closed = False
        self._taken_at = time.monotonic()
        self._failure: Exception | None = None
        self._consistency: Consistency | None = None
        self._complete = False
        self._call: ReplyStream[bytes] | None = None
        self._thread: threading.Thread | None = None

    def expect(self, wanted: Iterable[Wanted]) -> list[Item]:
        """The items of what is going to be asked for, next."""
        items = [Item(each) for each in wanted]
        with self._changed:
            self._expected.extend(items)
        return items

    def receive(self, call: ReplyStream[bytes]) -> None:
        """Start to receive the replies of a call."""
        self._call = call
        self._thread = threading.Thread(target=self._run, args=(call,), name="tree-replies", daemon=True)
        self._thread.start()

    def wait_open(self, item: Item) -> None:
        """Wait for the beginning of an item. Raises `SourceGone`, and the error of the reading, as all that waits."""
        if not item.is_open:
            self._wait(lambda: item.is_open)
        if item.gone and item.is_closed and not item.pieces:
            raise SourceGone(item.gone)

    def wait_piece(self, item: Item) -> tuple[int, memoryview] | None:
        """The next piece of an item, which stays with it; None at its end."""
        if not item.pieces and not item.is_closed:
            self._wait(lambda: bool(item.pieces) or item.is_closed)
        if item.pieces:
            return item.pieces[0]
        if item.gone:
            raise SourceGone(item.gone)
        return None

    def wait_closed(self, item: Item) -> None:
        """Wait for the end of an item, whose remaining pieces are dropped."""
        self.drop(item)
        if not item.is_closed:
            self._wait(lambda: item.is_closed)
        if item.gone:
            raise SourceGone(item.gone)

    def wait_end(self) -> Consistency:
        """Wait for the end of the reading; returns the consistency of what was read."""
        self._wait(lambda: self._complete)
        return self._consistency or Consistency.LIVE

    def taken(self, item: Item) -> None:
        """Remove the first piece of an item, whose bytes were used."""
        with self._changed:
            self._held -= len(item.pieces.popleft()[1])
            self._taken_at = time.monotonic()
            self._changed.notify_all()

    def drop(self, item: Item) -> None:
        """Remove the pieces of an item, and those that are still to come."""
        if item.is_dropped or (item.is_closed and not item.pieces):
            return
        with self._changed:
            item.is_dropped = True
            self._held -= sum(len(piece) for _, piece in item.pieces)
            self._taken_at = time.monotonic()
            item.pieces.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """End the call."""
        with self._changed:
            self._closed = True
            self._expected.clear()
            self._changed.notify_all()
        if self._call is not None:
            self._call.cancel()
        if self._thread is not None:
            self._thread.join()

    def _wait(self, condition: Callable[[], bool]) -> None:
        self._patience.wait(partial(self._wait_for, condition))

    def _wait_for(self, condition: Callable[[], bool], seconds: float) -> None:
        with self._changed:
            is_over = self._changed.wait_for(lambda: self._failure is not None or condition(), seconds)
            if condition():
                return
            if self._failure is not None:
                raise self._failure
            if not is_over:
                raise TimedOut

    def _run(self, call: ReplyStream[bytes]) -> None:
        failure: Exception = SourceFailed("The sidecar stopped before it had sent everything.")
        try:
            for message in replies_of(call, alive=self._patience.alive):
                if not self._has_room():
                    return
                self._take(message)
            self._complete = self._consistency is not None
        except ValueError:
            failure = SourceFailed("The sidecar sent a reply that is none.")
        except SidecarClientError as error:
            failure = self._explain(error)
        with self._changed:
            self._failure = failure
            self._changed.notify_all()
        if not self._complete:
            call.cancel()

    def _has_room(self) -> bool:
        """Wait for room in the window, which is no stall of the sidecar. False once the arrivals are closed."""
        with self._changed:
            while self._held > WINDOW_BYTES and not self._closed:
                self._changed.wait(_POLL_SECONDS)
                if time.monotonic() - self._taken_at < FULL_SECONDS:
                    self._patience.alive()
            return not self._closed

    def _take(self, message: bytes) -> None:
        data, reply = reading_unpack(message)
        with self._changed:
            for step in reply.steps:
                data = data[self._step(step, data) :]
            self._changed.notify_all()
        if data or reply.data:
            raise SourceFailed("The sidecar sent bytes that belong to nothing.")

    def _step(self, step: wire.ReadTreeReply.Step, data: memoryview) -> int:
        """Take a step; returns the number of its bytes."""
        kind = step.WhichOneof("step")
        if kind == "small":
            return self._small(step.small, data)
        if kind == "opened":
            item = self._next()
            item.open(step.opened)
            self._opened = None if item.is_closed else item
            return 0
        if kind == "content":
            return self._pieces([(None, step.content)], data)
        if kind == "runs":
            return self._pieces(zip(step.runs.offsets, step.runs.sizes, strict=True), data)
        if kind == "closed":
            self._current().close(step.closed)
            self._opened = None
            return 0
        return self._end(step)

    def _small(self, small: wire.ReadTreeReply.Small, data: memoryview) -> int:
        notes = {note.index: note for note in small.notes}
        if any(index >= len(small.sizes) for index in notes):
            raise SourceFailed("The sidecar sent a note about nothing.")
        at = 0
        for index, size in enumerate(small.sizes):
            item = self._next()
            item.answer(_cut(data, at, size), notes.get(index))
            self._hold(item, size)
            at += size
        return at

    def _pieces(self, pieces: Iterable[tuple[int | None, int]], data: memoryview) -> int:
        item, at = self._current(), 0
        for offset, size in pieces:
            piece = _cut(data, at, size)
            if offset is None:
                item.content(piece)
            else:
                item.run(offset, piece)
            self._hold(item, size)
            at += size
        return at

    def _end(self, step: wire.ReadTreeReply.Step) -> int:
        if not step.HasField("end") or self._expected or self._opened is not None or self._consistency is not None:
            raise SourceFailed("The sidecar ended in the middle, or sent a step that the portal does not know.")
        # A missing or unknown value counts as the weakest consistency.
        self._consistency = Consistency.of(step.end.consistency) or Consistency.LIVE
        return 0

    def _next(self) -> Item:
        if not self._expected or self._opened is not None:
            raise SourceFailed("The sidecar sent what it was not asked for.")
        return self._expected.popleft()

    def _current(self) -> Item:
        if self._opened is None:
            raise SourceFailed("The sidecar sent a part of nothing.")
        return self._opened

    def _hold(self, item: Item, size: int) -> None:
        if item.is_dropped:
            item.pieces.clear()
        else:
            self._held += size


def _cut(data: memoryview, at: int, size: int) -> memoryview:
    piece = data[at : at + size]
    if len(piece) != size:
        raise SourceFailed("The sidecar sent fewer bytes than it said.")
    return piece
