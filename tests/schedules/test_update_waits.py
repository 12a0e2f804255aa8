"""Requests that wait for a backup before an update: a customer has a few at a time, so that others find a thread."""

from __future__ import annotations

import time
from typing import Any

import pytest

from schedules.services import updates
from tests.world.clients import client_of
from tests.world.rental import Rental


def test_third_request_of_a_customer_is_answered_at_once(rental: Rental, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"/api/v1/orders/{rental.order.id}/triggers/update/"
    client = client_of(rental.owner)
    waited: list[bool] = []
    codes: list[int] = []

    def post() -> None:
        codes.append(client.post(url, {"wait_seconds": 300}).status_code)

    def pause(deadline: float, *_: Any) -> bool:
        """Another request comes while this one waits."""
        waited.append(deadline > time.monotonic())
        if len(waited) < 3:
            post()
        return False

    monkeypatch.setattr(updates, "_pause", pause)
    post()
    assert waited == [True, True, False]
    assert codes == [409, 409, 202]
    assert not updates._waiting  # nothing is left behind
