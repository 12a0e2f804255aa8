"""Fetches the replies of a call in a thread, so that the caller can wait for them with a timeout."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Final, Protocol, TypeVar

from pipelines.pipe import Pipe
from sidecar_client.status import status_translated
from sidecar_client.waiting import Patience

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

MESSAGES_WAITING: Final = 4


class ReplyStream(Protocol[T_co]):
    """gRPC's call object of a response stream."""

    def __iter__(self) -> Iterator[T_co]: ...

    def cancel(self) -> None:
        """End the call in any state."""


def replies_of(call: ReplyStream[T], *, alive: Callable[[], None]) -> Iterator[T]:
    """Yield the replies of a call, calling `alive` for each. Raises `SidecarClientError`s."""
    with status_translated():
        for reply in call:
            alive()
            yield reply


def replies_receive(*, call: ReplyStream[T], patience: Patience) -> Generator[T, None, None]:
    """Yield the replies of one call, which ends with the iteration.

    Raises `Cancelled`, `SidecarUnavailable`, and the call's error.
    """
    replies: Pipe[T] = Pipe(MESSAGES_WAITING)
    with closing(replies):
        try:
            replies.feed(replies_of(call, alive=patience.alive), name="sidecar-replies")
            while (reply := patience.wait(replies.take)) is not None:
                yield reply
        finally:
            call.cancel()
