"""The people who look at protection: the order's owner, by API and in a browser, and staff."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from rest_framework.test import APIClient

from tests.factories import UserFactory
from tests.world.clients import browser_of, client_of


@pytest.fixture
def client(rental) -> APIClient:
    return client_of(rental.owner)


@pytest.fixture
def owner(rental) -> Client:
    return browser_of(rental.owner)


@pytest.fixture
def clerk(db) -> Client:
    """The browser of staff who may see every order."""
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_all_orders"))
    return browser_of(user)
