"""Throttles: separate for reads and writes and for each caller, and correct under concurrency."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from rest_framework.test import APIClient
from rest_framework.throttling import SimpleRateThrottle

from common.api.throttling import ReadThrottle, WindowThrottle, WriteThrottle
from tests.api.problems import assert_problem
from tests.world.clients import client_of

ORDERS = "/api/v1/orders/"


@pytest.fixture(autouse=True)
def low_rates(monkeypatch):
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"read": "3/day", "write": "2/day"})


def test_default_rates_admit_the_promised_requests(settings):
    rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    assert int(rates["read"].removesuffix("/min")) >= 600
    assert int(rates["write"].removesuffix("/min")) >= 60


def test_excess_request_is_told_how_long_to_wait(rental, client):
    for _ in range(3):
        assert client.get(ORDERS).status_code == 200
    response = client.get(ORDERS)
    problem = assert_problem(response, 429, "throttled")
    assert 0 < int(response["Retry-After"]) <= 24 * 3600
    assert response["Retry-After"] in problem["detail"]


def test_reads_and_writes_are_counted_apart(rental, client):
    path = rental.backup_url(rental.stored())
    for _ in range(2):
        assert client.patch(path, {}).status_code == 200
    assert_problem(client.patch(path, {}), 429, "throttled")
    for _ in range(3):
        assert client.get(path).status_code == 200
    assert_problem(client.get(path), 429, "throttled")


def test_each_token_has_a_count_of_its_own(rental, client):
    for _ in range(4):
        client.get(ORDERS)
    assert client.get(ORDERS).status_code == 429
    assert client_of(rental.owner).get(ORDERS).status_code == 200


def test_a_session_is_counted_by_its_user(rental):
    statuses = []
    for _ in range(4):
        client = APIClient()
        client.force_login(rental.owner)
        statuses.append(client.get(ORDERS).status_code)
    assert statuses == [200, 200, 200, 429]


@pytest.mark.parametrize("headers", [{}, {"HTTP_AUTHORIZATION": "Bearer svp_guessed"}], ids=["no token", "a guess"])
def test_guesses_of_tokens_are_throttled_by_address(headers, rental, client):
    statuses = [APIClient().get(ORDERS, **headers).status_code for _ in range(4)]
    assert statuses == [401, 401, 401, 429]
    assert APIClient().get(ORDERS, REMOTE_ADDR="192.0.2.7", **headers).status_code == 401
    assert client.get(ORDERS).status_code == 200


def test_an_address_that_the_client_claims_is_not_believed(db):
    for number in range(3):
        APIClient().get(ORDERS, HTTP_X_FORWARDED_FOR=f"192.0.2.{number}")
    assert APIClient().get(ORDERS, HTTP_X_FORWARDED_FOR="192.0.2.9").status_code == 429


def test_the_next_window_begins_anew(rental, client, monkeypatch):
    now = 1_000_000_000.0
    monkeypatch.setattr(WindowThrottle, "timer", staticmethod(lambda: now))
    for _ in range(4):
        client.get(ORDERS)
    response = client.get(ORDERS)
    assert response.status_code == 429
    now += int(response["Retry-After"])
    assert client.get(ORDERS).status_code == 200


def asking(number=0):
    return SimpleNamespace(
        method="GET",
        auth=None,
        user=AnonymousUser(),
        headers={},
        META={"REMOTE_ADDR": f"192.0.2.{number}"},
    )


def test_requests_at_once_are_all_counted(settings, monkeypatch):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "race"}}
    cache.clear()
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"read": "50/day"})
    with ThreadPoolExecutor(16) as pool:
        allowed = list(pool.map(lambda _: ReadThrottle().allow_request(asking(), None), range(400)))
    assert sum(allowed) == 50


def test_uncountable_request_is_admitted(rental, settings, caplog):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9"}
    }
    assert all(ReadThrottle().allow_request(asking(), None) for _ in range(5))
    assert "could not be counted" in caplog.text


def test_a_write_is_no_read():
    assert WriteThrottle().allow_request(asking(), None)
    assert WriteThrottle.safe is not ReadThrottle.safe
