"""The web server: granian's processes on one listening socket, each with our front before the application.

A connection costs a coroutine. Headers, bodies and readers have deadlines: granian's own for the headers, those of
`config.front` and `config.streaming` for the others, and the socket's for whatever is still buffered at the end.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from django.utils.module_loading import import_string
from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from common.parent_death import end_with_parent

log = logging.getLogger(__name__)

PROCESSES = 2
CONNECTIONS = 4096
"""The most connections that a process holds at once; others wait to be accepted."""
DESCRIPTORS_KEPT = 256
"""File descriptors that are not for connections."""
STALLED_SECONDS = 60
"""A reader that takes nothing for this long is cut off; `Range` resumes a download."""
HEADER_SECONDS = 10
"""How long a client has to send the head of a request, also the next one on a kept connection."""
HEADER_BYTES = 64 << 10
"""The largest head of a request, and the buffer of an answer."""
UNSENT_BYTES = 128 << 10
"""The buffer of the kernel for unsent data of an answer: small, so that a download can be ended quickly."""
STOP_SECONDS = 8
"""How long running requests have to end once the server was asked to stop."""
RESPAWN_SECONDS = 0.5
BACKLOG = 1024


class AddressUnavailable(Exception):
    """The address cannot be listened on; the message is one line."""


def listener_open(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises AddressUnavailable."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        reason = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise AddressUnavailable(f"cannot listen on {host} port {port}: {reason}.") from error
    # Accepted connections inherit it: else an answer of two writes waits 40 ms for the client's delayed
    # acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_SECONDS * 1000)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    listener.setblocking(False)
    return listener


def web_serve(listener: socket.socket) -> None:
    """Answer requests on `listener` until SIGTERM or SIGINT. A process that dies is replaced."""
    host, port, *_ = listener.getsockname()
    server = _Server(
        "config.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        # HTTP/2 would let a single connection send two hundred requests at once.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=HEADER_BYTES),
        websockets=False,
        workers=PROCESSES,
        backlog=BACKLOG,
        backpressure=_connections(),
        # A line for each client that leaves early is of no use.
        log_level=LogLevels.warning,
        workers_kill_timeout=STOP_SECONDS,
        respawn_failed_workers=True,
        respawn_interval=RESPAWN_SECONDS,
    )
    server.listener = listener
    server.serve(target_loader=partial(_application, parent=os.getpid()), wrap_loader=False)


_holder: Any = SocketHolder


class _Server(MPServer):
    """granian with one socket for all its processes, ours.

    Its own ones share the port by SO_REUSEPORT: a second server would start beside the first silently, and connections
    in the queue of a process that dies would be lost with it.
    """

    listener: socket.socket

    def _init_shared_socket(self) -> None:
        # The base class does the same for a Unix socket; its stubs lack these types and the holder's arguments.
        self._ssp = None
        self._sso: Any = self.listener
        self._sfd: Any = self.listener.fileno()
        self._shd: Any = _holder(self._sfd, False, BACKLOG)


def _connections() -> int:
    """How many connections a process can hold: a download takes two descriptors. Asks for all that may be had."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return CONNECTIONS if most == resource.RLIM_INFINITY else max(1, min(CONNECTIONS, (most - DESCRIPTORS_KEPT) // 2))


def _application(*, parent: int) -> Callable[..., Any]:
    """The ASGI application, in a process that ends with the server's main one."""
    end_with_parent(signal.SIGKILL, parent=parent)
    application = import_string("config.wsgi.application")
    front: Callable[..., Any] = import_string("config.front.Front")(application)
    log.info("web process %d is ready", os.getpid())
    return front
