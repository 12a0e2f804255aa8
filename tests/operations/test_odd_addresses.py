"""Addresses that no object has."""

from __future__ import annotations

import pytest

from accounts.services.tokens import token_create

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["orders/%00/provisions/x/backups/", "orders/%00/reprovision/"])
def test_nul_in_an_address_is_a_404_even_with_an_idempotency_key(rental, client, path):
    _, secret = token_create(user=rental.owner, name="token")
    response = client.post(
        f"/api/v1/{path}", data="{}", content_type="application/json",
        headers={"Idempotency-Key": "k", "Authorization": f"Bearer {secret}"},
    )  # fmt: skip
    assert (response.status_code, response.json()["code"]) == (404, "order_not_found")
