"""Writes of a user's inbox, and of their choices."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.core import signing
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services.audit import audit_record
from common.errors import NotFound, ValidationError
from notices.kinds import EventKind
from notices.models import Delivery, DeliveryState, Digest, Notice, Preference
from notices.selectors import DEFAULT, schedules_named
from orders.models import Order

SALT = "notices.unsubscribe"


def preference_set(
    *,
    user: User,
    order: Order | None = None,
    schedule_id: UUID | None = None,
    in_page: Collection[str],
    mail: Collection[str],
    digest: str = Digest.AT_ONCE,
) -> Preference:
    """Store what a user is told of: for all orders, for one order that they see, or for one schedule of it.

    digest: counts for all orders only. Raises ValidationError for an unknown event, schedule or rhythm.
    """
    known = {kind.value for kind in EventKind}
    errors: dict[str, list[str]] = {}
    for name, chosen in (("in_page", in_page), ("mail", mail)):
        if unknown := sorted(set(chosen) - known):
            errors[name] = [_("There is no event named %(name)s.") % {"name": unknown[0]}]
    if digest not in Digest.values:
        errors["digest"] = [_("Mails are not sent in this rhythm.")]
    if schedule_id is not None and (order is None or schedule_id not in schedules_named(order)):
        errors["schedule"] = [_("The order has no such schedule.")]
    if errors:
        raise ValidationError(errors=errors)
    values = {"in_page": sorted(in_page), "mail": sorted(mail), "digest": digest}
    with transaction.atomic():
        row, _made = Preference.objects.update_or_create(
            user=user, order=order, schedule_id=schedule_id, defaults=values
        )
        order_id = order.id if order else None
        audit_record(actor=user, action="notices.choose", order_id=order_id, object_id=user.id)
    return row


def preference_clear(*, user: User, order: Order, schedule_id: UUID | None = None) -> None:
    """Return to the choice of the wider scope."""
    Preference.objects.filter(user=user, order=order, schedule_id=schedule_id).delete()


def notices_read(*, user: User, ids: Collection[UUID] | None = None) -> int:
    """Mark notices of a user's inbox as read, or all of them; return how many were new."""
    rows = Notice.objects.filter(user=user, read_at__isnull=True)
    if ids is not None:
        rows = rows.filter(id__in=ids)
    return rows.update(read_at=timezone.now())


def unsubscribe_token(user: User) -> str:
    """The token of the links in a user's mails. It never ends, as mails do not, but it ends with the address."""
    return signing.dumps([str(user.id), user.email], salt=SALT)


def unsubscribe_user(token: str) -> User:
    """The user whose mails a token ends. Raises NotFound for a token that is not ours, or of another address."""
    try:
        user_id, email = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        raise NotFound from None
    user = User.objects.filter(id=user_id, email=email).first()
    if user is None:
        raise NotFound
    return user


def mails_end(*, user: User) -> None:
    """End all mails with notices to a user, also those that wait. The inbox stays as it is."""
    with transaction.atomic():
        Preference.objects.get_or_create(
            user=user, order=None, schedule_id=None, defaults={"in_page": sorted(DEFAULT.in_page), "mail": []}
        )
        Preference.objects.filter(user=user).update(mail=[])
        Delivery.objects.filter(user=user, state=DeliveryState.QUEUED).delete()
        audit_record(actor=user, action="notices.unsubscribe", object_id=user.id)
