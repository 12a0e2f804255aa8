"""One HTTP request to a receiver outside: bounded in time and size, to the address that was checked, no redirects."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse

from common.errors import ValidationError
from notices.errors import AddressRefused, AddressUnknown, DeliveryError, ReceiverGone, ReceiverRefused, ReceiverSlow
from notices.sending.addresses import Destination, addresses_resolve, destination_parse

TIMEOUT_SECONDS = 10.0
"""The time of a whole request, from the first connection to the end of the answer."""
ANSWER_BYTES_MAX = 4096
TRIED_MAX = 3
"""The most addresses of one name that are tried."""
AGENT = "Savepoint"
GONE = 410
RETRY_AFTER_MAX = 3600


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request: everything that a thread needs to send it. Its repr shows no secret."""

    url: str = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a request. error: None for a success. retry_after: the pause in seconds that the receiver asks for."""

    error: DeliveryError | None = None
    status: int | None = None
    text: str = ""
    seconds: float = 0.0
    retry_after: int | None = None


def request_send(outgoing: Outgoing, *, timeout: float = TIMEOUT_SECONDS) -> Answer:
    """Send a request and return how it ended; no failure of the receiver or of the network raises.

    The answer is read up to `ANSWER_BYTES_MAX`. A redirect is a refusal: following it would leave the guard behind.
    """
    began = time.monotonic()
    try:
        destination = destination_parse(outgoing.url)
        addresses = addresses_resolve(destination)
    except (AddressRefused, AddressUnknown) as error:
        return Answer(error=error, seconds=time.monotonic() - began)
    except ValidationError:
        # The operator's list has become shorter.
        return Answer(error=AddressRefused())
    connection = _Connection(destination, addresses[:TRIED_MAX], deadline=began + timeout)
    try:
        response, text = _exchange(connection, destination, outgoing)
    except (OSError, HTTPException) as error:
        late = connection.overdue or isinstance(error, TimeoutError)
        failed: DeliveryError = ReceiverSlow(seconds=round(timeout)) if late else DeliveryError()
        return Answer(error=failed, seconds=time.monotonic() - began)
    finally:
        connection.close()
    return Answer(
        error=_error_of(response.status),
        status=response.status,
        text=text,
        seconds=time.monotonic() - began,
        retry_after=_retry_after(response),
    )


def _exchange(connection: _Connection, destination: Destination, outgoing: Outgoing) -> tuple[HTTPResponse, str]:
    headers = {"User-Agent": AGENT, "Accept": "*/*", **outgoing.headers}
    connection.request("POST", destination.path, body=outgoing.body, headers=headers)
    response = connection.getresponse()
    text = response.read(ANSWER_BYTES_MAX).decode(errors="replace").replace("\0", "\ufffd")
    if connection.overdue:
        raise TimeoutError
    return response, text


class _Connection(HTTPConnection):
    """A connection to one of the checked addresses, which is cut at the deadline whatever the receiver does."""

    def __init__(self, destination: Destination, addresses: list[str], *, deadline: float) -> None:
        super().__init__(destination.host, destination.port)
        self.default_port = destination.default_port
        self._destination = destination
        self._addresses = addresses
        self._deadline = deadline
        self._cut: threading.Timer | None = None
        self.overdue = False

    def connect(self) -> None:
        """Connect, over TLS if the address says so. Raises OSError."""
        raw = self._dial()
        # A receiver that sends a byte now and then would reset the timeout of each read.
        self._cut = threading.Timer(self._left(), self._end, [raw])
        self._cut.daemon = True
        self._cut.start()
        if self._destination.scheme == "https":
            name = self._destination.host
            self.sock = _tls().wrap_socket(raw, server_hostname=name, do_handshake_on_connect=False)
            self.sock.do_handshake()
        else:
            self.sock = raw

    def close(self) -> None:
        """End the connection."""
        if self._cut is not None:
            self._cut.cancel()
        super().close()

    def _dial(self) -> socket.socket:
        failed: OSError = TimeoutError()
        for address in self._addresses:
            try:
                return _connect(address, self._destination.port, timeout=self._left())
            except OSError as error:
                failed = error
        raise failed

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _end(self, raw: socket.socket) -> None:
        self.overdue = True
        # The socket of TLS has taken the descriptor over. Its own shutdown would first forget the session that the
        # sending thread is reading from.
        for sock in (self.sock, raw):
            with suppress(OSError):
                if sock is not None:
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _connect(address: str, port: int, *, timeout: float) -> socket.socket:
    """Connect to a network address. Nothing is looked up any more."""
    raw = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        raw.settimeout(timeout)
        raw.connect((address, port))
    except BaseException:
        raw.close()
        raise
    return raw


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _error_of(status: int) -> DeliveryError | None:
    if 200 <= status < 300:  # noqa: PLR2004  # the range of HTTP's successes
        return None
    return ReceiverGone() if status == GONE else ReceiverRefused(http_status=status)


def _retry_after(response: HTTPResponse) -> int | None:
    told = response.headers.get("Retry-After", "")
    return min(int(told), RETRY_AFTER_MAX) if told.isascii() and told.isdigit() and len(told) < 10 else None  # noqa: PLR2004  # a number that a pause can be
