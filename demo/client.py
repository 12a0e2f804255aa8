"""A small client of the REST API, as a customer's bot would have one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30.0


class Unreachable(Exception):
    """The portal did not answer."""


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """The response: headers by name in any case; `json` is the body, None when it is not JSON."""

    status: int
    headers: HTTPMessage
    json: Any


@dataclass(frozen=True, slots=True)
class Client:
    """Speaks to one portal with one token; paths are below `/api/v1/` unless they begin with a slash."""

    url: str
    token: str

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> ApiAnswer:
        """Send a request with a JSON body and read the answer. Raises Unreachable."""
        with self.open(method, path, body, headers) as response:
            content = response.read()
            is_json = "json" in response.headers.get_content_type()
            return ApiAnswer(response.status, response.headers, json.loads(content) if is_json else None)

    @contextmanager
    def open(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[HTTPResponse]:
        """Send a request and give its response, whose body is still to be read. Raises Unreachable."""
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_SECONDS)
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        content = None
        if body is not None:
            content, sent["Content-Type"] = json.dumps(body), "application/json"
        try:
            connection.request(method, path if path.startswith("/") else f"/api/v1/{path}", content, sent)
            yield connection.getresponse()
        except (OSError, HTTPException) as error:
            raise Unreachable(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
