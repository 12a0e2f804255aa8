"""The portal's own keyring: the KEKs of this installation, read from its settings."""

from __future__ import annotations

from django.conf import settings

from common.keyring import Keyring


def portal_keyring() -> Keyring:
    """The keyring that wraps tenant keys and encrypts secret columns."""
    keyring: Keyring = settings.ENVIRONMENT.master_keys
    return keyring
