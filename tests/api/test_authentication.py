"""Authentication by token and by session."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.scopes import Scope
from accounts.services.tokens import token_create, token_revoke
from common.api.views import ApiView
from tests.api.problems import assert_problem
from tests.world.clients import client_of

ORDERS = "/api/v1/orders/"


def bearer(value):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=value)
    return client


def test_anonymous_request_is_asked_for_a_token(db):
    response = APIClient().get(ORDERS)
    assert_problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", [ORDERS, "/api/v1/orders/x/", "/api/v1/assets/x/", "/api/v1/operations/x/"])
@pytest.mark.parametrize("method", ["get", "post", "patch", "delete", "put", "options", "head"])
def test_anonymous_request_learns_nothing(method, path, db):
    response = getattr(APIClient(), method)(path)
    if method != "head":
        assert_problem(response, 401, "not_authenticated")
    assert response.status_code == 401


@pytest.mark.parametrize(
    "value",
    ["Bearer", "Bearer ", "Bearer x", "bearer svp_x", "Bearer a b", "Bearer \x00", "Bearer ü", "Bearer " + "x" * 5000],
)
def test_a_token_that_is_none_is_not_taken_for_no_token(value, rental):
    client = bearer(value)
    client.force_login(rental.owner)
    response = client.get(ORDERS)
    assert_problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("value", ["", "Basic dXNlcjpwYXNz", "Token x", "nonsense"])
def test_other_authorization_schemes_are_ignored(value, rental):
    client = bearer(value)
    assert_problem(client.get(ORDERS), 401, "not_authenticated")
    client.force_login(rental.owner)
    assert client.get(ORDERS).status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_lets_its_user_in(scheme, rental):
    _, secret = token_create(user=rental.owner, name="bot")
    assert len(bearer(f"{scheme} {secret}").get(ORDERS).json()["results"]) == 1


def test_a_token_ends_when_it_is_revoked_when_it_expires_and_with_its_user(rental):
    now = timezone.now()
    revoked, first = token_create(user=rental.owner, name="revoked")
    _, second = token_create(user=rental.owner, name="expired", expires_at=now - timedelta(seconds=1))
    _, third = token_create(user=rental.owner, name="good", expires_at=now + timedelta(hours=1))
    assert bearer(f"Bearer {first}").get(ORDERS).status_code == 200
    token_revoke(token=revoked, actor=rental.owner)
    assert_problem(bearer(f"Bearer {first}").get(ORDERS), 401, "not_authenticated")
    assert_problem(bearer(f"Bearer {second}").get(ORDERS), 401, "not_authenticated")
    assert bearer(f"Bearer {third}").get(ORDERS).status_code == 200
    rental.owner.is_active = False
    rental.owner.save()
    assert_problem(bearer(f"Bearer {third}").get(ORDERS), 401, "not_authenticated")


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope != Scope.VIEW])
def test_a_token_without_the_scope_to_see_does_not_see(scope, rental):
    response = client_of(rental.owner, scopes=(scope,)).get(ORDERS)
    assert_problem(response, 403, "permission_denied")


def test_a_change_of_a_backup_needs_the_scope_to_delete(rental):
    path = rental.backup_url(rental.stored())
    maker, keeper = client_of(rental.owner, scopes=("create",)), client_of(rental.owner, scopes=("delete",))
    assert keeper.patch(path, {"name": "x", "locked": True}).status_code == 200
    assert_problem(maker.patch(path, {"name": "y"}), 403, "permission_denied")
    assert_problem(maker.patch(path, {"locked": False}), 403, "permission_denied")


def test_a_session_reads_without_and_writes_only_with_its_csrf_token(rental):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(rental.owner)
    assert client.get(rental.backups).status_code == 200
    assert_problem(client.post(rental.backups), 403, "csrf_failed")
    client.get("/accounts/logout/")  # a page with a form hands out the cookie
    token = client.cookies["csrf"].value
    assert_problem(client.post(rental.backups, HTTP_X_CSRFTOKEN="x" * 32), 403, "csrf_failed")
    assert client.post(rental.backups, HTTP_X_CSRFTOKEN=token).status_code == 202


def test_a_session_writes_from_no_other_origin(rental):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(rental.owner)
    client.get("/accounts/logout/")
    headers = {"HTTP_X_CSRFTOKEN": client.cookies["csrf"].value, "HTTP_ORIGIN": "https://evil.example"}
    assert_problem(client.post(rental.backups, **headers), 403, "csrf_failed")


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_a_form_of_another_site_carries_no_csrf_token_in_its_body(content_type, rental):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(rental.owner)
    response = client.generic("POST", rental.backups, b"csrfmiddlewaretoken=x", content_type=content_type)
    assert_problem(response, 403, "csrf_failed")


def test_a_form_of_any_size_is_not_searched_for_a_csrf_token(rental, settings):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(rental.owner)
    part = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n%s\r\n--x--\r\n'
    body = part % (b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    response = client.generic("POST", rental.backups, body, content_type="multipart/form-data; boundary=x")
    assert_problem(response, 413, "request_too_large")


def test_a_token_needs_no_csrf_token(rental):
    _, secret = token_create(user=rental.owner, name="bot")
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert client.post(rental.backups).status_code == 202


def test_a_view_that_declares_no_scope_is_closed(rental, rf):
    class Forgotten(ApiView):
        def get(self, request):
            raise AssertionError("nobody gets here")

    _, secret = token_create(user=rental.owner, name="bot")
    response = Forgotten.as_view()(rf.get("/", HTTP_AUTHORIZATION=f"Bearer {secret}"))
    assert (response.status_code, b"permission_denied" in response.content) == (403, True)
