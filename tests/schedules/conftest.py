"""The one customer with a scripted sidecar."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.schedules.watched import Watching, watched_sidecar
from tests.world.clients import client_of
from tests.world.rental import Rental


@pytest.fixture
def scheduled(rental: Rental) -> Rental:
    """A customer whose plan allows a run each minute."""
    rental.order.plan.shortest_interval_minutes = 1
    rental.order.plan.save()
    return rental


@pytest.fixture
def watching(rental: Rental) -> Iterator[Watching]:
    with watched_sidecar() as sidecar:
        rental.reach(sidecar.address, token="a token of this test")
        yield Watching(rental, sidecar, client_of(rental.owner))
