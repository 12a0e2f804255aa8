"""A scripted S3 server: it answers each request with the next line of a script."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Stall:
    begun: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, delayed by `stall` until that event is set.

    `cut` sends only that many bytes of the announced body; `dropped` sends nothing at all.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    dropped: bool = False
    stall: Stall | None = None


@dataclass(slots=True)
class ScriptedS3:
    """The remaining answers, and the recorded requests: method, path with query, headers, body."""

    script: list[Answer]
    endpoint: str = ""
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def methods(self) -> list[str]:
        return [method for method, *_ in self.asked]


def refusal(status: int, code: str, message: str = "no") -> Answer:
    """An error in S3's own form."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status=status, body=body.encode(), headers={"Content-Type": "application/xml"})


def page(*keys: str, truncated: bool, token: str | None = None) -> Answer:
    """A page of a listing; every object has three bytes."""
    contents = "".join(f"<Contents><Key>{key}</Key><Size>3</Size></Contents>" for key in keys)
    token = "" if token is None else f"<NextContinuationToken>{token}</NextContinuationToken>"
    body = f"<ListBucketResult><IsTruncated>{str(truncated).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"
    return Answer(body=body.encode(), headers={"Content-Type": "application/xml"})


class _Server(ThreadingHTTPServer):
    def __init__(self, state: ScriptedS3) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def __getattr__(self, name: str) -> Any:
        """The standard library looks for do_GET and the like: one method serves them all."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        state = self.server.state
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        state.asked.append((self.command, self.path, dict(self.headers), body))
        answer = state.script.pop(0) if state.script else Answer(status=500)
        self.close_connection = True
        if answer.stall is not None:
            answer.stall.begun.set()
            answer.stall.over.wait()
        if not answer.dropped:
            self.send(answer)

    def send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        standing = {"Date": self.date_time_string(), "Content-Length": str(len(answer.body)), "Connection": "close"}
        for name, value in {**standing, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the standard library's name
        """Do not log: requests are recorded in `asked`."""


@contextmanager
def scripted_s3(*script: Answer) -> Iterator[ScriptedS3]:
    """The server; a request beyond the script gets a 500, and is recorded in `asked` too."""
    state = ScriptedS3(list(script))
    server = _Server(state)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    state.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
