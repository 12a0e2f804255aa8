"""`/metrics` x every persona: a caller without access gets a 404, whatever it claims."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

TOKEN = "t" * 40
STRANGER, INSIDE = "203.0.113.7", "10.1.2.3"
LOCAL = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]


def ask(address="127.0.0.1", method="get", client=None, **headers):
    sender = client or Client(enforce_csrf_checks=True)
    return getattr(sender, method)("/metrics", REMOTE_ADDR=address, headers=headers)


@pytest.mark.parametrize("address", LOCAL)
def test_this_machine_may_ask_and_only_ask(address):
    assert ask(address).status_code == 200
    assert ask(address, "head").status_code == 200
    for method in ("post", "put", "patch", "delete"):
        assert ask(address, method).status_code == 405


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "delete", "options"])
@pytest.mark.parametrize("address", [STRANGER, INSIDE, "2001:db8::1", "::ffff:203.0.113.7", "", "nonsense"])
def test_other_callers_get_a_404(address, method):
    response = ask(address, method)
    assert response.status_code == 404
    assert b"savepoint_" not in response.content


def test_no_identity_of_the_product_opens_it():
    staff = UserFactory(is_staff=True, is_superuser=True)
    staff.user_permissions.set(Permission.objects.all())
    browser = Client()
    browser.force_login(staff)
    assert ask(STRANGER, client=browser).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1, ::1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
    ],
    ids=str,
)
@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_forged_header_gives_no_access(proxies, headers, settings):
    settings.SAVEPOINT_TRUSTED_PROXIES = proxies
    assert ask(STRANGER, **headers).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": STRANGER},
        {"X-Forwarded-For": f"127.0.0.1, {STRANGER}"},
        {"X-Forwarded-For": f"{STRANGER}, 127.0.0.1"},
        {"X-Forwarded-For": ""},
        {"X-Real-IP": STRANGER},
        {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": STRANGER},
        {"Forwarded": f"for={STRANGER}"},
    ],
    ids=str,
)
@pytest.mark.parametrize("proxies", [0, 1])
def test_local_proxy_gives_no_access(proxies, headers, settings):
    settings.SAVEPOINT_TRUSTED_PROXIES = proxies
    response = ask("127.0.0.1", **headers)
    assert response.status_code == (200 if headers == {"X-Forwarded-For": ""} else 404)


def test_networks_are_the_operators_choice(settings):
    settings.SAVEPOINT_METRICS_NETWORKS = (ip_network("10.0.0.0/8"),)
    assert ask(INSIDE).status_code == 200
    assert ask(INSIDE, **{"X-Forwarded-For": "10.9.9.9"}).status_code == 200
    assert ask(INSIDE, **{"X-Forwarded-For": STRANGER}).status_code == 404
    assert ask("127.0.0.1").status_code == 404
    settings.SAVEPOINT_METRICS_NETWORKS = ()
    assert ask("127.0.0.1").status_code == 404


def test_the_token_opens_it_from_anywhere_and_nothing_like_it_does(settings):
    settings.SAVEPOINT_METRICS_TOKEN = TOKEN
    assert ask(STRANGER, Authorization=f"Bearer {TOKEN}").status_code == 200
    assert ask(STRANGER, Authorization=f"bearer {TOKEN}").status_code == 200
    assert ask(STRANGER, "post", Authorization=f"Bearer {TOKEN}").status_code == 405
    for wrong in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ", "Bearer", f"Basic {TOKEN}", TOKEN, "Bearer ü"):
        assert ask(STRANGER, Authorization=wrong).status_code == 404, wrong


@pytest.mark.parametrize("given", ["Bearer ", "Bearer None", "Bearer"])
def test_without_a_token_none_is_right(given, settings):
    assert settings.SAVEPOINT_METRICS_TOKEN is None
    assert ask(STRANGER, Authorization=given).status_code == 404
