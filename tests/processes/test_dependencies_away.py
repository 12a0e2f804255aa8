"""The database or Redis stops under a running portal: every address explains it, and recovers."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import redis as client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.processes.portal import Portal, portal
from tests.processes.waiting import wait_until
from tests.services.postgres import PostgresServer, postgres
from tests.services.redis import redis

Reply = tuple[int, dict[str, str], str]
FILLING = {"uuid": str(uuid4()), "int": "1", "str": "x", "slug": "x", "path": "x"}
# Customers must never read words of the server's own address, user or driver.
PRIVATE = re.compile(r"psycopg|redis|connection (to server|refused)|127\.0\.0\.1|Traceback", re.IGNORECASE)


def ask(running: Portal, method: str, path: str, *, body: str = "", **headers: str) -> Reply:
    """Send one request as a browser or a program; redirects are not followed."""
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=60)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def routes(patterns: list[URLPattern | URLResolver] | None = None, prefix: str = "/") -> Iterator[str]:
    """Every address of the product, with its parameters filled in."""
    for pattern in get_resolver("config.urls").url_patterns if patterns is None else patterns:
        text = re.sub(r"^\^|\$$|\\Z$|\\", "", str(pattern.pattern))
        filled = re.sub(r"\(\?P<\w+>[^)]*\)", "x", re.sub(r"<(\w+):\w+>", lambda kind: FILLING.get(kind[1], "x"), text))
        path = prefix + re.sub(r"<\w+>", "x", filled)
        if isinstance(pattern, URLResolver):
            yield from routes(list(pattern.url_patterns), path)
        else:
            yield path


def told(reply: Reply, *, code: str, at: str = "") -> None:
    """Check for a 503 with Retry-After and a reason, in the format that the client accepts."""
    status, headers, text = reply
    assert (status, headers["retry-after"]) == (503, "10"), (at, reply)
    assert not PRIVATE.search(text), text
    if headers["content-type"] == "application/problem+json":
        assert json.loads(text)["code"] == code
        assert "try again in a minute" in json.loads(text)["detail"]
    else:
        assert headers["content-type"].startswith("text/html")
        assert "try again in a minute" in text, at


def form(running: Portal, path: str, **fields: str) -> dict[str, object]:
    """Headers and body of a form with its CSRF token."""
    _, headers, text = ask(running, "GET", path)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text)
    assert token is not None
    cookie = headers["set-cookie"].partition(";")[0]
    sent = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded", "Referer": running.url + path}
    return {"body": urlencode({"csrfmiddlewaretoken": token[1], **fields}), **sent}


def test_every_address_says_that_the_database_is_away(tmp_path: Path) -> None:
    with postgres(tmp_path) as server, portal(tmp_path / "home", database_url=server.url, workers=1) as running:
        sign_in = form(running, "/accounts/login/", login="nobody", password="nothing")
        bearer, signed_in = {"Authorization": f"Bearer {running.token}"}, {"Cookie": f"savepoint={'a' * 32}"}
        server.stop()
        try:
            _away(running, server, sign_in, bearer, signed_in)
        finally:
            server.start()
        wait_until(lambda: ask(running, "GET", "/readyz")[0] == 200, seconds=60, what="the portal is ready again")
        assert running.api("GET", running.backups).status == 200
        log = running.children["web"].last_words(4000)
        assert "database_unavailable" in log
        assert "Traceback" not in log


def _away(
    running: Portal,
    server: PostgresServer,
    sign_in: dict[str, object],
    bearer: dict[str, str],
    signed_in: dict[str, str],
) -> None:
    paths = list(dict.fromkeys(routes()))
    assert len(paths) > 60
    below_api = [path for path in paths if path.startswith("/api/v1/")]
    asked = 0
    for path in paths:
        for headers in (bearer, signed_in):
            reply = ask(running, "GET", path, **headers)
            assert reply[0] < 500 or reply[0] == 503, (path, reply)
            if reply[0] == 503 and not path.startswith(("/readyz", "/healthz")):
                told(reply, code="database_unavailable", at=path)
                asked += 1
    assert asked > len(paths)
    for path in ("/", f"/{running.backups}", "/admin/", "/account/", "/metrics"):
        assert ask(running, "GET", path, **signed_in)[0] in (302, 404, 503), path
    told(ask(running, "GET", "/", **signed_in), code="database_unavailable")
    told(ask(running, "GET", "/admin/", **signed_in), code="database_unavailable")
    told(ask(running, "POST", "/accounts/login/", **sign_in), code="database_unavailable")  # type: ignore[arg-type]
    for path in below_api:
        reply = ask(running, "GET", path, **bearer)
        if reply[0] != 405 and "schema" not in path and "docs" not in path:
            told(reply, code="database_unavailable", at=path)
    posted = {**bearer, "Content-Type": "application/json"}
    told(ask(running, "POST", f"/api/v1/{running.backups}", body="{}", **posted), code="database_unavailable")
    assert ask(running, "GET", "/livez")[0] == 200
    for path in ("/readyz", "/healthz"):
        status, headers, text = ask(running, "GET", path)
        assert (status, headers["retry-after"]) == (503, "10")
        assert json.loads(text)["reasons"] == ["The database does not answer."]


def test_missing_redis_blocks_only_throttled_requests(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with redis(tmp_path / "redis") as url, portal(tmp_path / "home", queue_url=url, workers=1) as running:
        sign_in = form(running, "/accounts/login/", login="nobody", password="nothing")
        with client.Redis.from_url(url) as connection:
            connection.shutdown(nosave=True)
        told(ask(running, "POST", "/accounts/login/", **sign_in), code="cache_unavailable")  # type: ignore[arg-type]
        assert ask(running, "GET", "/accounts/login/")[0] == 200
        assert running.api("GET", running.backups).status == 200
        created = running.api("POST", running.backups, {})
        assert created.status == 202
        assert running.api("GET", f"{running.backups}{created.json['id']}/").json["status"] == "creating"
        assert "Traceback" not in running.children["web"].last_words(4000)
