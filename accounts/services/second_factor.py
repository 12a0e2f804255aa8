"""The second factor: encryption of its secrets, and its removal for a user who lost it.

allauth sets it up and checks it; the secrets that it stores in a row's `data` pass through `secret_wrap`.
"""

from __future__ import annotations

import base64
import binascii

from allauth.mfa.models import Authenticator
from django.db import transaction

from accounts.errors import RightsExceeded
from accounts.models import User
from accounts.selectors import user_within_reach
from accounts.services.audit import audit_record
from common.errors import KeyUnavailable
from common.keyring import KeyringError
from common.locks import row_lock
from common.portal_keyring import portal_keyring

_CONTEXT = b"second factor"
_SECRETS = ("secret", "seed")
"""Encrypted entries of a row's `data`: the key of an authenticator app, the seed of the recovery codes."""


def secret_wrap(text: str) -> str:
    """The text encrypted under the portal's current key, as text."""
    return base64.b64encode(portal_keyring().wrap(text.encode(), context=_CONTEXT)).decode()


def secret_unwrap(wrapped: str) -> str:
    """Decrypt a text of `secret_wrap`. Raises KeyUnavailable when its key is not configured or the text was altered."""
    try:
        return portal_keyring().unwrap(base64.b64decode(wrapped, validate=True), context=_CONTEXT).decode()
    except (KeyringError, binascii.Error) as error:
        raise KeyUnavailable from error


def second_factor_rewrap(*, authenticator: Authenticator) -> bool:
    """Wrap a row's secret with the current key; return whether that changed anything. The secret itself stays.

    Raises KeyUnavailable.
    """
    portal = portal_keyring()
    with transaction.atomic():
        # Locked: the use of a recovery code writes the same column.
        row = row_lock(Authenticator.objects.filter(pk=authenticator.pk))
        if row is None:
            return False
        plain = {name: secret_unwrap(row.data[name]) for name in _SECRETS if name in row.data}
        old = [name for name in plain if portal.version_of(base64.b64decode(row.data[name])) != portal.current_version]
        if not old:
            return False
        row.data |= {name: secret_wrap(plain[name]) for name in old}
        row.save(update_fields=["data"])
    return True


def second_factor_remove(*, user: User, actor: User) -> bool:
    """Turn a user's second factor off, including the recovery codes; return whether there was one.

    Raises RightsExceeded where `actor` lacks a right that `user` has.
    """
    if not user_within_reach(actor=actor, user=user):
        raise RightsExceeded
    with transaction.atomic():
        removed, _rows = Authenticator.objects.filter(user=user).delete()
        if removed:
            audit_record(actor=actor, action="second_factor.remove", object_id=user.id)
    return bool(removed)
