"""The front: time limits for bodies and readers, one header for each key, and threads that only compute."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.http import StreamingHttpResponse

from config import front as module
from config import streaming
from config.environ import HeadersAmbiguous, environ_build
from config.front import Front
from tests.access.routes import routes

BODY = b'{"name": "a"}'


def scope_of(*headers: tuple[str, str], method: str = "GET", path: str = "/") -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "server": ("127.0.0.1", "8000"),
        "client": ("192.0.2.1", "1234"),
    }


class Client:
    """The client of one request: sends these messages, then waits or disconnects."""

    def __init__(self, *messages: dict[str, Any], takes: bool = True) -> None:
        self._messages = [*messages]
        self._takes = takes
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if self._messages:
            return self._messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if not self._takes and message.get("body"):
            await asyncio.Event().wait()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def whole(self) -> bool:
        return self.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def answered(application: Any, scope: dict[str, Any], client: Client) -> Client:
    async def run() -> None:
        await Front(application)(scope, client.receive, client.send)

    asyncio.run(asyncio.wait_for(run(), 20))
    return client


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


class Whole(list[bytes]):
    def close(self) -> None:
        """Django's responses have this method."""


def application(*, wants_body: bool) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read() if wants_body else b"refused"
        start("200 OK" if wants_body else "401 Unauthorized", [("X-Thread", threading.current_thread().name)])
        return Whole([body])

    return answer


def posted(length: int = len(BODY)) -> dict[str, Any]:
    return scope_of(("content-length", str(length)), method="POST", path="/api/v1/orders/")


def test_a_body_in_parts_arrives_whole() -> None:
    client = Client(part(BODY[:4], more=True), part(BODY[4:]))
    assert answered(application(wants_body=True), posted(), client).sent[1]["body"] == BODY


def test_a_body_that_never_comes_is_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BODY_STALLED_SECONDS", 0.3)
    assert answered(application(wants_body=True), posted(), Client()).status == 408
    assert answered(application(wants_body=True), posted(), Client(part(BODY[:4], more=True))).status == 408


def test_a_body_that_drips_is_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BODY_STALLED_SECONDS", 0.4)
    monkeypatch.setattr(module, "BODY_BYTES_A_SECOND", 1000)

    class Dripping(Client):
        async def receive(self) -> dict[str, Any]:
            await asyncio.sleep(0.2)
            return part(b"x", more=True)

    assert answered(application(wants_body=True), posted(100), Dripping()).status == 408


def test_a_refusal_needs_no_body() -> None:
    client = answered(application(wants_body=False), posted(), Client())
    assert client.status == 401


def test_a_client_that_goes_with_its_body_gets_nothing() -> None:
    client = Client(part(BODY[:4], more=True), {"type": "http.disconnect"})
    assert answered(application(wants_body=True), posted(), client).sent == []


def test_a_body_that_is_too_large_is_not_taken() -> None:
    class Counting(Client):
        async def receive(self) -> dict[str, Any]:
            raise AssertionError("nothing of it is read")

    assert answered(application(wants_body=True), posted(1 << 30), Counting()).status == 413


def test_bodies_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BODIES_BYTES_MAX", 8)
    client = answered(application(wants_body=True), posted(), Client(part(BODY)))
    assert client.status == 503
    assert (b"retry-after", b"10") in client.sent[0]["headers"]


@pytest.mark.parametrize(
    ("path", "lane"),
    [
        ("/livez", "alive"),
        ("/readyz", "health"),
        ("/metrics", "health"),
        ("/api/v1/assets/7/", "storage"),
        ("/api/v1/orders/7/provisions/8/search/", "contents"),
        ("/orders/7/backups/8/restore/preview/", "sidecar"),
        ("/accounts/login/", "pages"),
    ],
)
def test_each_kind_of_work_has_threads_of_its_own(path: str, lane: str) -> None:
    client = answered(application(wants_body=True), scope_of(path=path), Client())
    assert dict(client.sent[0]["headers"])[b"X-Thread"].startswith(f"{lane}_".encode())


