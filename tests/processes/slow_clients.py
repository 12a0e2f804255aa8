"""Clients that hardly send or read, by the thousand, in one thread beside the test."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

RECEIVE_BYTES = 4096
"""A small buffer: bytes that a client does not read stay at the server."""


@dataclass
class Crowd:
    """The answers that the clients have received so far."""

    statuses: Counter[int] = field(default_factory=Counter)
    taken: Counter[int] = field(default_factory=Counter)
    """Received bytes by client."""
    ended: int = 0
    """The number of closed connections."""

    @property
    def answered(self) -> int:
        return self.statuses.total()


Member = Callable[[Crowd, int, str, int], Coroutine[Any, Any, None]]


@contextmanager
def crowd_run(url: str, member: Member, *, count: int) -> Iterator[Crowd]:
    """Run that many clients beside the block; they are closed at its end."""
    crowd, parts = Crowd(), urlsplit(url)
    loop = asyncio.new_event_loop()

    async def run() -> None:
        members = [member(crowd, number, parts.hostname or "", parts.port or 80) for number in range(count)]
        await asyncio.gather(*members)

    task = loop.create_task(run())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait({task})))
    thread.start()
    try:
        yield crowd
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
    if not task.cancelled():
        task.result()


def reader(place: Callable[[int], tuple[str, str]], *, every: float | None) -> Member:
    """Clients that download an asset with an authorized header; `place` gives both for each client.

    every: the pause in seconds between reads of a few kilobytes; None: they read only the headers.
    """

    async def read(crowd: Crowd, number: int, host: str, port: int) -> None:
        asset, header = place(number)
        head = f"GET /api/v1/assets/{asset}/ HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n"
        async with _connection(host, port, head) as receive:
            start = await receive()
            status = int(start.split(b" ", 2)[1])
            crowd.statuses[status] += 1
            if every is None and status == 200:
                await asyncio.Event().wait()
            while taken := await receive():
                crowd.taken[number] += len(taken)
                await asyncio.sleep(every or 0)
            crowd.ended += 1

    return read


def silent(head: str) -> Member:
    """Clients that send this head and nothing more."""

    async def wait(crowd: Crowd, number: int, host: str, port: int) -> None:
        async with _connection(host, port, head) as receive:
            if start := await receive():
                crowd.statuses[int(start.split(b" ", 2)[1])] += 1
            while start:
                start = await receive()
            crowd.ended += 1

    return wait


class _connection:  # noqa: N801  # it reads like a function
    def __init__(self, host: str, port: int, head: str) -> None:
        self._address, self._head = (host, port), head

    async def __aenter__(self) -> Callable[[], Coroutine[Any, Any, bytes]]:
        loop = asyncio.get_running_loop()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._socket.setblocking(False)
        await loop.sock_connect(self._socket, self._address)
        await loop.sock_sendall(self._socket, self._head.encode())
        return self._receive

    async def _receive(self) -> bytes:
        """The next bytes; empty at the end, which may be a reset."""
        try:
            return await asyncio.get_running_loop().sock_recv(self._socket, RECEIVE_BYTES)
        except ConnectionResetError:
            return b""

    async def __aexit__(self, *_error: object) -> None:
        self._socket.close()
