"""A big host's portal: 100,000 orders and 1,000,000 backups in a real PostgreSQL, pages and API fetched over HTTP.

Server, database and client share the machine. The database is a new one with PostgreSQL's own settings, except fsync,
since the measurement only reads.
"""

from __future__ import annotations

import math
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any

from benchmarks.proc import children_of
from benchmarks.report import Report
from benchmarks.scale_browser import Browser
from benchmarks.scale_pages import TIMES, US, Pages, Place, Request, version_forgotten
from benchmarks.scale_server import SERVER
from common.keyring import kek_generate
from common.private_files import private_keep
from demo.processes import Child
from tests.processes.portal import port_free, seed_run
from tests.processes.waiting import wait_until
from tests.services.postgres import postgres
from tests.services.require import ProgramMissing

ORDERS = 100_000
ORDERS_LEAST = 400
SAMPLE = 400
"""The number of places that are opened, each once."""
START_SECONDS = 60
PERSONS = {"one": f"{US} 1 order", "many": f"{US} 200 orders", "staff": f"{US} staff"}


def run(report: Report, scale: float) -> None:
    """Measure with `scale` times the full size."""
    orders = max(ORDERS_LEAST, round(ORDERS * scale))
    try:
        with tempfile.TemporaryDirectory(prefix="savepoint-bench-") as folder, postgres(Path(folder)) as server:
            home = Path(folder) / "home"
            environ = environ_of(home, port=port_free(), database_url=server.url)
            report.tell(f"{orders} orders are made")
            seeded = seed_run(
                environ, {"orders": orders, "sample": min(SAMPLE, orders // 4)}, module="benchmarks.scale_seed"
            )
            _report_seed(report, seeded)
            with _web(home, environ) as (browser, processes):
                report.tell("pages are fetched")
                _measure(Pages(browser, report, processes), browser, seeded)
    except ProgramMissing as missing:
        sys.exit(f"the benchmark scale {missing.msg}")


def _measure(pages: Pages, browser: Browser, seeded: dict[str, Any]) -> None:
    places = {name: [Place(**place) for place in found] for name, found in seeded["places"].items()}
    sessions = {name: browser.sign_in(**person) for name, person in seeded["people"].items()}
    some, staff = places["random"], sessions["staff"]
    pages.measure(US, "livez", [Request("/livez")] * TIMES)
    for tool, callers in _callers(some, staff).items():
        pages.measure(tool, "api_backups", [Request(place.api, session) for place, session in callers])
    for name, session in sessions.items():
        pages.measure(PERSONS[name], "api_orders", [Request("/api/v1/orders/", session)] * TIMES)
    pages.weigh("order_page", Request(some[0].page, some[0].session))
    pages.weigh("orders_page", Request("/", sessions["one"]))
    for tool, callers in _callers(some, staff).items():
        pages.measure(tool, "order_page", [Request(place.page, session) for place, session in callers])
    for name, session in sessions.items():
        pages.measure(PERSONS[name], "orders_page", [Request("/", session)] * TIMES)
    found = [Request(f"/?q=Server+{number}", staff) for number in range(TIMES)]
    pages.measure(PERSONS["staff"], "orders_search", found)
    for state in ("unprotected", "at_risk", "protected"):
        pages.measure(f"{US} {state}", "fleet_page", [Request(f"/fleet/?state={state}", staff)] * TIMES)
    pages.measure(f"{US} search", "fleet_page", [Request("/fleet/?state=at_risk&q=Server+77", staff)] * TIMES)
    # An order of a thousand backups.
    (busiest,) = places["busiest"]
    pages.measure(f"{US} busiest", "order_page", [Request(busiest.page, busiest.session)] * TIMES)
    pages.measure(US, "backup_page", [Request(pages.backup_page(place), place.session) for place in some])
    _measure_polls(pages, places["live"])


def _measure_polls(pages: Pages, live: list[Place]) -> None:
    """Where something is done the page asks every few seconds; mostly nothing has changed."""
    polled = [(place, address) for place in live if (address := pages.polled(place))]
    polled *= math.ceil(TIMES / len(polled))
    unchanged = HTTPStatus.NO_CONTENT
    pages.measure(US, "poll_unchanged", [Request(path, place.session, unchanged, htmx=True) for place, path in polled])
    pages.measure(
        US, "poll_changed", [Request(version_forgotten(path), place.session, htmx=True) for place, path in polled]
    )


def _callers(places: list[Place], staff: str) -> dict[str, list[tuple[Place, str]]]:
    """Every place by its own owner, and again by staff."""
    return {
        f"{US} owner": [(place, place.session) for place in places],
        f"{US} staff": [(place, staff) for place in places],
    }


def _report_seed(report: Report, seeded: dict[str, Any]) -> None:
    for kind, count in seeded["rows"].items():
        report.add(US, f"rows_{kind}", count, "rows")
    for step, seconds in seeded["seconds"].items():
        report.add(US, f"seconds_{step}", seconds, "s")


@contextmanager
def _web(home: Path, environ: Mapping[str, str]) -> Iterator[tuple[Browser, list[int]]]:
    """The real web server with a clock, answering when this enters: a browser for it, and its processes."""
    logs = home / "logs"
    logs.mkdir()
    child = Child(SERVER, logs=logs, environ=environ)
    url = f"http://127.0.0.1:{environ['SAVEPOINT_PORT']}"
    child.start()
    try:
        wait_until(lambda: _answers(child, url), seconds=START_SECONDS, what="the web server answers")
        yield Browser(url), [child.pid, *children_of(child.pid)]
    finally:
        child.signal(signal.SIGTERM)
        child.kill()


def _answers(child: Child, url: str) -> bool:
    assert child.ended is None, f"the web server ended with {child.ended}: {child.last_words(20)}"
    try:
        return Browser(url).get("/readyz").status == HTTPStatus.OK
    except (HTTPException, OSError):
        return False


def environ_of(home: Path, *, port: int, database_url: str) -> dict[str, str]:
    """Nothing of the caller's own settings may reach the processes."""
    private_keep(home / "secrets/SECRET_KEY", lambda: secrets.token_urlsafe(64))
    private_keep(home / "secrets/SAVEPOINT_MASTER_KEYS", lambda: f"1:{kek_generate()}")
    return {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SAVEPOINT_HOME": str(home),
        "SAVEPOINT_PORT": str(port),
        "DATABASE_URL": database_url,
    }