P = "api/v1/orders/{order}/provisions/{provision}/"
B, ORDER = f"{P}backups/{{backup}}/", "orders/{order}/"
LANE_OF = {
    "alive": {"livez"},
    "health": {"readyz", "healthz", "metrics"},
    "storage": {
        "api/v1/assets/{asset}/", f"{B}files/content/", f"{ORDER}backups/{{backup}}/download/",
        f"{ORDER}backups/{{backup}}/files/raw/", f"{ORDER}backups/{{backup}}/files/download/",
    },
    "contents": {
        f"{B}files/", f"{P}versions/", f"{P}search/", f"{ORDER}files/", f"{ORDER}files/compare/",
        f"{ORDER}backups/{{backup}}/files/", f"{ORDER}backups/{{backup}}/files/file/",
    },
    "sidecar": {
        f"{B}restore/preview/", f"{P}estimate/", f"{ORDER}backups/{{backup}}/restore/preview/",
        f"{ORDER}backups/create/estimate/", f"{ORDER}exclude/estimate/",
    },
    "names": {
        "api/v1/orders/{order}/webhooks/", "api/v1/orders/{order}/webhooks/{webhook}/", f"{ORDER}notifications/add/",
    },
    "waiting": {"api/v1/orders/{order}/triggers/update/"},
    "pages": {
        "inbox/", f"{ORDER}notifications/", f"{ORDER}notifications/choice/", f"{ORDER}notifications/{{endpoint}}/",
        *(f"{ORDER}notifications/{{endpoint}}/{name}" for name in (
            "test/", "switch/", "rotate/", "delete/", "deliveries/{delivery}/replay/",
        )),
        *(f"api/v1/orders/{{order}}/webhooks/{{webhook}}/{name}" for name in (
            "rotate/", "test/", "deliveries/", "deliveries/{delivery}/replay/",
        )),
        "", "api/v1/orders/", "api/v1/orders/{order}/", "api/v1/orders/{order}/provisions/", P, f"{P}backups/", B,
        *(f"{owner}schedules/{name}" for owner in ("api/v1/orders/{order}/", P) for name in (
            "", "preview/", "{schedule}/", "{schedule}/run/", "{schedule}/runs/",
        )),
        "fleet/", "api/v1/orders/{order}/usage/", "api/v1/orders/{order}/protection/",
        f"{P}triggers/", f"{P}triggers/{{kind}}/", f"{ORDER}triggers/", f"{ORDER}schedules/",
        f"{ORDER}schedules/calendar/", f"{ORDER}schedules/create/", f"{ORDER}schedules/create/preview/",
        f"{ORDER}usage/", f"{ORDER}backups/bulk/", f"{P}backups/bulk/",
        *(f"api/v1/{ORDER}{name}/" for name in ("suspension", "usage/forecast")),
        *(f"{owner}schedules/{rest}" for owner in (P, f"api/v1/{ORDER}") for rest in (
            "", "{schedule}/", "{schedule}/run/",
        )),
        *(f"{ORDER}schedules/{{schedule}}/{name}/" for name in ("edit", "edit/preview", "run", "pause", "delete")),
        "api/v1/orders/{order}/reprovision/", f"{B}restore/", f"{B}verify/",
        f"{B}undo/", f"{P}backups/bulk/", f"{ORDER}backups/bulk/", f"{ORDER}usage/", f"{ORDER}test-restores/",
        *(f"api/v1/orders/{{order}}/{name}" for name in ("usage/forecast/", "suspension/", "test-restores/")),
        "api/v1/operations/{operation}/", "api/v1/operations/{operation}/cancel/", "api/v1/sidecars/enrol/",
        "api/v1/schema/", "api/v1/docs/", "^api/", ORDER, f"{ORDER}activity/", f"{ORDER}backups/", f"{ORDER}exclude/",
        f"{ORDER}backups/create/", f"{ORDER}operations/{{operation}}/cancel/",
        *(f"{ORDER}backups/{{backup}}/{name}" for name in (
            "", "detail/", "rename/", "accept/", "lock/", "restore/", "restore/volume/", "undo/", "retry/",
            "delete/", "verify/",
        )),
    },
}  # fmt: skip
"""Every route: one that waits for a storage or a sidecar has no thread of the pages."""


def lane_of(path: str) -> str:
    return next(name for name, _threads, pattern in module.LANES if re.fullmatch(pattern, path))


def test_every_route_has_its_lane() -> None:
    found = {route.path: lane_of("/" + re.sub(r"\{\w+\}", "0190a0b1-7", route.path)) for route in routes()}
    ours = {path: lane for path, lane in found.items() if not path.startswith(("admin/", "account", "^accounts/"))}
    assert ours == {path: lane for lane, paths in LANE_OF.items() for path in paths}
    rest = {path for path, lane in found.items() if path not in ours and lane != "pages"}
    assert rest == {path for path in found if path.startswith("admin/vault/storagetarget/")}


