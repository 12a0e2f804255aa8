"""Sessions in the database. Only well-formed keys are looked up."""

from __future__ import annotations

from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore

KEY_LENGTH = 32
"""Of every key that Django makes."""


class SessionStore(DatabaseSessionStore):
    """Django's own, but the cookie of a stranger may say anything, and PostgreSQL fails on some of it (NUL)."""

    def _validate_session_key(self, key: str | None) -> bool:
        # Asked by Django for each key that it is given; one that is none is nobody's session.
        return key is not None and len(key) == KEY_LENGTH and set(key) <= set(VALID_KEY_CHARS)
