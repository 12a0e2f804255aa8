"""Streamed answers, sent as fast as their reader takes them: a slow reader costs a coroutine and no thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final, TypeVar

from django.db import Error as DatabaseTrouble
from django.db import close_old_connections

from backups.api.delivery import DownloadResponse
from config.web_server import STALLED_SECONDS

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")

LOOK_SECONDS: Final = 4
"""How often the rights of a download are checked again: a withdrawn right ends it within 10 s."""
PIECE_BYTES: Final = 64 << 10
SLOW_PIECE_BYTES: Final = 8 << 10
"""The server holds a handful of pieces for each reader."""
SLOW_SECONDS: Final = 0.05
"""A reader that lets a piece wait this long is slow."""
REST_SECONDS: Final = 1
"""Nothing in the storage is held open for a reader that lets a piece wait this long."""

logger = logging.getLogger(__name__)


async def run_in(pool: Executor, work: Callable[[], T]) -> T:
    """The result of a blocking call. The call is never left running behind the back of a caller that is cancelled."""
    running = asyncio.get_running_loop().run_in_executor(pool, partial(_work, work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


def _work(work: Callable[[], T]) -> T:
    """The call; its thread keeps no connection to the database for longer than a request may.

    Django closes those of the thread that ends a response, which need not be the one that began it.
    """
    try:
        return work()
    finally:
        close_old_connections()


class Stream:
    """The body of one answer on its way: read in a pool of threads, sent without one."""

    def __init__(
        self, response: Iterable[bytes], *, pool: Executor, checks: Executor, send: Send, abort: Callable[[], None]
    ) -> None:
        self._pieces = iter(response)
        self._download = response.download if isinstance(response, DownloadResponse) else None
        self._pool = pool
        self._checks = checks
        self._send = send
        self._abort = abort
        self._size = PIECE_BYTES
        self._offered_at: float | None = None

    async def run(self, receive: Receive) -> None:
        """Send all of it, or stop where the client goes, takes nothing, or may not have the rest any more.

        A body that stops early ends its connection with it: its client sees that it is not whole.
        """
        sending, gone = asyncio.create_task(self._send_all()), asyncio.create_task(_disconnected(receive))
        try:
            while not sending.done():
                await asyncio.wait({sending, gone}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return
                if not sending.done() and await self._must_end():
                    await run_in(self._checks, self._abort)
                    return
            sending.result()
        except Exception:
            logger.exception("an answer could not be sent to its end")
        finally:
            gone.cancel()
            sending.cancel()
            await asyncio.wait({sending, gone})

    async def _must_end(self) -> bool:
        if self._offered_at is not None and time.monotonic() - self._offered_at > STALLED_SECONDS:
            return True
        if self._download is None:
            return False
        try:
            return not await run_in(self._checks, self._download.still_allowed)
        except DatabaseTrouble:
            # The last successful check found the rights.
            logger.warning("the rights of a running download could not be looked at again", exc_info=True)
            return False

    async def _send_all(self) -> None:
        while piece := await run_in(self._pool, partial(_next_piece, self._pieces)):
            start = 0
            while start < len(piece):
                part = piece[start : start + self._size]
                start += len(part)
                await self._send_part(part)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_part(self, part: bytes) -> None:
        self._offered_at = began = time.monotonic()
        await self._send({"type": "http.response.body", "body": part, "more_body": True})
        self._offered_at, waited = None, time.monotonic() - began
        self._size = SLOW_PIECE_BYTES if waited > SLOW_SECONDS else PIECE_BYTES
        if waited > REST_SECONDS and self._download is not None:
            await run_in(self._pool, self._download.rest)


def _next_piece(pieces: Iterator[bytes]) -> bytes:
    """The next piece; small ones, like those of a file, are taken together. Empty at the end."""
    first = next(pieces, b"")
    if len(first) >= PIECE_BYTES:
        return first
    taken, size = [first], len(first)
    while size < PIECE_BYTES and (piece := next(pieces, b"")):
        taken.append(piece)
        size += len(piece)
    return b"".join(taken)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
