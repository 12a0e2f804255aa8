"""Every address of the portal, read from the URLconf."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

API = "api/v1/"


@dataclass(frozen=True)
class Route:
    """One address. `path` is as in the contract, with `{name}` for ids; `name` includes the namespace."""

    name: str
    path: str


def routes() -> list[Route]:
    """Every route; a route without a name is an error."""
    return list(_walk(get_resolver(), "", ""))


def api_routes() -> list[Route]:
    """The routes below /api/v1/, their paths relative to it."""
    return [Route(route.name, route.path.removeprefix(API)) for route in routes() if route.path.startswith(API)]


def _walk(resolver: URLResolver, prefix: str, space: str) -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern, path, f"{space}{pattern.namespace}:" if pattern.namespace else space)
        elif isinstance(pattern, URLPattern):
            yield Route(f"{space}{pattern.name}", _readable(path))


def _readable(path: str) -> str:
    return re.sub(r"<\w+:(\w+)>", r"{\1}", path)
