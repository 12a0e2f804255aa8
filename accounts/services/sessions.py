"""Sessions of the web pages: the user of one, and the removal of expired ones."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User


def sessions_expire() -> int:
    """Delete expired sessions with the records of their devices; return how many."""
    over = Session.objects.filter(expire_date__lt=timezone.now())
    UserSession.objects.filter(session_key__in=over.values("session_key")).delete()
    return over.delete()[0]


def session_user(store: type[SessionBase], key: str | None) -> User | None:
    """The user of a session as they are now; None when it ended, or their password was changed elsewhere."""
    request = HttpRequest()
    request.session = store(key)
    user = get_user(request)
    return user if isinstance(user, User) and user.is_active else None
