"""The language and time zone of answers, which never leak into the next request."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone, translation
from rest_framework.test import APIClient

from accounts.services.tokens import token_create
from accounts.web.middleware import PreferencesMiddleware
from tests.factories import UserFactory
from tests.faults import raising
from tests.web.accounts.pages import ACCOUNT, LOGIN

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _before():
    with translation.override("en"), timezone.override(UTC):
        yield
        # The request's activation has ended.
        assert translation.get_language() == "en"
        assert timezone.get_current_timezone() is UTC


@pytest.mark.parametrize(
    ("chosen", "browsers", "answered"),
    [
        ("", "de,en;q=0.5", "de"),
        ("", "tlh,pt-BR;q=0.8", "pt-br"),
        ("", "tlh", "en"),
        ("fr", "de", "fr"),
        ("zh-hans", "", "zh-hans"),
    ],
)
def test_the_users_own_language_goes_before_the_browsers(chosen, browsers, answered, user):
    user.language = chosen
    user.save()
    client = Client(HTTP_ACCEPT_LANGUAGE=browsers)
    client.force_login(user)
    with translation.override("en"):
        response = client.get(ACCOUNT)
    assert f'<html lang="{answered}"' in response.content.decode()
    assert response["Content-Language"] == answered


def test_a_stranger_is_answered_in_the_browsers_language(db):
    with translation.override("en"):
        response = Client(HTTP_ACCEPT_LANGUAGE="ja").get(LOGIN)
    assert '<html lang="ja"' in response.content.decode()


def answered_at(user, cookies):
    """Noon in UTC as a view sees it."""
    request = RequestFactory().get("/")
    request.user = user
    request.COOKIES.update(cookies)
    view = PreferencesMiddleware(lambda _request: HttpResponse(timezone.localtime(NOON).isoformat()))
    return view(request).content.decode()


@pytest.mark.parametrize(
    ("chosen", "cookie", "noon"),
    [
        ("", None, "2026-01-01T12:00:00+00:00"),
        ("", "Asia/Tokyo", "2026-01-01T21:00:00+09:00"),
        ("", "America%2FNew_York", "2026-01-01T07:00:00-05:00"),
        ("Europe/Berlin", "Asia/Tokyo", "2026-01-01T13:00:00+01:00"),
        # Not a zone, or no longer one.
        ("Mars/Base", "Asia/Tokyo", "2026-01-01T21:00:00+09:00"),
        ("", "../../etc/passwd", "2026-01-01T12:00:00+00:00"),
        ("", "/etc/localtime", "2026-01-01T12:00:00+00:00"),
        ("", "asia/tokyo", "2026-01-01T12:00:00+00:00"),
        ("", "localtime", "2026-01-01T12:00:00+00:00"),
        ("", "Asia/Tokyo\x00", "2026-01-01T12:00:00+00:00"),
        ("", "x" * 4000, "2026-01-01T12:00:00+00:00"),
    ],
)
def test_user_zone_precedes_browser_zone_and_that_precedes_utc(chosen, cookie, noon, user):
    user.time_zone = chosen
    assert answered_at(user, {} if cookie is None else {"tz": cookie}) == noon


def test_a_failing_page_leaves_nothing_behind(user):
    user.language, user.time_zone = "de", "Asia/Tokyo"
    request = RequestFactory().get("/")
    request.user = user

    def fails(_request):
        assert translation.get_language() == "de"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        PreferencesMiddleware(fails)(request)
    assert translation.get_language() == "en"
    assert timezone.get_current_timezone() is UTC


def test_liveness_needs_no_database_even_with_a_session(inside, monkeypatch):
    monkeypatch.setattr("django.contrib.auth.get_user", raising(OperationalError))
    response = inside.get("/livez")
    assert (response.status_code, response.json()["status"]) == (200, "ok")


def bearer(user, **headers):
    _token, secret = token_create(user=user, name="bot")
    client = APIClient(**headers)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}", **headers)
    return client


def test_a_program_reads_errors_in_the_language_of_its_tokens_user(db, german):
    german(**{"Order not found": "Bestellung nicht gefunden"})
    path = "/api/v1/orders/00000000-0000-0000-0000-000000000001/"
    with translation.override("en"):
        own = bearer(UserFactory(language="de"), HTTP_ACCEPT_LANGUAGE="fr").get(path)
        wish = bearer(UserFactory(), HTTP_ACCEPT_LANGUAGE="de").get(path)
        other = bearer(UserFactory(language="en"), HTTP_ACCEPT_LANGUAGE="de").get(path)
    english = other.json()["title"]
    assert (own["Content-Language"], wish["Content-Language"], other["Content-Language"]) == ("de", "de", "en")
    assert own.json()["title"] == wish.json()["title"] != english


def test_anonymous_errors_are_in_the_requested_language(db):
    with translation.override("en"):
        response = APIClient().get("/api/v1/orders/", HTTP_ACCEPT_LANGUAGE="pl")
    assert (response.status_code, response["Content-Language"]) == (401, "pl")
