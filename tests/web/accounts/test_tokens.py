"""The page of API tokens."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiToken
from tests.factories import ApiTokenFactory, UserFactory

TOKENS = "/account/tokens/"
API = "/api/v1/orders/"


def create(client, **fields):
    return client.post(TOKENS, {"name": "console bot", "days": "90", **fields})


def secret_in(response):
    found = re.search(r'id="token-secret"[^>]*>(svp_[\w-]+)<', response.content.decode())
    assert found, response.content.decode()
    return found[1]


def api_status(secret):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client.get(API).status_code


def revoke_path(token):
    return f"{TOKENS}{token.pk}/revoke/"


def test_a_token_is_shown_once_and_works(user, inside):
    response = create(inside)
    secret = secret_in(response)
    assert response["Cache-Control"] == "no-store"
    assert 'data-copy="#token-secret"' in response.content.decode()
    assert api_status(secret) == 200
    page = inside.get(TOKENS)
    assert secret not in page.content.decode()
    assert "console bot" in page.content.decode()
    assert page["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("days", "left"), [("7", 7), ("365", 365), ("0", None)])
def test_a_token_ends_when_it_was_said_to(days, left, user, inside):
    create(inside, days=days)
    ends = ApiToken.objects.get().expires_at
    assert ends is None if left is None else abs(ends - timezone.now() - timedelta(days=left)) < timedelta(minutes=1)


def test_token_has_only_the_chosen_scopes(user, inside):
    create(inside, scopes=["view", "create"])
    assert ApiToken.objects.get().scopes == ["create", "view"]
    page = inside.get(TOKENS).content.decode()
    assert page.count("Create backups") == 2
    create(inside)
    assert "Everything that you may" in inside.get(TOKENS).content.decode()


@pytest.mark.parametrize(
    "fields",
    [{"name": ""}, {"name": "x" * 101}, {"name": "two\nlines"}, {"days": "5"}, {"days": ""}, {"scopes": ["root"]}],
)
def test_a_token_that_will_not_do_is_not_made_and_its_form_says_why(fields, user, inside):
    response = create(inside, **fields)
    assert response.status_code == 200
    assert 'class="error"' in response.content.decode()
    assert not ApiToken.objects.exists()


def test_revoking_asks_first_and_ends_the_token_at_once(user, inside):
    secret = secret_in(create(inside))
    token = ApiToken.objects.get()
    assert revoke_path(token) in inside.get(TOKENS).content.decode()
    page = inside.get(revoke_path(token))
    assert "console bot" in page.content.decode()
    assert api_status(secret) == 200
    assert inside.post(revoke_path(token))["Location"] == TOKENS
    assert api_status(secret) == 401
    page = inside.get(TOKENS).content.decode()
    assert "was revoked" in page
    assert "You have no tokens." in page


def test_the_dialog_is_the_same_form_without_the_page(user, inside):
    token = ApiTokenFactory(user=user)
    fragment = inside.get(revoke_path(token), HTTP_HX_REQUEST="true").content.decode()
    assert "<html" not in fragment
    assert f'action="{revoke_path(token)}"' in fragment
    assert "csrfmiddlewaretoken" in fragment


def test_the_tokens_of_others_are_not_there(user, inside):
    theirs = ApiTokenFactory(user=UserFactory(), name="their bot")
    assert "their bot" not in inside.get(TOKENS).content.decode()
    for method in (inside.get, inside.post):
        assert method(revoke_path(theirs)).status_code == 404
    theirs.refresh_from_db()
    assert theirs.revoked_at is None


def test_a_token_that_is_revoked_or_none_is_not_there(user, inside):
    gone = ApiTokenFactory(user=user, revoked_at=timezone.now())
    assert inside.get(revoke_path(gone)).status_code == 404
    assert inside.get(f"{TOKENS}nonsense/revoke/").status_code == 404


def test_a_token_that_ended_says_so(user, inside):
    ApiTokenFactory(user=user, expires_at=timezone.now() - timedelta(days=1))
    assert "Expired" in inside.get(TOKENS).content.decode()


def test_user_input_is_shown_as_text(user, inside):
    ApiTokenFactory(user=user, name="<script>alert(1)</script>")
    page = inside.get(TOKENS).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_token_is_made_only_by_our_own_page(user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert create(client).status_code == 403
    assert not ApiToken.objects.exists()
