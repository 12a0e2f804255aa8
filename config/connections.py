"""Connections of this process, found by their two ends: the server gives its application none."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

DESCRIPTORS = "/dev/fd"
_NO_LINGER = struct.pack("ii", 1, 0)

End = tuple[str, str | int]


def connection_abort(*, client: End, server: End) -> None:
    """Abort a connection and discard the data still buffered for its client. No error when it is gone already.

    Without this a slow reader gets the buffers' rest long after the last byte was sent, and one that takes nothing
    keeps its connection.
    """
    wanted = _end(server), _end(client)
    for name in os.listdir(DESCRIPTORS):  # noqa: PTH208  # names, not paths
        # Any descriptor may be closed, or be something else, by the time it is looked at: the copy is what counts.
        with suppress(OSError, ValueError):
            copy = os.dup(int(name))
            try:
                found = socket.socket(fileno=copy)
            except OSError:
                os.close(copy)
                continue
            with found:
                if (_end(found.getsockname()), _end(found.getpeername())) == wanted:
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                    found.shutdown(socket.SHUT_RDWR)
                    return


def _end(address: Any) -> tuple[object, int]:
    host, port, *_ = address
    return ip_address(host), int(port)
