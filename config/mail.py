"""The mail server, as the environment names it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

URL_LIKE = "smtp://user:password@mail.example.com:587 or smtps://user:password@mail.example.com:465"
FROM_LIKE = "backups@example.com or Example Backups <backups@example.com>"
TIMEOUT_SECONDS = 10
"""How long a mail waits for a silent mail server."""

_PORTS = {"smtp": 587, "smtps": 465}
_ADDRESS = re.compile(r"[^\s@<>\",;:]+@[^\s@<>\",;:]+")


class MailInvalid(Exception):
    """A setting of the mail server is malformed. The message is one line without the variable's name or a secret."""


@dataclass(frozen=True, slots=True, repr=False)
class MailServer:
    """A mail server. The connection is always encrypted: from the first byte, or by STARTTLS."""

    host: str
    port: int
    user: str
    password: str
    tls_at_once: bool


def mail_server_read(url: str) -> MailServer:
    """The server that a URL names. Raises MailInvalid."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise MailInvalid("cannot be parsed.") from None
    extra = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in _PORTS or not parts.hostname or extra or port == 0:
        raise MailInvalid(f"must look like {URL_LIKE}.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise MailInvalid("must have both a user and a password, or neither.")
    return MailServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=user,
        password=password,
        tls_at_once=parts.scheme == "smtps",
    )


def mail_from_read(text: str) -> str:
    """The sender of all mails. Raises MailInvalid."""
    name, address = parseaddr(text)
    if not text.isprintable() or not _ADDRESS.fullmatch(address) or text not in (address, f"{name} <{address}>"):
        raise MailInvalid(f"must look like {FROM_LIKE}.")
    return text
