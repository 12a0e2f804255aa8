"""Reads of accounts."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.db.models import Q, QuerySet

from accounts.errors import TokenNotFound, UserNotFound
from accounts.models import ApiToken, AuditEvent, User


def user_by_name(username: str) -> User:
    """The user of that name. Raises UserNotFound."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise UserNotFound(username=username)
    return user


def user_by_login(login: str) -> User | None:
    """Who signs in with this: their e-mail address goes before somebody's user name, upper and lower case are one."""
    if not login:
        return None
    # In one query, so that an address costs the same whether it has an account or not.
    found = list(User.objects.filter(Q(email=login) | Q(username__iexact=login)).order_by("id")[:2])
    return min(found, key=lambda user: user.email.casefold() != login.casefold(), default=None)


def tokens_of(user: User) -> QuerySet[ApiToken]:
    """The tokens of a user that were not revoked, the newest first; expired ones are among them."""
    return ApiToken.objects.filter(user=user, revoked_at__isnull=True).order_by("-created_at", "-id")


def token_of(user: User, token_id: UUID) -> ApiToken:
    """One of them. Raises TokenNotFound."""
    token = tokens_of(user).filter(id=token_id).first()
    if token is None:
        raise TokenNotFound
    return token


def sessions_of(user: User) -> list[UserSession]:
    """Where a user is signed in, the last seen first. Sessions that are over are forgotten on the way."""
    sessions: list[UserSession] = UserSession.objects.purge_and_list(user)
    return sorted(sessions, key=lambda session: session.last_seen_at, reverse=True)


def audit_of_order(*, order_id: UUID, actions: Collection[str], before: int | None, count: int) -> list[AuditEvent]:
    """What was done on an order, the newest first: events of these actions, older than the one with the id `before`."""
    rows = AuditEvent.objects.filter(order_id=order_id, action__in=actions).select_related("actor")
    if before is not None:
        rows = rows.filter(id__lt=before)
    return list(rows.order_by("-id")[:count])
