"""Reading a file out of a sidecar."""

import threading
from collections.abc import Iterator

from sidecar_client.streams import Incoming, ReplyStream
from sidecar_client.waiting import Patience


def content_receive(*, call: ReplyStream[bytes], patience: Patience) -> Iterator[bytes]:
    """The bytes of one `ReadFile` call. Raises `Cancelled`, `SidecarUnavailable`, and what the call ended with."""
    changed = threading.Condition()
    content = Incoming(call=call, changed=changed, alive=patience.alive)
    try:
        while not content.exhausted:
            patience.wait(changed, content.settled)
            patience.check_cancelled()
            if data := content.take():
                yield data
    finally:
        content.close()
