"""The user of a name and a password, found with the same work whether there is such an account or not."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from accounts.models import User
from accounts.selectors import user_by_login


class SignInBackend(AuthenticationBackend):  # type: ignore[misc]  # allauth has no types
    """allauth's, but with one look-up and one hash for each attempt.

    Theirs tries an e-mail address as a user name and as an address, and hashes the password for each account it finds:
    twice for an address that has an account, once for one that has none.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:  # noqa: ARG002  # Django's
        """The user who may sign in, or None."""
        password = credentials.get("password")
        if not password:
            return None
        user = _user_of(email=credentials.get("email"), username=credentials.get("username"))
        if user is None:
            self._mitigate_timing_attack(password)
            return None
        checked: User | None = self._check_password(user, password)
        return checked


def _user_of(*, email: str | None, username: str | None) -> User | None:
    # A value that matches as a user name only, or has no @, is no address of another user.
    if email:
        return user_by_login(email)
    return User.objects.filter(username__iexact=username).first() if username else None
