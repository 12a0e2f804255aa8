"""Writes of API tokens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.errors import RightsExceeded, ScopeUnknown
from accounts.models import ApiToken, User
from accounts.scopes import Scope
from accounts.selectors import user_within_reach
from accounts.services.audit import audit_record

PREFIX = "svp_"
LAST_USED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is: a row is not written on each request."""


def token_create(
    *, user: User, name: str, scopes: Collection[str] = (), expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Make a token. Return its row and the token itself, which is stored nowhere. Raises ScopeUnknown."""
    for scope in scopes:
        if scope not in list(Scope):
            raise ScopeUnknown(scope=scope, known=", ".join(Scope))
    secret = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = ApiToken.objects.create(
            user=user,
            name=name,
            digest=_digest(secret),
            hint=secret[-4:],
            scopes=sorted(scopes),
            expires_at=expires_at,
        )
        audit_record(actor=user, action="token.create", object_id=token.id, scopes=token.scopes)
    return token, secret


def token_authenticate(secret: str) -> ApiToken | None:
    """Return the valid token with that secret, its user active, or None. Notes when it was used."""
    now = timezone.now()
    token = _valid(now).filter(digest=_digest(secret)).first()
    if token and (token.last_used_at is None or now - token.last_used_at > LAST_USED_EVERY):
        ApiToken.objects.filter(id=token.id).update(last_used_at=now)
    return token


def token_user(*, token_id: UUID, scopes: list[str]) -> User | None:
    """The user of a token as they are now; None when it is no longer valid, or no longer has these scopes."""
    token = _valid(timezone.now()).filter(id=token_id).first()
    return token.user if token is not None and token.scopes == scopes else None


def token_revoke(*, token: ApiToken, actor: User) -> None:
    """End a token at once; revoking twice is no error. Raises RightsExceeded, see `user_within_reach`."""
    if not user_within_reach(actor=actor, user=token.user):
        raise RightsExceeded
    with transaction.atomic():
        if ApiToken.objects.filter(id=token.id, revoked_at__isnull=True).update(revoked_at=timezone.now()):
            audit_record(actor=actor, action="token.revoke", object_id=token.id)


def _valid(now: datetime) -> QuerySet[ApiToken]:
    unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
    return ApiToken.objects.select_related("user").filter(unexpired, revoked_at__isnull=True, user__is_active=True)


def _digest(secret: str) -> str:
    # A token has 256 random bits: a fast hash is enough, nobody can guess one.
    return hashlib.sha256(secret.encode()).hexdigest()
