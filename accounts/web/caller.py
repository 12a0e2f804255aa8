"""The signed-in user of a page."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.models import User


def caller_of(request: HttpRequest) -> User:
    """The user who is signed in. Raises PermissionDenied for anybody else; views require the sign-in before."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
