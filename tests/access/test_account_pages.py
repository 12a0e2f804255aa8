"""Every page of sign-in and account, and its audience; a page missing from both tables fails."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from tests.access.routes import routes
from tests.access.test_pages import LOGIN
from tests.access.world import METHODS
from tests.factories import UserFactory

PUBLIC = {
    "account_login": 302,
    "account_inactive": 200,
    "account_reset_password": 200,
    "account_reset_password_done": 200,
    "account_reset_password_from_key": 200,
    "account_reset_password_from_key_done": 200,
}
"""Public pages, with the answer to a signed-in user."""

BY_TOKEN = {"notices-unsubscribe"}
"""Pages whose address is the permission: see tests/notices/test_sending.py."""

SIGNED_IN = {
    "inbox": 200,
    "account": 200,
    "account-notices": 200,
    "account-tokens": 200,
    "account-token-revoke": 404,
    "account_logout": 200,
    "account_change_password": 200,
    "account_reauthenticate": 200,
    "usersessions_list": 200,
    "usersessions_end": 405,
    "mfa_index": 200,
    "mfa_authenticate": 302,
    "mfa_reauthenticate": 302,
    "mfa_activate_totp": 302,
    "mfa_deactivate_totp": 404,
    "mfa_view_recovery_codes": 404,
    "mfa_generate_recovery_codes": 302,
    "mfa_download_recovery_codes": 404,
}
"""Pages for signed-in users, with the answer: these users have no second factor, and did not enter a password."""

ARGUMENTS = {
    "account_reset_password_from_key": ["a", "b"],
    "account-token-revoke": [uuid4()],
    "usersessions_end": [1],
}


def account_path(name):
    return reverse(name, args=ARGUMENTS.get(name))


def test_every_page_is_in_one_of_the_tables():
    below = [
        route for route in routes() if route.path.removeprefix("^").startswith(("inbox/", "account/", "accounts/"))
    ]
    assert {route.name for route in below} == {*PUBLIC, *BY_TOKEN, *SIGNED_IN}


@pytest.mark.parametrize("name", PUBLIC)
def test_sign_in_pages_are_public(name, db):
    assert Client().get(account_path(name)).status_code == 200


@pytest.mark.parametrize("name", SIGNED_IN)
def test_account_pages_need_a_sign_in(name, db):
    for method in METHODS:
        response = getattr(Client(), method.lower())(account_path(name))
        if method not in ("GET", "HEAD", "POST"):
            # 200 is the empty answer to OPTIONS.
            assert response.status_code in (302, 405) or not response.content, method
            continue
        assert response.status_code == 302, method
        assert response["Location"].split("?")[0] == LOGIN, method


@pytest.mark.parametrize(("name", "status"), [*PUBLIC.items(), *SIGNED_IN.items()])
def test_signed_in_user_sees_their_own_account(name, status, db):
    client = Client()
    client.force_login(UserFactory())
    response = client.get(account_path(name))
    assert response.status_code == status
    if status == 302:
        assert response["Location"].split("?")[0] in ("/", "/accounts/reauthenticate/")


@pytest.mark.parametrize("name", ["account", "account-tokens", "account_change_password", "account_logout"])
def test_an_account_is_changed_only_by_our_own_page(name, db):
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory())
    assert client.post(account_path(name)).status_code == 403
