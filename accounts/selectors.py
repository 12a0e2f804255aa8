"""Reads of accounts."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Permission
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
    """The user who signs in with this: an e-mail address goes before a user name, and case is ignored.

    Both are always looked up, so that the time does not reveal which of them exists.
    """
    if not login:
        return None
    by_address = User.objects.filter(email=login).first()
    by_name = User.objects.filter(username__iexact=login).first()
    return by_address or by_name


def user_within_reach(*, actor: User, user: User) -> bool:
    """Whether `user` has no right in the portal that `actor` lacks, so that nothing is gained by acting on them.

    Rights of a user who was deactivated count too: they come back with the account.
    """
    if actor.is_superuser or actor.pk == user.pk:
        return True
    return not user.is_superuser and _permissions(user) <= _permissions(actor)


def _permissions(user: User) -> set[int]:
    held = Permission.objects.filter(Q(user=user) | Q(group__user=user))
    return set(held.values_list("id", flat=True))


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
    """The sessions of a user, last seen first. Deletes expired ones on the way."""
    sessions: list[UserSession] = UserSession.objects.purge_and_list(user)
    return sorted(sessions, key=lambda session: session.last_seen_at, reverse=True)


def audit_of_order(*, order_id: UUID, actions: Collection[str], before: int | None, count: int) -> list[AuditEvent]:
    """Audit events of an order with these actions, newest first, older than the event with the id `before`."""
    rows = AuditEvent.objects.filter(order_id=order_id, action__in=actions).select_related("actor")
    if before is not None:
        rows = rows.filter(id__lt=before)
    return list(rows.order_by("-id")[:count])
