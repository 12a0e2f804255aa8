"""A TCP proxy on loopback that breaks, stalls, slows down or drops its traffic until it is healed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from tests.faults import Fault, fault_script

PIECE_BYTES = 16 << 10
Direction = Literal["up", "down"]
"""`up`: from client to server. `down`: from server to client."""


@dataclass(slots=True)
class _Trouble:
    kind: Literal["cut", "stall", "throttle"]
    direction: Direction | None  # None: both
    left: int  # bytes that still pass; for a throttle, bytes a second
    fault: Fault


class FaultProxy:
    """Forwards connections to an address, and counts the bytes in each direction since the last change.

    A fault affects current and later connections. `struck` is set when it first takes effect.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._changed = threading.Condition()
        self._trouble: _Trouble | None = None
        self._sockets: set[socket.socket] = set()
        self._closed = False
        self.struck = threading.Event()
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def cut_after(self, count: int, direction: Direction) -> None:
        """Let that many bytes pass, then reset every connection, and each new one at once."""
        self._script("cut", direction, count)

    def stall_after(self, count: int, direction: Direction | None = None) -> None:
        """Let that many bytes pass, then none; connections stay open. With 0 in both directions it is a black hole."""
        self._script("stall", direction, count)

    def throttle(self, bytes_a_second: int) -> None:
        """Let at most that many bytes pass in a second, in both directions together."""
        self._script("throttle", None, bytes_a_second)

    def heal(self) -> None:
        """Let everything pass from now on, delayed bytes too."""
        self._set(None, threading.Event())

    def close(self) -> None:
        """Close the proxy and every connection."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._listener.close()
        self._break_all()

    def _script(self, kind: Literal["cut", "stall", "throttle"], direction: Direction | None, count: int) -> None:
        fault = fault_script(f"{kind} after {count} bytes {direction or 'either way'}")
        self._set(_Trouble(kind, direction, count, fault), fault.struck)

    def _set(self, trouble: _Trouble | None, struck: threading.Event) -> None:
        with self._changed:
            self._trouble = trouble
            self.passed = {"up": 0, "down": 0}
            self.struck = struck
            self._changed.notify_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name="proxied", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        with self._changed:
            self._sockets |= {client, server}
        back = threading.Thread(target=self._pump, args=(server, client, "down"), name="proxied", daemon=True)
        back.start()
        self._pump(client, server, "up")
        back.join()
        with self._changed:
            self._sockets -= {client, server}
        client.close()
        server.close()

    def _pump(self, source: socket.socket, sink: socket.socket, direction: Direction) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE_BYTES):
                while data:
                    count = self._admit(len(data), direction)
                    sink.sendall(data[:count])
                    data = data[count:]
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _admit(self, wanted: int, direction: Direction) -> int:
        """The number of next bytes that may pass now; waits while it is 0. Raises OSError to break the connection."""
        with self._changed:
            while not self._closed:
                trouble = self._trouble
                if trouble is None or trouble.direction not in (None, direction):
                    return self._counted(wanted, direction)
                if trouble.kind == "throttle":
                    break
                if trouble.left:
                    count = min(wanted, trouble.left)
                    trouble.left -= count
                    return self._counted(count, direction)
                trouble.fault.strike()
                if trouble.kind == "cut":
                    raise OSError("scripted: cut")
                self._changed.wait()
            if self._closed:
                raise OSError("the proxy was closed")
            trouble.fault.strike()
            # The lock is kept during the sleep: both directions share the limit.
            count = min(wanted, PIECE_BYTES)
            time.sleep(count / trouble.left)  # a slow line is simulated by waiting
            return self._counted(count, direction)

    def _counted(self, count: int, direction: Direction) -> int:
        self.passed[direction] += count
        return count

    def _break_all(self) -> None:
        with self._changed:
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


@contextmanager
def fault_proxy(target: str) -> Iterator[FaultProxy]:
    """A proxy in front of `127.0.0.1:port`, healthy at first."""
    host, _, port = target.rpartition(":")
    proxy = FaultProxy((host, int(port)))
    try:
        yield proxy
    finally:
        proxy.close()
