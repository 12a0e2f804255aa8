"""The WSGI environ of a request, out of its ASGI scope: one header behind each key."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes

Scope = Mapping[str, Any]

SINGLE: Final = frozenset({"host", "authorization", "content-type", "content-length"})
"""Headers with a single value: with two of them, each program on the way might read another one."""
DROPPED: Final = frozenset({"proxy"})
"""CGI programs, and libraries that imitate them, take HTTP_PROXY for a setting of their own."""
_BARE: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


class HeadersAmbiguous(Exception):
    """A header that has one value came more than once."""


def environ_build(scope: Scope, *, proxies: int) -> dict[str, Any]:
    """The environ of a request behind so many trusted proxies, without a body. Raises HeadersAmbiguous."""
    host, port = scope["server"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0],
        "REMOTE_PORT": str(scope["client"][1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, values in headers_read(scope).items():
        if name in SINGLE and len(values) > 1:
            raise HeadersAmbiguous
        told = ("; " if name == "cookie" else ",").join(values)
        environ[_BARE.get(name) or f"HTTP_{name.upper().replace('-', '_')}"] = told
    if schemes := environ.get("HTTP_X_FORWARDED_PROTO"):
        # Django takes the first scheme of a list, which is the one a client wrote; a proxy adds its own at the end.
        hops = schemes.split(",")
        environ["HTTP_X_FORWARDED_PROTO"] = hops[-min(max(proxies, 1), len(hops))].strip()
    return environ


def headers_read(scope: Scope) -> dict[str, list[str]]:
    """The headers of a request by their names in lower case, in the order they came.

    A name with an underscore is dropped: `X_Forwarded_For` would have the same key as the proxy's `X-Forwarded-For`,
    and no proxy takes it out.
    """
    found: dict[str, list[str]] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        if "_" not in name and name not in DROPPED:
            found.setdefault(name, []).append(value.decode("latin-1").strip())
    return found
