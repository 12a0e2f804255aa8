"""A real SMTP server that keeps the mails it takes, and refuses what it is told to."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class SmtpServer:
    """The mails that came, with the recipients of each. refuses: answers to recipients, by address."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    connections: int = 0


class _Session(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self) -> None:
        found: SmtpServer = self.server.found  # type: ignore[attr-defined]
        found.connections += 1
        self._say("220 test")
        to: list[str] = []
        while line := self.rfile.readline():
            word = line.decode().strip()
            verb = word[:4].upper()
            if verb == "RCPT":
                address = word.partition("<")[2].partition(">")[0]
                refusal = found.refuses.get(address)
                if refusal is None:
                    to.append(address)
                self._say(refusal or "250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                mail = message_from_bytes(self._data(), policy=policy.default)
                # The mail last: a test that has seen it reads its recipients.
                found.recipients.append(to)
                found.mails.append(mail)
                to = []
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def smtp_server(*, tls: ssl.SSLContext | None = None) -> Iterator[SmtpServer]:
    """A server on a port of its own, with TLS from the first byte or without encryption."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Session) as server:
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        found = SmtpServer(port=server.server_address[1])
        server.found = found  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
