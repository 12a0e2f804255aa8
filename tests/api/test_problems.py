"""Every error has one shape, and reveals nothing internal."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.utils import translation
from django.utils.translation import gettext
from rest_framework.test import APIClient

from backups.models import Backup
from orders.models import Order
from tests.api.problems import assert_problem


@pytest.mark.parametrize("path", ["/api/v1/nothing/", "/api/v1/orders", "/api/v2/", "/api/", "/api/v1/a/b/c/"])
@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_an_unknown_address_is_a_problem_and_never_a_redirect(method, path, client):
    assert_problem(getattr(client, method)(path), 404, "not_found")


def test_an_unknown_address_elsewhere_is_a_page(client):
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_a_method_that_an_address_does_not_take(client):
    response = client.put("/api/v1/orders/", {})
    assert_problem(response, 405, "method_not_allowed")
    assert set(response["Allow"].split(", ")) == {"GET", "HEAD"}


def test_a_format_that_there_is_not(client):
    assert_problem(client.get("/api/v1/orders/", HTTP_ACCEPT="image/png"), 406, "not_acceptable")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_that_is_not_json(content_type, rental, client):
    response = client.generic("POST", rental.backups, b"name=x", content_type=content_type)
    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [b"{", b"nonsense", b'{"name": NaN}', b"\xff\xfe", b"[" * 200_000, b'{"a":' * 100_000, b" "],
    ids=["cut", "words", "nan", "not utf-8", "deep lists", "deep objects", "blank"],
)
def test_json_that_cannot_be_read(body, rental, client):
    response = client.generic("POST", rental.backups, body, content_type="application/json")
    assert set(assert_problem(response, 400, "validation_error")["errors"]) == {"body"}


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"5", b"null", b"true"])
def test_json_that_is_no_object(body, rental, client):
    response = client.generic("POST", rental.backups, body, content_type="application/json")
    problem = assert_problem(response, 400, "validation_error")
    assert set(problem["errors"]) == {"body"}


def test_a_body_that_is_too_large_is_refused_unread(rental, client, settings):
    body = b'{"name": "' + b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"}'
    response = client.generic("POST", rental.backups, body, content_type="application/json")
    assert_problem(response, 413, "request_too_large")


def test_a_request_for_another_host_is_a_problem_too(db):
    assert_problem(APIClient().get("/api/v1/orders/", HTTP_HOST="evil.example"), 400, "validation_error")


def test_unexpected_failure_reveals_nothing_about_itself(client, rental, caplog):
    with connection.cursor() as cursor:
        # The table is missing: a realistic unexpected failure.
        cursor.execute(f"ALTER TABLE {Order._meta.db_table} RENAME TO away_for_a_test")
    response = client.get("/api/v1/orders/")
    problem = assert_problem(response, 500, "internal")
    assert Order._meta.db_table not in response.content.decode()
    assert problem["request_id"] in caplog.text
    assert Order._meta.db_table in caplog.text


def test_a_refusal_of_the_database_does_not_leak(client, rental):
    rental.stored(name="taken")
    other = rental.stored(name="free")
    connection.check_constraints()  # PostgreSQL alters no table with pending checks
    with connection.cursor() as cursor:
        # A rule that no service checks: only the database refuses.
        cursor.execute(f"CREATE UNIQUE INDEX a_rule_of_the_test ON {Backup._meta.db_table} (name)")
    response = client.patch(rental.backup_url(other), {"name": "taken"})
    assert_problem(response, 500, "internal")
    for leak in ("a_rule_of_the_test", "taken", "UNIQUE", "unique", Backup._meta.db_table):
        assert leak not in response.content.decode()


def test_the_sentence_is_in_the_language_of_the_reader_and_the_code_is_not(client, rental):
    plain = assert_problem(client.get("/api/v1/orders/x/"), 404, "order_not_found")
    with translation.override("de"):
        german = str(gettext("Order not found"))
    response = client.get("/api/v1/orders/x/", HTTP_ACCEPT_LANGUAGE="de")
    assert_problem(response, 404, "order_not_found")
    assert response.json()["title"] == german
    assert response["Content-Language"] == "de"
    assert plain["title"] == "Order not found"


def test_each_request_has_an_id_of_its_own_and_takes_none_from_outside(client, rental):
    first = client.get("/api/v1/orders/", HTTP_X_REQUEST_ID="mine")
    second = client.get("/api/v1/orders/", HTTP_X_REQUEST_ID="mine")
    assert re.fullmatch(r"[0-9a-f]{32}", first["X-Request-ID"])
    assert first["X-Request-ID"] != second["X-Request-ID"]


def test_answers_are_private(client, rental):
    assert client.get("/api/v1/orders/")["Cache-Control"] == "private, no-cache"
