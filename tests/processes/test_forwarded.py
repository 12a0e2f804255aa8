"""Behind a proxy, a client cannot choose its own address: other spellings of a header never replace the proxy's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from itertools import count
from urllib.parse import urlencode, urlsplit

import pytest

from tests.processes.portal import Portal, portal

CLIENT = ("X-Forwarded-For", "198.51.100.7")
"""The proxy's header."""
SPELLINGS = ["X_Forwarded_For", "X_FORWARDED_FOR", "x-forwarded_for", "X_Forwarded-For"]
SIGN_INS = 10
ENROLMENTS = 20

Headers = list[tuple[str, str]]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    home = tmp_path_factory.mktemp("proxied") / "home"
    with portal(home, settings={"SAVEPOINT_TRUSTED_PROXIES": "1"}) as running:
        yield running


def ask(running: Portal, method: str, path: str, headers: Headers, body: bytes | None = None) -> HTTPResponse:
    """Send exactly these headers, in their order."""
    parts = urlsplit(running.url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=30)
    connection.putrequest(method, path)
    for name, value in [*headers, *([("Content-Length", str(len(body)))] if body is not None else [])]:
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def orders(spelling: str, address: str) -> Iterator[Headers]:
    """The proxy's header and the client's, in both orders."""
    yield [(spelling, address), CLIENT]
    yield [CLIENT, (spelling, address)]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_metrics_stay_closed(spelling: str, proxied: Portal) -> None:
    assert ask(proxied, "GET", "/metrics", []).status == 200
    for headers in orders(spelling, "127.0.0.1"):
        assert ask(proxied, "GET", "/metrics", headers).status == 404
    assert ask(proxied, "GET", "/metrics", [CLIENT, ("X_Real_Ip", "127.0.0.1")]).status == 404
    # The client's own line comes first, then the proxy's.
    assert ask(proxied, "GET", "/metrics", [("X-Forwarded-For", "127.0.0.1"), CLIENT]).status == 404


def test_enrolments_are_counted_for_the_client(proxied: Portal) -> None:
    addresses = (f"203.0.113.{number}" for number in count(1))
    statuses = []
    for spelling in SPELLINGS * 6:
        for headers in orders(spelling, next(addresses)):
            json = ("Content-Type", "application/json")
            statuses.append(ask(proxied, "POST", "/api/v1/sidecars/enrol/", [*headers, json], b"{}").status)
    assert len(statuses) > 2 * ENROLMENTS, "a minute may end in between, and the count begins anew"
    assert 429 in statuses
    assert statuses.count(400) <= 2 * ENROLMENTS


def test_failed_sign_ins_are_counted_for_the_client(proxied: Portal) -> None:
    page = proxied.api("GET", "/livez")
    assert page.status == 200
    with proxied.client().open("GET", "/accounts/login/") as response:
        form = response.read().decode()
        cookies = "; ".join(value.split(";")[0] for value in response.headers.get_all("Set-Cookie") or [])
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert found
    statuses = []
    for number in range(2 * SIGN_INS + 2):
        fields = {"csrfmiddlewaretoken": found[1], "login": f"nobody-{number}", "password": "wrong"}
        headers = [
            ("Cookie", cookies),
            ("Content-Type", "application/x-www-form-urlencoded"),
            (SPELLINGS[number % len(SPELLINGS)], f"203.0.113.{number + 1}"),
            CLIENT,
        ]
        statuses.append(ask(proxied, "POST", "/accounts/login/", headers, urlencode(fields).encode()).status)
    assert 429 in statuses, statuses


@pytest.mark.parametrize("name", ["Host", "Authorization", "Content-Type"])
def test_a_header_of_one_value_that_comes_twice_is_refused(name: str, proxied: Portal) -> None:
    values = {"Host": "localhost", "Authorization": f"Bearer {proxied.token}", "Content-Type": "application/json"}
    assert ask(proxied, "GET", "/api/v1/orders/", [(name, values[name]), (name, "other")]).status == 400
