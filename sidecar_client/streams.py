"""The replies of a call, fetched by a thread of their own, so that they can be waited for with a limit."""

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
    """What gRPC returns for a call that answers with many messages."""

    def __iter__(self) -> Iterator[T_co]: ...

    def cancel(self) -> None:
        """End the call, whatever state it is in."""


def replies_of(call: ReplyStream[T], *, alive: Callable[[], None]) -> Iterator[T]:
    """The replies of a call, with a call of `alive` for each. Raises `SidecarClientError`s."""
    with status_translated():
        for reply in call:
            alive()
            yield reply


def replies_receive(*, call: ReplyStream[T], patience: Patience) -> Generator[T, None, None]:
    """The replies of one call, which ends with the iteration.

    Raises `Cancelled`, `SidecarUnavailable`, and what the call ended with.
    """
    replies: Pipe[T] = Pipe(MESSAGES_WAITING)
    with closing(replies):
        replies.feed(replies_of(call, alive=patience.alive), name="sidecar-replies")
        try:
            while (reply := patience.wait(replies.take)) is not None:
                yield reply
        finally:
            call.cancel()
