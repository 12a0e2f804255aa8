"""The front of the application: it handles slow uploads and slow readers, so that threads only do work.

A request comes to a thread when its body is there, and leaves it when its answer is made. Each kind of work has threads
of its own: when a storage or a sidecar is slow, pages go on, and health answers in any case.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from io import BytesIO, RawIOBase
from typing import Any, Final

from django.conf import settings

from config.connections import connection_abort
from config.environ import HeadersAmbiguous, Scope, environ_build
from config.streaming import Receive, Send, Stream, run_in

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

LANES: Final = (
    ("alive", 1, r"/livez"),
    ("health", 2, r"/(readyz|healthz|metrics)"),
    ("storage", 8, r"/api/v1/assets/.*|/(api/v1/)?orders/.*/(download|content|raw)/|/admin/vault/storagetarget/.*"),
    ("contents", 8, r"/(api/v1/)?orders/.*/(files(/.*)?|versions|search)/"),
    ("sidecar", 4, r"/(api/v1/)?orders/.*/(restore/preview|estimate)/"),
    ("waiting", 8, r"/api/v1/orders/[^/]*/triggers/update/"),
    ("names", 4, r"/(api/v1/)?orders/[^/]*/(webhooks/([^/]*/)?|notifications/add/)"),
    ("pages", 20, r".*"),
)
"""The first pattern that matches the path selects the thread pool.

storage: bytes of backups; contents: lists of their files, some of which are searched for seconds; sidecar: what a
sidecar is asked while somebody waits; waiting: requests that wait for a backup; names: new addresses, whose names
are looked up.
"""
CHECK_THREADS: Final = 2
BODY_AT_ONCE_SECONDS: Final = 0.1
"""A body that takes longer is read only when the application asks for it."""
BODY_STALLED_SECONDS: Final = 30
BODY_BYTES_A_SECOND: Final = 16 << 10
"""A body that arrives more slowly than this is refused."""
BODIES_BYTES_MAX: Final = 128 << 20
"""The memory that all bodies take together while they arrive."""
RETRY_SECONDS: Final = 10
REFUSED_SECONDS: Final = 1
"""How long a refused client has to read the answer before its connection ends."""

logger = logging.getLogger(__name__)


class BodyAwaited(BaseException):
    """The application needs a body that has not arrived. A BaseException, so that no `except Exception` catches it."""


class BodyRefused(Exception):
    """A body is too slow, too large, or one too many."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


class ClientGone(Exception):
    """The client left before its request was whole."""


class _Awaited(RawIOBase):
    """Stands for a body until the application reads it."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:  # noqa: ARG002  # the base class's signature
        raise BodyAwaited


@dataclass(slots=True)
class Answer:
    """An answer of the application: whole, or with a response whose pieces are still to be read."""

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    stream: Any = None


class Front:
    """An ASGI application that answers out of a WSGI one."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._lanes = [
            (re.compile(pattern), ThreadPoolExecutor(threads, thread_name_prefix=name))
            for name, threads, pattern in LANES
        ]
        self._checks = ThreadPoolExecutor(CHECK_THREADS, thread_name_prefix="checks")
        self._bodies_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            environ = environ_build(scope, proxies=settings.SAVEPOINT_TRUSTED_PROXIES)
            lane = self._lane(environ["PATH_INFO"])
            answer = await self._answer(environ, receive, lane)
        except ClientGone:
            return
        except HeadersAmbiguous:
            await _refuse(send, HTTPStatus.BAD_REQUEST)
        except BodyRefused as refused:
            await _refuse(send, refused.status)
            # The server goes on waiting for the rest of a body, even after its answer.
            await asyncio.sleep(REFUSED_SECONDS)
            connection_abort(client=scope["client"], server=scope["server"])
        except Exception:
            logger.exception("a request failed outside the application")
            await _refuse(send, HTTPStatus.INTERNAL_SERVER_ERROR)
        else:
            abort = partial(connection_abort, client=scope["client"], server=scope["server"])
            await self._send(answer, receive, send, lane, abort)

    def _lane(self, path: str) -> Executor:
        return next(pool for pattern, pool in self._lanes if pattern.fullmatch(path))

    async def _answer(self, environ: Environ, receive: Receive, lane: Executor) -> Answer:
        """Call the application: with the body if it arrives at once, else without it until it is needed.

        So a refused client need not send its body, and a body that never arrives holds no thread.
        """
        length = _length(environ)
        if not length:
            return await run_in(lane, partial(_ask, self._application, environ))
        if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return await self._ask_without_body(environ, lane) or _raise(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        reading = asyncio.create_task(self._body(receive, length))
        try:
            await asyncio.wait({reading}, timeout=BODY_AT_ONCE_SECONDS)
            if not reading.done() and (answer := await self._ask_without_body(environ, lane)):
                return answer
            environ["wsgi.input"] = BytesIO(await reading)
        finally:
            reading.cancel()
        return await run_in(lane, partial(_ask, self._application, environ))

    async def _ask_without_body(self, environ: Environ, lane: Executor) -> Answer | None:
        """The answer of an application that wants no body; None when it does."""
        without: Environ = {**environ, "wsgi.input": _Awaited()}
        try:
            return await run_in(lane, partial(_ask, self._application, without))
        except BodyAwaited:
            return None

    async def _body(self, receive: Receive, length: int) -> bytes:
        taken = bytearray()
        try:
            async with asyncio.timeout(BODY_STALLED_SECONDS + length / BODY_BYTES_A_SECOND):
                while len(taken) < length:
                    async with asyncio.timeout(BODY_STALLED_SECONDS):
                        message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    self._bodies_bytes += len(message["body"])
                    taken += message["body"]
                    if self._bodies_bytes > BODIES_BYTES_MAX:
                        raise BodyRefused(HTTPStatus.SERVICE_UNAVAILABLE)
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            raise BodyRefused(HTTPStatus.REQUEST_TIMEOUT) from None
        finally:
            self._bodies_bytes -= len(taken)
        return bytes(taken)

    async def _send(
        self, answer: Answer, receive: Receive, send: Send, lane: Executor, abort: Callable[[], None]
    ) -> None:
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            if answer.stream is None:
                await send({"type": "http.response.body", "body": answer.body, "more_body": False})
            else:
                stream = Stream(answer.stream, pool=lane, checks=self._checks, send=send, abort=abort)
                await stream.run(receive)
        finally:
            if answer.stream is not None:
                await run_in(lane, answer.stream.close)


def _ask(application: Application, environ: Environ) -> Answer:
    """One call of the application; the body of a streaming response is not read yet."""
    answer = Answer()

    def start(status: str, headers: list[tuple[str, str]], *_rest: Any) -> None:
        answer.status = int(status.split(" ", 1)[0])
        answer.headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]

    response: Any = application(environ, start)
    if getattr(response, "streaming", False):
        answer.stream = response
        return answer
    try:
        answer.body = b"".join(response)
    finally:
        response.close()
    return answer


def _raise(status: HTTPStatus) -> Answer:
    raise BodyRefused(status)


async def _refuse(send: Send, status: HTTPStatus) -> None:
    """Answer without the application. Further data on the connection is not read."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": f"{status.phrase}.\n".encode(), "more_body": False})


def _length(environ: Environ) -> int:
    """The length that a request gives its body; 0 for one that gives none or none that is a number, as to Django."""
    told = environ.get("CONTENT_LENGTH", "")
    return int(told) if told.isascii() and told.isdigit() else 0
