"""Reads of accounts."""

from __future__ import annotations

from accounts.errors import UserNotFound
from accounts.models import User


def user_by_name(username: str) -> User:
    """The user of that name. Raises UserNotFound."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise UserNotFound(username=username)
    return user
