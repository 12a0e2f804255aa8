"""The one customer with a scripted sidecar."""

from __future__ import annotations

import pytest

from tests.world.rental import Rental


@pytest.fixture
def scheduled(rental: Rental) -> Rental:
    """A customer whose plan allows a run each minute."""
    rental.order.plan.shortest_interval_minutes = 1
    rental.order.plan.save()
    return rental