@pytest.mark.parametrize("path", ["/orders/7/backups/8/files/", "/api/v1/assets/7/", "/orders/7/exclude/estimate/"])
def test_pages_answer_while_a_storage_or_a_sidecar_does_not(path: str) -> None:
    answers, begun = threading.Event(), threading.Event()

    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == path:
            begun.set()
            answers.wait(20)
        start("200 OK", [])
        return Whole([b"whole"])

    async def run() -> None:
        front, page, slow = Front(answer), Client(), [Client() for _number in range(30)]
        waiting = [asyncio.create_task(front(scope_of(path=path), client.receive, client.send)) for client in slow]
        try:
            assert await asyncio.to_thread(begun.wait, 10)
            await asyncio.wait_for(front(scope_of(path="/accounts/login/"), page.receive, page.send), 10)
            assert page.status == 200
            assert not any(client.sent for client in slow)
        finally:
            answers.set()
            await asyncio.gather(*waiting)
        assert [client.status for client in slow] == [200] * 30

    asyncio.run(run())


def streamed(pieces: Iterable[bytes]) -> Any:
    def answer(_environ: dict[str, Any], start: Any) -> StreamingHttpResponse:
        start("200 OK", [])
        return StreamingHttpResponse(pieces)

    return answer


def test_a_stream_is_sent_to_its_end() -> None:
    pieces = [bytes([number]) * 100_000 for number in range(5)]
    client = answered(streamed(pieces), scope_of(), Client())
    assert b"".join(message["body"] for message in client.sent[1:]) == b"".join(pieces)
    assert client.whole


def test_a_reader_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    aborted: list[Any] = []
    monkeypatch.setattr(module, "connection_abort", lambda **ends: aborted.append(ends))
    monkeypatch.setattr(streaming, "STALLED_SECONDS", 0.3)
    monkeypatch.setattr(streaming, "LOOK_SECONDS", 0.1)
    client = answered(streamed([b"x" * 100_000]), scope_of(), Client(takes=False))
    assert not client.whole
    assert aborted == [{"client": ("192.0.2.1", "1234"), "server": ("127.0.0.1", "8000")}]


def test_a_stream_stops_where_its_client_goes() -> None:
    read = []

    def endless() -> Iterable[bytes]:
        while True:
            read.append(1)
            yield b"x" * 100_000

    client = answered(streamed(endless()), scope_of(), Client({"type": "http.disconnect"}))
    assert read
    assert not client.whole


@pytest.mark.parametrize(
    "name", ["X_Forwarded_For", "X_FORWARDED_FOR", "x-forwarded_for", "X_Forwarded-For", "x_forwarded_for"]
)
def test_a_name_with_an_underscore_is_dropped(name: str) -> None:
    for headers in ([(name, "1.2.3.4"), ("X-Forwarded-For", "9.9.9.9")], [("X-Forwarded-For", "9.9.9.9"), (name, "1")]):
        assert environ_build(scope_of(*headers), proxies=1)["HTTP_X_FORWARDED_FOR"] == "9.9.9.9"
    assert "HTTP_X_FORWARDED_FOR" not in environ_build(scope_of((name, "1.2.3.4")), proxies=1)


@pytest.mark.parametrize("name", ["Content_Length", "Content_Type", "X_Forwarded_Proto", "X_Real_Ip", "Proxy"])
def test_no_other_key_is_reached_by_a_second_name(name: str) -> None:
    environ = environ_build(scope_of((name, "7")), proxies=1)
    assert not {key for key, value in environ.items() if value == "7"}


@pytest.mark.parametrize("name", ["Host", "Authorization", "Content-Type", "Content-Length"])
def test_a_header_of_one_value_comes_once(name: str) -> None:
    with pytest.raises(HeadersAmbiguous):
        environ_build(scope_of((name, "a"), (name.lower(), "b")), proxies=0)
    twice = scope_of((name, "1"), (name, "1"))
    assert answered(application(wants_body=True), twice, Client()).status == 400


def test_lines_of_a_list_are_one_list_in_their_order() -> None:
    lines = scope_of(("X-Forwarded-For", "1.1.1.1, 2.2.2.2"), ("Via", "a"), ("X-Forwarded-For", "3.3.3.3"))
    assert environ_build(lines, proxies=1)["HTTP_X_FORWARDED_FOR"] == "1.1.1.1, 2.2.2.2,3.3.3.3"
    cookies = scope_of(("Cookie", "a=1"), ("Cookie", "b=2"))
    assert environ_build(cookies, proxies=0)["HTTP_COOKIE"] == "a=1; b=2"


@pytest.mark.parametrize(
    ("proxies", "lines", "scheme"),
    [
        (1, ["http"], "http"),
        (1, ["https", "http"], "http"),
        (1, ["https, http"], "http"),
        (2, ["https", "http", "https"], "http"),
        (2, ["https"], "https"),
    ],
)
def test_the_scheme_is_the_one_that_a_trusted_proxy_told(proxies: int, lines: list[str], scheme: str) -> None:
    headers = [("X-Forwarded-Proto", line) for line in lines]
    assert environ_build(scope_of(*headers), proxies=proxies)["HTTP_X_FORWARDED_PROTO"] == scheme
