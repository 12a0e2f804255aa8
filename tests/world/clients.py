"""How people come: with a token, or in a browser."""

from __future__ import annotations

from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services.tokens import token_create


def client_of(user: User | None, *, scopes: tuple[str, ...] = ()) -> APIClient:
    """A client with a fresh token of the user, or nobody's."""
    client = APIClient()
    if user is not None:
        _, secret = token_create(user=user, name="test", scopes=scopes)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def browser_of(user: User | None, **options: bool) -> Client:
    """A browser in which somebody is signed in, or nobody."""
    client = Client(**options)
    if user is not None:
        client.force_login(user)
    return client
