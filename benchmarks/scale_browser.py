"""A browser of one connection: it fetches pages, signs in by the form, and finds the links of a page."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http import HTTPStatus
from http.client import HTTPConnection, HTTPMessage
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from benchmarks.scale_server import TIMING, seconds_told

SESSION, CSRF = "savepoint", "csrf"
"""The names of the cookies."""
SIGN_IN = "/accounts/login/"
TIMEOUT_SECONDS = 60.0
_CSS_LINK = re.compile(rb"url\(\s*[\"']?([^\"')]+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """The response as it was sent, and the seconds from the request to the last byte."""

    path: str
    status: int
    headers: HTTPMessage
    body: bytes
    seconds: float

    @property
    def server_seconds(self) -> float:
        """The part of the seconds that the portal's application took."""
        return seconds_told(self.headers[TIMING])

    @property
    def html(self) -> Html:
        """The page, read."""
        assert self.status == HTTPStatus.OK, f"{self.path}: {self.status}"
        html = Html()
        html.feed(self.body.decode())
        return html


@dataclass
class Html(HTMLParser):
    """The parts of a page that the benchmark needs: links, loaded files, polled addresses, the CSRF token."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    polls: list[str] = field(default_factory=list)
    token: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record the parts of a tag that matter."""
        values = {name: value or "" for name, value in attrs}
        match tag:
            case "a":
                self.links.append(values.get("href", ""))
            case "link" if {"stylesheet", "icon", "manifest"} & set(values.get("rel", "").split()):
                self.loads.append(values.get("href", ""))
            case "script" | "img":
                self.loads.append(values.get("src", ""))
            case "use":
                self.loads.append(values.get("href", ""))
            case "input" if values.get("name") == "csrfmiddlewaretoken":
                self.token = values.get("value", "")
        if "data-poll" in values:
            self.polls.append(values.get("hx-get", ""))


class Browser:
    """Speaks to one server over one connection that is kept."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)

    def get(self, path: str, *, session: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        """Fetch something, as a browser that understands gzip."""
        cookies = {"Cookie": f"{SESSION}={session}"} if session else {}
        return self._send("GET", path, None, {"Accept-Encoding": "gzip", **cookies, **(headers or {})})

    def sign_in(self, username: str, password: str) -> str:
        """Sign in by the form; return the session."""
        page = self._send("GET", SIGN_IN, None, {})
        token = page.html.token
        cookie = _cookies(page)[CSRF]
        body = urlencode({"login": username, "password": password, "csrfmiddlewaretoken": token})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"{CSRF}={cookie}"}
        answer = self._send("POST", SIGN_IN, body, headers)
        assert answer.status == HTTPStatus.FOUND, f"{username} could not sign in: {answer.status}"
        return _cookies(answer)[SESSION]

    def loaded(self, page: Answer) -> Iterator[Answer]:
        """Every file that a page or its style sheets load, once each."""
        waiting, seen = [urljoin(page.path, name) for name in page.html.loads if name], set[str]()
        while waiting:
            path = waiting.pop().partition("#")[0]
            if not path or path in seen or path.startswith("data:"):
                continue
            seen.add(path)
            answer = self._send("GET", path, None, {})
            assert answer.status == HTTPStatus.OK, f"{path}: {answer.status}"
            yield answer
            if answer.headers.get_content_type() == "text/css":
                waiting += [urljoin(path, name.decode()) for name in _CSS_LINK.findall(answer.body)]

    def _send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        began = time.perf_counter()
        self._connection.request(method, path, body, dict(headers))
        response = self._connection.getresponse()
        content = response.read()
        return Answer(path, response.status, response.headers, content, time.perf_counter() - began)


def _cookies(answer: Answer) -> dict[str, str]:
    found: dict[str, str] = {}
    for header in answer.headers.get_all("Set-Cookie") or []:
        found |= {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    return found
