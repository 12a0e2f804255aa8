"""The web server: granian's processes and threads on one listening socket.

Measured for what this product does: a streamed download runs at 3 GB/s to a fast reader, and a slow one holds back the
view that makes the bytes. A view that streams keeps its thread, though, so a reader that takes nothing must not hold it
for ever: the socket's user timeout ends such a connection.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from django.utils.module_loading import import_string
from granian._granian import SocketHolder
from granian.constants import Interfaces
from granian.server.mp import MPServer

from config.leash import leash_wear

PROCESSES = 2
THREADS = 32
"""A process answers so many requests at once; downloads are among them."""
STALLED_SECONDS = 60
"""A client that took no byte for so long is let go; it can resume its download."""
STOP_SECONDS = 8
"""What runs gets so long to end once the server was asked to stop."""
RESPAWN_SECONDS = 0.5
BACKLOG = 1024


class AddressUnavailable(Exception):
    """Nobody can listen there; the message is one line."""


def listener_open(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises AddressUnavailable."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        reason = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise AddressUnavailable(f"cannot listen on {host} port {port}: {reason}.") from error
    # What is accepted inherits it: else an answer of two writes waits 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_SECONDS * 1000)
    listener.setblocking(False)
    return listener


def web_serve(listener: socket.socket) -> None:
    """Answer requests on `listener` until SIGTERM or SIGINT. What answers is replaced when it dies."""
    host, port, *_ = listener.getsockname()
    server = _Server(
        "config.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        websockets=False,
        workers=PROCESSES,
        blocking_threads=THREADS,
        workers_kill_timeout=STOP_SECONDS,
        respawn_failed_workers=True,
        respawn_interval=RESPAWN_SECONDS,
    )
    server.listener = listener
    server.serve(target_loader=partial(_application, parent=os.getpid()), wrap_loader=False)


_holder: Any = SocketHolder


class _Server(MPServer):
    """granian with one socket for all its processes, ours.

    Its own ones share the port by SO_REUSEPORT: a second server would start beside the first without a word, and what
    waits in the queue of a process that dies would be lost with it.
    """

    listener: socket.socket

    def _init_shared_socket(self) -> None:
        # What its base class does for a Unix socket; its stubs lack these types and the holder's arguments.
        self._ssp = None
        self._sso: Any = self.listener
        self._sfd: Any = self.listener.fileno()
        self._shd: Any = _holder(self._sfd, False, BACKLOG)


def _application(*, parent: int) -> Callable[..., Any]:
    """The WSGI application, in a process that ends with the server's main one."""
    leash_wear(signal.SIGKILL, parent=parent)
    application: Callable[..., Any] = import_string("config.wsgi.application")
    return application
