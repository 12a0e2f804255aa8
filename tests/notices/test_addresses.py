"""Addresses: nothing is sent into a private network, whatever the spelling, the resolver or the receiver says."""

from __future__ import annotations

import socket
import time
from ipaddress import ip_address

import pytest

from common.errors import ValidationError
from notices.errors import AddressRefused, AddressUnknown, DeliveryError, ReceiverGone, ReceiverRefused, ReceiverSlow
from notices.sending import addresses, requests
from notices.sending.addresses import destination_parse, discord_validate, is_public, url_validate
from notices.sending.requests import ANSWER_BYTES_MAX, Outgoing, request_send
from tests.notices.receiver import receiver


@pytest.fixture
def there():
    with receiver() as found:
        yield found


@pytest.fixture
def listed(there, settings):
    settings.SAVEPOINT_WEBHOOK_ORIGINS = frozenset({there.origin})
    return there


PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "198.18.0.1", "192.0.0.8", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1",
    "fd00:ec2::254", "ff02::1", "fec0::1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001:db8::1", "2001::1", "::127.0.0.1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::101:101"]


@pytest.mark.parametrize("text", PRIVATE)
def test_private_address_is_not_public(text):
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_public_address_is_public(text):
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/",
        "https://127.1/", "https://localhost/", "https://169.254.169.254/latest/meta-data/", "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/", "https://10.1/", "https://0/", "https://[64:ff9b::7f00:1]/",
        # Other schemes, no scheme, no host, and what different parsers read differently.
        "http://1.1.1.1/", "ftp://1.1.1.1/", "file:///etc/passwd", "gopher://1.1.1.1/", "1.1.1.1", "https://", "https:///x",
        "https://user:password@1.1.1.1/", "https://user@1.1.1.1/", "https://1.1.1.1:0/", "https://1.1.1.1:99999/",
        "https://1.1.1.1/#x", "https://1.1.1.1\\@127.0.0.1/", "https://1.1.1.1/ x", "https://1.1.1.1/\r\nHost: x",
        "https://[fe80::1%25lo]/", "https://[/", "https://./", "https://1.1.1.1/" + "a" * 2000, "https://exämple.com/",
    ],
)  # fmt: skip
def test_address_is_refused_when_it_is_saved(url):
    with pytest.raises(ValidationError) as caught:
        url_validate(url)
    assert list(caught.value.errors) == ["url"]


@pytest.mark.parametrize("url", ["https://1.1.1.1/", "https://1.1.1.1:8443/a?b=c", "https://[2606:4700:4700::1111]/x"])
def test_public_address_is_saved(url):
    url_validate(url)


def answers(monkeypatch, *found):
    """Let the resolver say these, one after the other; return what it was asked."""
    asked = []

    def getaddrinfo(host, port, **_more):
        asked.append(host)
        texts = found[min(len(asked), len(found)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in texts]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch):
    answers(monkeypatch, ["1.1.1.1", "10.0.0.1"])
    with pytest.raises(ValidationError):
        url_validate("https://hooks.example.com/")


def test_a_name_that_turns_private_after_it_was_saved_is_refused_when_it_connects(monkeypatch, there):
    asked = answers(monkeypatch, ["1.1.1.1"], ["127.0.0.1"])
    url = f"https://hooks.example.com:{there.port}/"
    url_validate(url)
    answer = request_send(Outgoing(url=url))
    assert isinstance(answer.error, AddressRefused)
    assert asked == ["hooks.example.com"] * 2
    assert there.arrived == []


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch, there, settings):
    """A second look-up, which could answer otherwise, does not happen."""
    settings.SAVEPOINT_WEBHOOK_ORIGINS = frozenset({f"http://hooks.example.com:{there.port}"})
    asked = answers(monkeypatch, ["127.0.0.1"], ["203.0.113.1"])
    answer = request_send(Outgoing(url=f"http://hooks.example.com:{there.port}/x?y=z", body=b"{}"))
    assert (answer.error, answer.status, len(asked)) == (None, 204, 1)
    (arrived,) = there.arrived
    assert (arrived.path, arrived.headers["host"]) == ("/x?y=z", f"hooks.example.com:{there.port}")


@pytest.mark.parametrize(
    "change", [lambda o: o.replace("http:", "https:"), lambda o: o + "0", lambda o: o.replace(".1:", ".2:")]
)
def test_the_list_of_origins_is_exact(there, settings, change):
    settings.SAVEPOINT_WEBHOOK_ORIGINS = frozenset({change(there.origin)})
    with pytest.raises(ValidationError):
        url_validate(there.url())
    assert isinstance(request_send(Outgoing(url=there.url())).error, AddressRefused)
    assert there.arrived == []


