"""Streams of messages in both directions, with room for a few, so that their ends can wait with a limit."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Generic, Protocol, TypeVar

import grpc

from sidecar_client.errors import SidecarClientError
from sidecar_client.status import error_from_status

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

MESSAGES_WAITING: Final = 4
_JOIN_SECONDS: Final = 5.0


class ReplyStream(Protocol[T_co]):
    """What gRPC returns for a call that answers with many messages."""

    def __iter__(self) -> Iterator[T_co]: ...

    def cancel(self) -> None:
        """End the call, whatever state it is in."""


class Incoming(Generic[T]):
    """The replies of one call, fetched by a thread of its own; several may notify one condition."""

    def __init__(self, *, call: ReplyStream[T], changed: threading.Condition, alive: Callable[[], None]) -> None:
        self._call = call
        self._changed = changed
        self._alive = alive
        self._messages: deque[T] = deque()
        self._closed = False
        self._ended = False
        self._error: SidecarClientError | None = None
        self._thread = threading.Thread(target=self._fetch, name="sidecar-replies", daemon=True)
        self._thread.start()

    def news(self) -> bool:
        """Whether `take` has something to give or to raise; to be asked with the condition held."""
        return bool(self._messages) or self._error is not None

    def settled(self) -> bool:
        """Whether there is news, or nothing more to wait for; to be asked with the condition held."""
        return self.news() or self._ended

    def take(self) -> T | None:
        """The next message, or None when there is none now, or any more; raises what the call ended with."""
        with self._changed:
            if self._messages:
                self._changed.notify_all()
                return self._messages.popleft()
            if self._error is not None:
                raise self._error
            return None

    @property
    def exhausted(self) -> bool:
        """Whether the call has ended well and every message was taken."""
        with self._changed:
            return self._ended and self._error is None and not self._messages

    def close(self) -> None:
        """Cancel the call if it still runs, and let its thread end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._call.cancel()
        self._thread.join(_JOIN_SECONDS)

    def _fetch(self) -> None:
        error: SidecarClientError | None = None
        try:
            for message in self._call:
                self._alive()
                if not self._put(message):
                    return
        except grpc.RpcError as status:
            error = error_from_status(status)
        finally:
            with self._changed:
                self._error, self._ended = error, True
                self._changed.notify_all()

    def _put(self, message: T) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._messages) < MESSAGES_WAITING)
            self._messages.append(message)
            self._changed.notify_all()
            return not self._closed


class Outgoing:
    """Serialized requests of one call, filled by the caller's thread and emptied by gRPC's."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._messages: deque[bytes] = deque()
        self._closed = False

    def room(self) -> bool:
        """Whether a message can be put, or nobody will take one any more; asked with the condition held."""
        return self._closed or len(self._messages) < MESSAGES_WAITING

    def put(self, message: bytes) -> None:
        """Add a message; after `close` it is dropped."""
        with self.changed:
            self._messages.append(message)
            self.changed.notify_all()

    def close(self) -> None:
        """No further message is put, or will be taken."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._closed or bool(self._messages))
                if not self._messages:
                    return
                message = self._messages.popleft()
                self.changed.notify_all()
            yield message
