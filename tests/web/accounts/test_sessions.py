"""The sessions of an account."""

from __future__ import annotations

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from accounts.web.devices import device_icon, device_name
from operations.services.chores import chores_run
from tests.factories import UserFactory
from tests.faults import raising
from tests.web.accounts.pages import sign_in, signed_in

SESSIONS = "/accounts/sessions/"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0"
    " Mobile/15E148 Safari/604.1"
)


def two(user):
    desk, phone = Client(HTTP_USER_AGENT=FIREFOX), Client(HTTP_USER_AGENT=PHONE, REMOTE_ADDR="203.0.113.7")
    sign_in(desk, user.username)
    sign_in(phone, user.username)
    return desk, phone


def test_the_page_names_device_and_address_and_which_one_is_this(user):
    desk, phone = two(user)
    page = desk.get(SESSIONS).content.decode()
    assert "Firefox on Windows" in page
    assert "Safari on iPhone" in page
    assert "203.0.113.7" in page
    assert page.count("This device") == 1
    assert signed_in(phone)


def test_ending_one_session_keeps_the_others(user):
    desk, phone = two(user)
    row = UserSession.objects.get(ip="203.0.113.7")
    response = desk.post(f"{SESSIONS}{row.pk}/end/")
    assert response["Location"] == SESSIONS
    assert "The session was ended." in desk.get(SESSIONS).content.decode()
    assert not signed_in(phone)
    assert signed_in(desk)


def test_all_other_sessions_end_at_once(user):
    desk, phone = two(user)
    third = Client()
    sign_in(third, user.username)
    response = desk.post(SESSIONS)
    assert response["Location"] == SESSIONS
    assert (signed_in(desk), signed_in(phone), signed_in(third)) == (True, False, False)
    assert UserSession.objects.count() == 1


def test_the_sessions_of_others_are_neither_shown_nor_ended(user):
    desk, _phone = two(user)
    stranger = Client(REMOTE_ADDR="198.51.100.9")
    sign_in(stranger, UserFactory().username)
    assert "198.51.100.9" not in desk.get(SESSIONS).content.decode()
    row = UserSession.objects.get(ip="198.51.100.9")
    assert desk.post(f"{SESSIONS}{row.pk}/end/")["Location"] == SESSIONS
    assert signed_in(stranger)


def test_ending_takes_a_post_of_our_own_page(user):
    desk, phone = two(user)
    row = UserSession.objects.get(ip="203.0.113.7")
    assert desk.get(f"{SESSIONS}{row.pk}/end/").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = desk.cookies
    assert strict.post(f"{SESSIONS}{row.pk}/end/").status_code == 403
    assert signed_in(phone)


def test_a_session_that_is_over_is_not_listed(user):
    desk, phone = two(user)
    phone.post("/accounts/logout/")
    assert "203.0.113.7" not in desk.get(SESSIONS).content.decode()


def test_data_of_ended_sessions_is_deleted(user):
    _desk, phone = two(user)
    over = phone.session.session_key
    Session.objects.filter(session_key=over).update(expire_date=timezone.now() - timezone.timedelta(seconds=1))
    chores_run()
    assert not Session.objects.filter(session_key=over).exists()
    assert over not in UserSession.objects.values_list("session_key", flat=True)
    assert UserSession.objects.filter(user=user).count() == Session.objects.count() == 1


def test_last_seen_is_written_once_a_minute_and_not_on_every_page(user):
    desk, _phone = two(user)
    long_ago = timezone.now() - timezone.timedelta(hours=1)
    UserSession.objects.update(last_seen_at=long_ago)
    # Simulates that a minute has passed.
    caches["process"].clear()
    desk.get("/accounts/password/change/")
    seen = UserSession.objects.exclude(ip="203.0.113.7").get().last_seen_at
    assert seen > long_ago
    desk.get("/accounts/password/change/")
    assert UserSession.objects.exclude(ip="203.0.113.7").get().last_seen_at == seen


def test_a_page_is_shown_also_when_that_cannot_be_noted(user, inside, monkeypatch):
    monkeypatch.setattr(UserSession.objects, "create_from_request", raising(OperationalError))
    assert signed_in(inside)


@pytest.mark.parametrize(
    ("sent", "name", "icon"),
    [
        (FIREFOX, "Firefox on Windows", "computer"),
        (PHONE, "Safari on iPhone", "phone"),
        ("Mozilla/5.0 (X11; Linux x86_64) … Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Linux", "computer"),
        ("Mozilla/5.0 (Linux; Android 15) … Chrome/140.0 Mobile Safari/537.36", "Chrome on Android", "phone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) … Safari/605", "Safari on macOS", "computer"),
        (
            "Mozilla/5.0 (Linux; Android 15) … SamsungBrowser/28 Chrome/130 Safari",
            "Samsung Internet on Android",
            "phone",
        ),
        ("curl/8.5.0", "curl/8.5.0", "computer"),
        ("x" * 500, "x" * 60, "computer"),
        ("", "Unknown device", "computer"),
    ],
)
def test_device_is_described_in_words(sent, name, icon):
    assert (device_name(sent), device_icon(sent)) == (name, icon)
