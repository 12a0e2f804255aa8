"""Headers of every page for caches and browsers; every page can be shown."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.urls import web
from tests.web.accounts.pages import second_factor_turn_on

OPEN = [
    "/accounts/login/",
    "/accounts/inactive/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/done/",
    "/accounts/password/reset/key/a-b/",
]
FOR_ONE = [
    "/account/",
    "/account/tokens/",
    "/accounts/logout/",
    "/accounts/password/change/",
    "/accounts/reauthenticate/",
    "/accounts/sessions/",
    "/accounts/2fa/",
    "/accounts/2fa/reauthenticate/",
    "/accounts/2fa/totp/deactivate/",
    "/accounts/2fa/recovery-codes/",
    "/accounts/2fa/recovery-codes/generate/",
]
ELSEWHERE = {
    "mfa_activate_totp",
    "mfa_authenticate",
    "mfa_download_recovery_codes",
    "usersessions_end",
    "account-token-revoke",
}
"""Pages with tests of their own: they need a special state, or are no pages."""


@pytest.fixture
def careful(user):
    """The browser of a user with a second factor, right after confirming the password."""
    client = Client()
    client.force_login(user)
    second_factor_turn_on(client)
    return client


def test_every_page_is_known_here():
    from django.urls import resolve

    shown = {resolve(path).url_name for path in OPEN + FOR_ONE} | ELSEWHERE
    assert shown == {pattern.name for pattern in web}


@pytest.mark.parametrize("path", OPEN)
def test_public_page_is_shown_and_not_shared(path, db):
    _check(Client().get(path))


@pytest.mark.parametrize("path", FOR_ONE)
def test_a_page_for_one_is_shown_to_them_and_not_shared(path, careful):
    _check(careful.get(path))


@pytest.mark.parametrize("path", FOR_ONE)
def test_personal_page_is_shown_to_its_user_only(path, db):
    response = Client().get(path)
    assert response.status_code == 302
    # Signing out does nothing for an anonymous user.
    assert response["Location"].startswith("/accounts/login/")


def test_a_page_that_is_not_there_is_not_shared_either(user, inside):
    response = inside.get("/nothing/here/")
    assert response.status_code == 404
    assert response["Cache-Control"] == "private, no-cache"


def test_personal_pages_avoid_shared_caches_by_default(inside):
    assert inside.get("/account/")["Cache-Control"] == "private, no-cache"


def _check(response):
    assert response.status_code == 200
    page = response.content.decode()
    assert "private" in response["Cache-Control"] or "no-store" in response["Cache-Control"]
    assert "no-cache" in response["Cache-Control"] or "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "same-origin"
    assert "default-src 'none'" in response["Content-Security-Policy"]
    # No content that this policy would block.
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*\ssrc=)", page)
    # None of allauth's own pages.
    assert "allauth" not in page
    assert page.count("<h1") == 1
