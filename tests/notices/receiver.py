"""A real HTTP server that keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler


@dataclass
class Arrived:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


Answering = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Receiver:
    """What has arrived so far. status, headers, body: of the next answers. answering: instead of them."""

    port: int = 0
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    answering: Answering | None = None
    arrived: list[Arrived] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, path: str = "/hook") -> str:
        return f"{self.origin}{path}"


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A server on a port of its own."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.arrived.append(Arrived(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            if found.answering is not None:
                found.answering(self)
                return
            self.send_response(found.status)
            for name, value in {**found.headers, "Content-Length": str(len(found.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler: type[BaseRequestHandler] = Handler
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
