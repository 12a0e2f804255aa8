"""Sessions in the database. Only well-formed keys are looked up."""

from __future__ import annotations

from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore

KEY_LENGTH = 32
"""Of every key that Django makes."""


class SessionStore(DatabaseSessionStore):
    """Django's store, with a check of the key: a cookie may hold any text, and PostgreSQL fails on some of it (NUL)."""

    def _validate_session_key(self, key: str | None) -> bool:
        # Django validates each key with this; a malformed key has no session.
        return key is not None and len(key) == KEY_LENGTH and set(key) <= set(VALID_KEY_CHARS)
