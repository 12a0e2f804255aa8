"""An RCON server that answers as Minecraft's does, and misbehaves on demand."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

HEAD = struct.Struct("<iii")
PASSWORD = "rcon-s3cret"
LOGIN, COMMAND, ANSWER = 3, 2, 0
PART = 4096
READ_BYTES = 1460


def packet(number: int, kind: int, text: bytes) -> bytes:
    return HEAD.pack(len(text) + 10, number, kind) + text + b"\0\0"


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore it: a client may go away."""


class RconServer:
    """Records its commands, and whether it saves. `on` is called with each command before the answer."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.saving = True
        self.answers: dict[str, str] = {}
        self.raw: dict[str, bytes] = {}
        self.silent: set[str] = set()
        self.dripping: set[str] = set()
        self.on: Callable[[str], object] = lambda _: None
        self.address = ("127.0.0.1", 0)
        self._closing = threading.Event()
        self._listener: _Listener | None = None

    @property
    def where(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    def open(self) -> None:
        """Listen; after a `close`, on the same port again."""
        game = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    game._serve(self.request)

        self._closing.clear()
        self._listener = _Listener(self.address, Handler)
        self.address = self._listener.server_address[:2]
        threading.Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        if self._listener is not None:
            self._listener.shutdown()
            self._listener.server_close()
            self._listener = None

    def _serve(self, connection: socket.socket) -> None:
        logged_in = False
        while data := connection.recv(READ_BYTES):
            size, number, kind = HEAD.unpack_from(data)
            text = data[HEAD.size : -2].decode()
            if size != len(data) - 4:
                return  # as Minecraft does: two packets in one read are not a packet
            if kind == LOGIN:
                if not self._speaks("login", connection):
                    return
                logged_in = text == PASSWORD
                connection.sendall(packet(number if logged_in else -1, COMMAND, b""))
            elif kind == COMMAND and logged_in:
                self.told.append(text)
                self.on(text)
                if not self._speaks(text, connection):
                    return
                self._answer(connection, number, self._do(text))
            else:
                self._answer(connection, number, f"Unknown request {kind:x}")

    def _speaks(self, text: str, connection: socket.socket) -> bool:
        """Whether the server answers normally; otherwise it sends nothing, or something else."""
        if text in self.silent:
            self._closing.wait()
            return False
        if text in self.dripping:
            connection.sendall((PART).to_bytes(4, "little"))
            while not self._closing.wait(0.05):
                connection.sendall(b"x")
            return False
        if text in self.raw:
            connection.sendall(self.raw[text])
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(READ_BYTES):
                pass
            return False
        return True

    def _do(self, text: str) -> str:
        if text in self.answers:
            return self.answers[text]
        if text in ("save-off", "save-on"):
            before, self.saving = self.saving, text == "save-on"
            if before is self.saving:
                return f"Saving is already turned {'on' if self.saving else 'off'}"
            return f"Automatic saving is now {'enabled' if self.saving else 'disabled'}"
        if text == "save-all flush":
            return "Saving the game (this may take a moment!)Saved the game"
        return "Unknown or incomplete command, see below for error"

    def _answer(self, connection: socket.socket, number: int, text: str) -> None:
        data = text.encode()
        for start in range(0, max(len(data), 1), PART):
            connection.sendall(packet(number, ANSWER, data[start : start + PART]))


@contextmanager
def rcon_server() -> Iterator[RconServer]:
    server = RconServer()
    server.open()
    try:
        yield server
    finally:
        server.close()
