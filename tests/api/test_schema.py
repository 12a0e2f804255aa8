"""The API's schema matches its behaviour."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from common.api import problems
from tests.access.routes import api_routes


@pytest.fixture(scope="module")
def description(django_db_setup):
    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_description_is_valid_and_without_warnings():
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


def test_every_endpoint_is_described(description):
    described = {path.removeprefix("/api/v1/") for path in description["paths"]}
    assert described == {route.path for route in api_routes() if route.name not in ("schema", "docs", "api-unknown")}


def test_every_endpoint_documents_its_errors_as_problems(description):
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert set(response["content"]) == {problems.CONTENT_TYPE}, (path, method, status)
            assert {"401", "403", "429"} <= set(operation["responses"]), (path, method)


def test_every_endpoint_takes_a_token_or_a_session(description):
    assert set(description["components"]["securitySchemes"]) == {"token", "session"}
    for path, methods in description["paths"].items():
        for operation in methods.values():
            # An enrolling sidecar is identified by the body alone.
            expected = [] if path == "/api/v1/sidecars/enrol/" else [{"token": []}, {"session": []}]
            assert operation.get("security", []) == expected, path


def test_schema_is_public_and_its_pages_are_served_locally(db):
    client = Client()
    assert client.get("/api/v1/schema/").status_code == 200
    page = client.get("/api/v1/docs/").content.decode()
    assert "https://" not in page
    for line in page.splitlines():
        if "/static/" in line:
            name = line.split("/static/")[1].split('"')[0]
            assert finders.find(name), name
    assert "<script>" not in page


def test_the_docs_are_started_by_a_script_of_their_own(db):
    response = Client().get("/api/v1/docs/?script=")
    assert response["Content-Type"] == "application/javascript"
    assert "/api/v1/schema/" in response.content.decode()
