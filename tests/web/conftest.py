"""A rental's owner."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.world.clients import browser_of


@pytest.fixture
def owner(rental) -> Client:
    """The browser of the order's owner."""
    return browser_of(rental.owner)
