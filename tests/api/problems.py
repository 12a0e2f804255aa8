"""The common shape of every error."""

from __future__ import annotations

from typing import Any


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """Assert that the response is that error, in the common shape; returns its body."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    expected = {"type", "title", "status", "detail", "code", "request_id"}
    assert set(body) == expected | ({"errors"} if code == "validation_error" else set())
    assert body["code"] == code
    assert body["status"] == status
    assert body["type"] == f"urn:savepoint:problem:{code}"
    assert body["title"]
    assert "%(" not in body["detail"]
    assert body["detail"]
    assert body["request_id"] == response["X-Request-ID"]
    return body
