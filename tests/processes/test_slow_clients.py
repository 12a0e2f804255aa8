"""Slow clients: a connection that hardly sends or reads costs others nothing, and is closed in time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backups.services.downloads import PER_CALLER
from config.front import BODY_STALLED_SECONDS
from config.web_server import PROCESSES
from demo.client import Client
from tests.processes.portal import Portal, portal, seed_run
from tests.processes.slow_clients import crowd_run, reader, silent
from tests.processes.waiting import wait_until

READERS = 1000
PER_CUSTOMER = 8
ASSET_BYTES = 3 << 20
PAGES = ("/livez", "/accounts/login/", "/api/v1/orders/")
PAGES_P95_SECONDS = 0.5
TIMES_SLOWER = 5
"""100 ms on an idle machine; other tests beside this one slow pages down too."""

ANSWER_SECONDS = 15
"""Every page answers in this time, even on a busy machine."""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with portal(tmp_path_factory.mktemp("crowded") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def customers(crowded: Portal) -> Any:
    environ = crowded.children["web"].environ
    options = {"customers": READERS // PER_CUSTOMER, "bytes": ASSET_BYTES, "sealed": True}
    return seed_run(environ, options, module="tests.processes.crowd")


def page_seconds(running: Portal, *, rounds: int) -> list[float]:
    """The duration of each page, one after the other; every one must answer."""
    seconds = []
    for _ in range(rounds):
        for path in PAGES:
            began = time.perf_counter()
            assert running.api("GET", path).status == 200
            seconds.append(time.perf_counter() - began)
    return seconds


def p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def test_pages_are_fast_beside_a_thousand_slow_readers(crowded: Portal, customers: Any) -> None:
    alone = p95(page_seconds(crowded, rounds=20))
    with crowd_run(crowded.url, reader(place_among(customers), every=0.25), count=READERS) as crowd:
        wait_until(lambda: crowd.answered == READERS, seconds=90, what="the thousand readers are answered")
        assert crowd.statuses == {200: READERS}
        before = crowd.taken.copy()
        seconds = page_seconds(crowded, rounds=50)
        wait_until(
            lambda: all(crowd.taken[number] > before[number] for number in range(READERS)),
            seconds=30,
            what="every reader gets more",
        )
        assert crowd.ended == 0
    found = f"p95 {p95(seconds) * 1000:.0f} ms, worst {max(seconds) * 1000:.0f} ms, alone {alone * 1000:.0f} ms"
    assert p95(seconds) < PAGES_P95_SECONDS + TIMES_SLOWER * alone, found
    print(found)  # noqa: T201  # the figure is worth having


HALF_A_HEAD = "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Half:"
SILENT = {
    "enrolment": ("POST /api/v1/sidecars/enrol/", ""),
    "sign-in": ("POST /accounts/login/", ""),
    "no token": ("POST /api/v1/orders/", ""),
    "wrong token": ("DELETE /api/v1/orders/", "Authorization: Bearer svp_wrong\r\n"),
    "download": ("GET /api/v1/assets/00000000-0000-4000-8000-000000000000/", ""),
    "health": ("GET /livez", ""),
}
EACH = 200


@pytest.mark.parametrize("kind", [*SILENT, "half a head"])
def test_two_hundred_silent_bodies_delay_no_other_request(kind: str, crowded: Portal) -> None:
    line, header = SILENT.get(kind, ("", ""))
    head = f"{line} HTTP/1.1\r\nHost: localhost\r\n{header}Content-Length: 100\r\n\r\n" if line else HALF_A_HEAD
    with crowd_run(crowded.url, silent(head), count=EACH) as crowd:
        assert max(page_seconds(crowded, rounds=10)) < ANSWER_SECONDS
        wait_until(lambda: crowd.ended == EACH, seconds=BODY_STALLED_SECONDS + 90, what="every one of them is let go")
    # Without its body no request is admitted, and most are refused before it would be read.
    assert set(crowd.statuses) <= {200, 401, 403, 404, 405, 408, 429}, crowd.statuses


def test_a_refusal_does_not_wait_for_the_body(crowded: Portal) -> None:
    head = f"POST /api/v1/{crowded.backups} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
    with crowd_run(crowded.url, silent(f"{head}Authorization: Bearer svp_wrong\r\n\r\n"), count=5) as crowd:
        wait_until(lambda: crowd.answered == 5, seconds=BODY_STALLED_SECONDS / 3, what="the refusal")
    assert crowd.statuses == {401: 5}


def test_stalled_readers_delay_no_other_request(crowded: Portal, customers: Any) -> None:
    with crowd_run(crowded.url, reader(place_among(customers), every=None), count=130) as crowd:
        wait_until(lambda: crowd.answered == 130, seconds=60, what="they have their headers")
        assert crowd.statuses == {200: 130}
        assert max(page_seconds(crowded, rounds=10)) < ANSWER_SECONDS


def test_one_token_cannot_take_every_download(crowded: Portal, customers: Any) -> None:
    one, other = customers[-1], customers[-2]
    with crowd_run(crowded.url, reader(lambda _: (one["asset"], one["owner"]), every=0.25), count=80) as crowd:
        wait_until(lambda: crowd.answered == 80, seconds=60, what="eighty downloads are answered")
        assert set(crowd.statuses) == {200, 429}
        assert PER_CALLER <= crowd.statuses[200] <= PER_CALLER * PROCESSES
        assert download(crowded, other) == ASSET_BYTES
    wait_until(lambda: download(crowded, one) == ASSET_BYTES, seconds=30, what="the places are free again")


def download(running: Portal, customer: Any) -> int:
    """The number of bytes that the asset's owner downloads."""
    token = customer["owner"].removeprefix("Authorization: Bearer ")
    with Client(running.url, token).open("GET", f"assets/{customer['asset']}/") as response:
        return len(response.read())


def place_among(customers: Any) -> Callable[[int], tuple[str, str]]:
    def place(number: int) -> tuple[str, str]:
        customer = customers[number // PER_CUSTOMER]
        return customer["asset"], customer["owner"]

    return place
