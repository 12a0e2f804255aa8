"""Addresses that the portal sends to, and the guard that keeps it from sending into its own network.

A name is resolved once, by the caller that connects, and the connection goes to what was checked: a second look-up
could answer with another address.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, quote, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from common.errors import ValidationError
from notices.errors import AddressRefused, AddressUnknown

URL_LENGTH_MAX = 2000
DISCORD_HOSTS = frozenset({"discord.com", "canary.discord.com", "ptb.discord.com"})
_DISCORD_PATH = re.compile(r"/api(/v\d{1,2})?/webhooks/\d{1,32}/[\w-]{1,200}/?")
_PORTS = {"https": 443, "http": 80}
_NAT64 = IPv6Network("64:ff9b::/96")
_PROTOCOLS = IPv4Network("192.0.0.0/24")
"""Assigned to protocols; the standard library calls only a part of it private."""
_VISIBLE = re.compile(r"[\x21-\x7e]+")

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Destination:
    """A parsed address. path: with its query, as a request names it."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def default_port(self) -> int:
        """The port that the scheme implies."""
        return _PORTS[self.scheme]

    @property
    def origin(self) -> str:
        """Scheme, host and port, the port only where it is not the scheme's own."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{shown}" + ("" if self.port == self.default_port else f":{self.port}")


def destination_parse(url: str) -> Destination:
    """Take an address apart. Raises ValidationError with the reason under `url`."""
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise _mistake(_("An address holds no user and no password."))
    if parts.fragment:
        raise _mistake(_("This is no address of the web."))
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    found = Destination(
        scheme=parts.scheme,
        host=_host(parts.hostname or ""),
        port=parts.port or _PORTS[parts.scheme],
        path=f"{path}?{parts.query}" if parts.query else path,
    )
    if found.scheme != "https" and not allowed(found):
        raise _mistake(_("The address must begin with https://."))
    return found


def allowed(destination: Destination) -> bool:
    """Whether the operator's list has exactly this origin: it may be inside, and without encryption."""
    return destination.origin in settings.SAVEPOINT_WEBHOOK_ORIGINS


def url_validate(url: str) -> None:
    """Look an address up. Raises ValidationError under `url` unless something may be sent there.

    It asks the network for the name, so call it outside of transactions.
    """
    try:
        addresses_resolve(destination_parse(url))
    except (AddressRefused, AddressUnknown) as error:
        raise _mistake(error.detail) from error


def discord_validate(url: str) -> None:
    """Raise ValidationError under `url` unless it is the address of a webhook of Discord."""
    found = destination_parse(url)
    standard = found.scheme == "https" and found.port == _PORTS["https"]
    if not standard or found.host not in DISCORD_HOSTS or not _DISCORD_PATH.fullmatch(found.path):
        raise _mistake(_("The address must look like https://discord.com/api/webhooks/…, as Discord shows it."))


def addresses_resolve(destination: Destination) -> list[str]:
    """The network addresses of a destination, looked up now. Raises AddressUnknown.

    Raises AddressRefused when one of them is not public, unless the operator's list has the origin.
    """
    try:
        found = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressUnknown from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise AddressUnknown
    if not allowed(destination) and not all(is_public(ip_address(text.partition("%")[0])) for text in addresses):
        raise AddressRefused
    return addresses


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet, also the one that it carries inside."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        carried = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if address.is_site_local or (carried and not is_public(carried)):
            return False
    elif address in _PROTOCOLS:
        return False
    return address.is_global and not (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )


def _split(url: str) -> SplitResult:
    if len(url) > URL_LENGTH_MAX:
        raise _mistake(_("An address has at most %(number)s characters.") % {"number": URL_LENGTH_MAX})
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _mistake(_("This is no address of the web.")) from None
    if not _VISIBLE.fullmatch(url) or "\\" in url or parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise _mistake(_("This is no address of the web."))
    return parts


def _host(host: str) -> str:
    """The host in lower case, without the dot at its end."""
    try:
        # An address of IPv6 may name an interface of this machine.
        return str(ip_address(host)) if "%" not in host else _refuse()
    except ValueError:
        name = host.lower().rstrip(".")
        return name or _refuse()


def _refuse() -> str:
    raise _mistake(_("This is no address of the web."))


def _mistake(said: str) -> ValidationError:
    return ValidationError(errors={"url": [said]})
