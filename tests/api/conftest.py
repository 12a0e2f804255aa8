"""The clients of a rental's people."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.factories import UserFactory
from tests.world.clients import client_of


@pytest.fixture
def client(rental) -> APIClient:
    """The owner's client, with a token."""
    return client_of(rental.owner)


@pytest.fixture
def outsider(db) -> APIClient:
    return client_of(UserFactory())
