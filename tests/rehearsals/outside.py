"""The world around a portal: a mail server, the receiver of webhooks, and a monitor that counts heartbeats."""

from __future__ import annotations

import ipaddress
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from tests.notices.receiver import Receiver, receiver
from tests.services.smtp import SmtpServer, smtp_server

HOOK, HEARTBEAT = "/hook", "/heartbeat"


@dataclass
class Outside:
    """The messages that arrived there. settings: the environment of a portal that reaches these servers."""

    mail: SmtpServer
    receiver: Receiver
    settings: dict[str, str]
    _verified: dict[int, str] = field(default_factory=dict)

    @property
    def hook(self) -> str:
        """The address for webhooks."""
        return self.receiver.url(HOOK)

    def hooks(self, secret: str) -> list[str]:
        """The types of the messages that came, in order; raises for one whose signature is not right.

        A signature is good for five minutes: call this often enough.
        """
        for number, one in enumerate(list(self.receiver.arrived)):
            if one.path == HOOK and number not in self._verified:
                Webhook(secret).verify(one.body, one.headers)
                self._verified[number] = json.loads(one.body)["type"]
        return list(self._verified.values())

    def pings(self) -> int:
        """How many heartbeats of the portal came."""
        return sum(one.path == HEARTBEAT for one in list(self.receiver.arrived))

    def mails(self) -> list[EmailMessage]:
        """The mails that came, in order."""
        return list(self.mail.mails)


@contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    """Servers on ports of their own; the mail server's certificate is in the folder."""
    tls = _certificate(folder)
    with receiver() as hooks, smtp_server(tls=tls) as mail:
        settings = {
            "SAVEPOINT_MAIL_URL": f"smtps://127.0.0.1:{mail.port}",
            "SAVEPOINT_MAIL_FROM": "backups@example.com",
            "SSL_CERT_FILE": str(folder / "mail.pem"),
            "SAVEPOINT_WEBHOOK_ORIGINS": hooks.origin,
            "SAVEPOINT_HEARTBEAT_URL": hooks.url(HEARTBEAT),
        }
        yield Outside(mail=mail, receiver=hooks, settings=settings)


def _certificate(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a new certificate for this machine, which is its own authority: `mail.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail of a rehearsal")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "mail.key").write_bytes(private)
    (folder / "mail.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "mail.pem", folder / "mail.key")
    return context
