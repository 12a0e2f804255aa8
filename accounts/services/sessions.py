"""Writes of sessions."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils import timezone


def sessions_expire() -> int:
    """Forget sessions that are over, and what was noted of their devices; return how many."""
    over = Session.objects.filter(expire_date__lt=timezone.now())
    UserSession.objects.filter(session_key__in=over.values("session_key")).delete()
    return over.delete()[0]