def test_a_redirect_is_not_followed(listed):
    with receiver() as inside:
        listed.status, listed.headers = 302, {"Location": inside.url()}
        answer = request_send(Outgoing(url=listed.url()))
        assert isinstance(answer.error, ReceiverRefused)
        assert (answer.status, inside.arrived) == (302, [])


def test_answers_are_told_apart(listed):
    for status, kind in [
        (200, None),
        (204, None),
        (299, None),
        (301, ReceiverRefused),
        (404, ReceiverRefused),
        (410, ReceiverGone),
        (500, ReceiverRefused),
    ]:
        listed.status = status
        error = request_send(Outgoing(url=listed.url())).error
        assert (type(error) if error else None) == kind, status


def test_an_endless_answer_is_read_up_to_a_bound(listed):
    listed.status, listed.body = 200, b"x" * (1 << 20)
    answer = request_send(Outgoing(url=listed.url()))
    assert (answer.error, len(answer.text)) == (None, ANSWER_BYTES_MAX)


def test_a_pause_that_the_receiver_asks_for_is_bounded(listed):
    for told, pause in [("30", 30), ("99999", 3600), ("soon", None), ("-1", None)]:
        listed.status, listed.headers = 429, {"Retry-After": told}
        assert request_send(Outgoing(url=listed.url())).retry_after == pause


def test_a_receiver_that_drips_its_answer_is_cut_at_the_deadline(listed):
    """Each byte comes in time for the timeout of a read; the whole answer never comes."""
    import threading

    over = threading.Event()

    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not over.wait(0.1):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return

    listed.answering = drip
    began = time.monotonic()
    answer = request_send(Outgoing(url=listed.url()), timeout=0.6)
    took = time.monotonic() - began
    over.set()
    assert isinstance(answer.error, ReceiverSlow)
    assert 0.5 < took < 3


def test_a_silent_listener_of_tls_is_cut_at_the_deadline(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        origin = f"https://127.0.0.1:{silent.getsockname()[1]}"
        settings.SAVEPOINT_WEBHOOK_ORIGINS = frozenset({origin})
        answer = request_send(Outgoing(url=f"{origin}/"), timeout=0.4)
    assert isinstance(answer.error, ReceiverSlow)


def test_nobody_who_listens_is_an_error_without_a_status(settings):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{unused.getsockname()[1]}"
        settings.SAVEPOINT_WEBHOOK_ORIGINS = frozenset({origin})
        answer = request_send(Outgoing(url=f"{origin}/"))
    assert (type(answer.error), answer.status) == (DeliveryError, None)


def test_unknown_name_is_an_error(monkeypatch):
    def fail(*_args, **_more):
        raise socket.gaierror

    monkeypatch.setattr(addresses.socket, "getaddrinfo", fail)
    assert isinstance(request_send(Outgoing(url="https://nobody.example.com/")).error, AddressUnknown)


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com/api/webhooks/123/abc_DEF-1", "https://canary.discord.com/api/v10/webhooks/1/a",
        "https://ptb.discord.com/api/webhooks/1/a/",
    ],
)  # fmt: skip
def test_webhook_of_discord_is_taken(url):
    discord_validate(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com.example.com/api/webhooks/1/a", "https://discord.com:8443/api/webhooks/1/a",
        "http://discord.com/api/webhooks/1/a", "https://discord.com/api/users/1", "https://evil.example/api/webhooks/1/a",
        "https://discord.com/api/webhooks/1/a?wait=true", "https://discord.com/api/webhooks/x/a", "https://discord.com/login",
        "https://discord.com/api/webhooks/1/../../a",
    ],
)  # fmt: skip
def test_other_address_is_no_webhook_of_discord(url):
    with pytest.raises(ValidationError):
        discord_validate(url)


def test_origin_leaves_out_the_port_that_its_scheme_implies(settings):
    settings.SAVEPOINT_WEBHOOK_ORIGINS = frozenset({"http://inside.example"})
    assert destination_parse("http://INSIDE.example.:80/x").origin == "http://inside.example"
    assert destination_parse("https://inside.example:443/").origin == "https://inside.example"


def test_secrets_are_in_no_repr():
    shown = repr(Outgoing(url="https://x/token", body=b"body", headers={"a": "signature"}))
    assert not any(secret in shown for secret in ("token", "body", "signature"))
    assert requests.AGENT
