"""The network address of the client."""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "0.0.0.0"  # noqa: S104  # it stands for nobody's address, nothing is bound to it


def client_address(request: HttpRequest) -> str:
    """The client's address: of the connection, or as the trusted proxies report it; UNKNOWN without one.

    The API's throttles count the same way.
    """
    proxies: int = settings.SAVEPOINT_TRUSTED_PROXIES
    hops = request.headers.get("X-Forwarded-For", "").split(",") if proxies else []
    told = hops[-min(proxies, len(hops))] if hops else ""
    return _address(told) or _address(request.META.get("REMOTE_ADDR", "")) or UNKNOWN


def _address(text: str) -> str | None:
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return None
