"""Requests to the portal of a big host: their time, and the size of each page.

A time is that of the whole request over loopback, from the first byte sent to the last one read, by one client on a
connection that is kept; nothing is subtracted. `livez`, which looks at nothing, shows how much of it is not ours.
`_server_` is the part of it that passed inside the application, as the web server itself measured it.
The first page of a session writes the row that shows it in the account. `_cpu` is the processor time of the web server
for one request, on average: it hardly changes when something else keeps the machine busy.
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit

from benchmarks.proc import cpu_seconds
from benchmarks.report import Report
from benchmarks.scale_browser import Answer, Browser

US = "savepoint"
TIMES = 100
"""How often one and the same page is fetched."""
WARM = 10
"""Requests before the first that counts: a process compiles its templates and connects to the database once."""
SHARES = {"p50": 0.50, "p95": 0.95, "max": 1.0}
HTMX = {"HX-Request": "true"}
KIB = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """An order with its server, its newest backup, and a session of its owner."""

    session: str
    order: str
    provision: str
    backup: str

    @property
    def page(self) -> str:
        """The order page."""
        return f"/orders/{self.order}/"

    @property
    def api(self) -> str:
        """The list of the server's backups."""
        return f"/api/v1/orders/{self.order}/provisions/{self.provision}/backups/"


@dataclass(frozen=True, slots=True)
class Request:
    """One request and the status it is to be answered with."""

    path: str
    session: str = ""
    status: int = HTTPStatus.OK
    htmx: bool = False


class Pages:
    """Fetches pages and puts into a report how long that takes; `processes` are those of the web server."""

    def __init__(self, browser: Browser, report: Report, processes: Sequence[int]) -> None:
        self._browser = browser
        self._report = report
        self._processes = processes

    def measure(self, tool: str, metric: str, requests: Iterable[Request]) -> None:
        """Fetch each once, after the first few to warm up, and note half, nearly all and the slowest."""
        requests = list(requests)
        assert requests, f"nothing to measure for {metric}"
        for request in requests[:WARM]:
            self._fetch(request)
        cpu = self._cpu_seconds()
        answers = [self._fetch(request) for request in requests]
        self._report.add(tool, f"{metric}_cpu", 1000 * (self._cpu_seconds() - cpu) / len(answers), "ms")
        self._spread(tool, metric, [answer.seconds for answer in answers])
        self._spread(tool, f"{metric}_server", [answer.server_seconds for answer in answers])

    def backup_page(self, place: Place) -> str:
        """The page of one of an order's backups, as the order page links it."""
        pattern = re.compile(rf"/orders/{place.order}/backups/[0-9a-f-]{{36}}/")
        links = self._browser.get(place.page, session=place.session, headers={"Accept-Encoding": "identity"}).html.links
        found = [link for link in links if pattern.fullmatch(link)]
        assert found, f"{place.page} links no backup"
        return found[0]

    def polled(self, place: Place) -> str | None:
        """The address at which the page of an order asks for its changed part, or None while nothing is done there."""
        answer = self._browser.get(place.page, session=place.session, headers={"Accept-Encoding": "identity"})
        return next(iter(answer.html.polls), None)

    def weigh(self, metric: str, request: Request) -> None:
        """Record the size of a page with all files that it loads: plain, with gzip -6, and as sent to a browser."""
        page = self._browser.get(request.path, session=request.session, headers={"Accept-Encoding": "identity"})
        parts = [page, *self._browser.loaded(page)]
        weights: dict[str, Mapping[str, int]] = {answer.path: self._weights(answer, request) for answer in parts}
        for name in ("raw", "gzip", "sent"):
            whole = sum(weight[name] for weight in weights.values())
            self._report.add(US, f"{metric}_{name}", whole / KIB, "KiB")
            self._report.add(US, f"{metric}_html_{name}", weights[page.path][name] / KIB, "KiB")
        self._report.add(US, f"{metric}_files", len(parts), "files")

    def _spread(self, tool: str, metric: str, seconds: Iterable[float]) -> None:
        ordered = sorted(seconds)
        for name, share in SHARES.items():
            self._report.add(tool, f"{metric}_{name}", 1000 * ordered[math.ceil(share * len(ordered)) - 1], "ms")

    def _cpu_seconds(self) -> float:
        return sum(map(cpu_seconds, self._processes))

    def _weights(self, answer: Answer, request: Request) -> dict[str, int]:
        sent = self._browser.get(answer.path, session=request.session)
        return {
            "raw": len(answer.body),
            "gzip": len(gzip.compress(answer.body, 6)),
            "sent": len(sent.body),
        }

    def _fetch(self, request: Request) -> Answer:
        headers = HTMX if request.htmx else {}
        answer = self._browser.get(request.path, session=request.session, headers=headers)
        assert answer.status == request.status, f"{request.path}: {answer.status} instead of {request.status}"
        return answer


def version_forgotten(address: str) -> str:
    """The address of a polled part for a client with another version."""
    parts = urlsplit(address)
    query = {**dict(parse_qsl(parts.query)), "version": "another"}
    return f"{parts.path}?{urlencode(query)}"
