"""The RFCs' rules for each header of an answer; violations are returned as a list."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
CODINGS = {"gzip", "br", "zstd", "deflate"}
"""Registered content codings; `identity` is for Accept-Encoding alone (RFC 9110, 8.4.1)."""

_DISPOSITION = re.compile(
    rf"(?:attachment|inline)(?:; filename=(?:{TOKEN}|\"(?P<plain>[\x20-\x7e]*)\"))?"
    r"(?:; filename\*=UTF-8''(?P<exact>(?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})+))?"
)
"""RFC 6266, with the characters that RFC 8187 leaves unescaped."""


def _list_of_tokens(value: str) -> bool:
    return all(re.fullmatch(TOKEN, part.strip()) for part in value.split(","))


def _date(value: str) -> bool:
    return value.endswith(" GMT") and parsedate_to_datetime(value) is not None


def _disposition(value: str) -> bool:
    match = _DISPOSITION.fullmatch(value)
    if match is None or len(value) > 4096:
        return False
    names = [(match["plain"] or "").encode(), unquote_to_bytes(match["exact"] or "")]
    return all(len(name) <= 255 and "\ufffd" not in name.decode(errors="replace") for name in names)


def _cache_control(value: str) -> bool:
    parts = [part.strip() for part in value.split(",")]
    directives = [part.split("=")[0] for part in parts]
    storable = any(re.fullmatch(r"public|immutable|s-maxage=.*|max-age=(?!0$).*", part) for part in parts)
    known = all(re.fullmatch(TOKEN, name) for name in directives)
    return known and len(set(directives)) == len(directives) and not ("no-store" in directives and storable)


RULES: dict[str, Callable[[str], object]] = {
    "Allow": _list_of_tokens,
    "Accept-Ranges": lambda value: value in ("bytes", "none"),
    "Cache-Control": _cache_control,
    "Content-Disposition": _disposition,
    "Content-Encoding": lambda value: {part.strip() for part in value.split(",")} <= CODINGS,
    "Content-Language": lambda value: re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", value),
    "Content-Length": lambda value: re.fullmatch(r"[0-9]+", value),
    "Content-Range": lambda value: re.fullmatch(r"bytes ([0-9]+-[0-9]+/([0-9]+|\*)|\*/[0-9]+)", value),
    "Content-Type": lambda value: re.fullmatch(rf"{TOKEN}/{TOKEN}(; ?{TOKEN}=({TOKEN}|\"[^\"]*\"))*", value),
    "Digest": lambda value: re.fullmatch(r"sha-256=[A-Za-z0-9+/]{43}=", value),
    "ETag": lambda value: re.fullmatch(r'(W/)?"[\x21\x23-\x7e]*"', value),
    "Expires": _date,
    "Last-Modified": _date,
    "Location": lambda value: re.fullmatch(r"[!#-;=?-Z_a-z~%\[\]]+", value),
    "Repr-Digest": lambda value: re.fullmatch(r"sha-256=:[A-Za-z0-9+/]{43}=:", value),
    "Retry-After": lambda value: re.fullmatch(r"[1-9][0-9]*", value),
    "Vary": _list_of_tokens,
    "WWW-Authenticate": lambda value: re.fullmatch(rf"{TOKEN}( .*)?", value),
}
NEEDED = {
    206: ["Content-Range"],
    302: ["Location"],
    401: ["WWW-Authenticate"],
    405: ["Allow"],
    416: ["Content-Range"],
    429: ["Retry-After"],
    503: ["Retry-After"],
}
"""The headers that a status requires."""


def mistakes(response: object) -> list[str]:
    """Every header of an answer that violates its RFC, or is missing."""
    headers, status = response.headers, response.status_code  # type: ignore[attr-defined]
    found = [f"{name}: {headers[name]}" for name, rule in RULES.items() if name in headers and not rule(headers[name])]
    found += [f"{status} without {name}" for name in NEEDED.get(status, []) if name not in headers]
    if status in (204, 304):
        found += [f"{status} with {name}" for name in ("Content-Length", "Content-Encoding") if name in headers]
    if status in (206, 304):
        found += [f"{status} without {name}" for name in ("ETag", "Cache-Control") if name not in headers]
    if "Content-Encoding" in headers and "accept-encoding" not in headers.get("Vary", "").lower():
        found.append("encoded, and does not vary by it")
    if headers.get("Content-Type", "").startswith("text/") and "charset" not in headers["Content-Type"]:
        found.append("a text without its charset")
    return found
