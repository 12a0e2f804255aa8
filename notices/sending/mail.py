"""Mails with notices: their content in the language of the reader, and the sending of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import Count, Q, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import get_language_bidi, get_language_info, ngettext

from accounts.models import User
from accounts.preferences import time_zone_find
from common.names import name_isolated
from notices.errors import DeliveryError, RecipientRefused
from notices.kinds import digest_title
from notices.models import Delivery, Event
from notices.sending.texts import event_address
from notices.services.preferences import unsubscribe_token
from orders.rights import orders_visible

NAMED_MAX = 10
"""The most events of a kind and cause that a mail names one by one."""
GROUPS_MAX = 20
PERMANENT = 500
"""From this status on, a mail server refuses for good."""


@dataclass(frozen=True, slots=True)
class Line:
    """One event of a mail."""

    event: Event
    order: str
    sentence: str
    address: str


@dataclass(frozen=True, slots=True)
class Group:
    """Events of one kind with one cause. more: how many are not named."""

    title: str
    lines: Sequence[Line]
    more: int


def mail_compose(delivery: Delivery, user: User, connection: BaseEmailBackend) -> EmailMultiAlternatives | None:
    """The mail of a delivery; None when the user may see nothing of it any more.

    Events of one kind and cause are one group, so that a storm is one line with a number.
    """
    seen = Q(order__isnull=True) | Q(order__in=orders_visible(user))
    events = delivery.events.filter(seen)
    if not user.is_active or not user.email or not events.exists():
        return None
    language = user.language or settings.LANGUAGE_CODE
    zone = time_zone_find(user.time_zone) or timezone.get_default_timezone()
    with translation.override(language), timezone.override(zone):
        groups = _groups(events)
        token = unsubscribe_token(user)
        unsubscribe = settings.SAVEPOINT_URL + reverse("notices-unsubscribe", kwargs={"token": token})
        context = {
            "groups": groups,
            "unsubscribe": unsubscribe,
            "settings": settings.SAVEPOINT_URL + reverse("account-notices"),
            "inbox": settings.SAVEPOINT_URL + reverse("inbox"),
            "language": get_language_info(language)["code"],
            "bidi": get_language_bidi(),
        }
        mail = EmailMultiAlternatives(
            subject=_subject(groups),
            body=render_to_string("notices/mail.txt", context),
            to=[user.email],
            headers={
                "List-Unsubscribe": f"<{unsubscribe}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "Auto-Submitted": "auto-generated",
            },
            connection=connection,
        )
        mail.attach_alternative(render_to_string("notices/mail.html", context), "text/html")
    return mail


def mail_send(mail: EmailMultiAlternatives) -> DeliveryError | None:
    """Send a mail over the open connection; return the error of one that was not sent."""
    try:
        mail.send()
    except SMTPRecipientsRefused as error:
        codes = [code for code, _said in error.recipients.values()]
        return RecipientRefused() if codes and min(codes) >= PERMANENT else DeliveryError()
    except SMTPResponseException as error:
        # A refusal of the content or of the sender; the connection can be used for the next mail.
        return RecipientRefused() if error.smtp_code >= PERMANENT else DeliveryError()
    except (SMTPException, OSError):
        return DeliveryError()
    return None


def _subject(groups: Sequence[Group]) -> str:
    if len(groups) == 1:
        group = groups[0]
        orders = {line.order for line in group.lines if line.order}
        about = f" · {orders.pop()}" if len(orders) == 1 else ""
        text = f"{group.title}{about}"
    else:
        total = sum(len(group.lines) + group.more for group in groups)
        text = ngettext("%(count)s notice", "%(count)s notices", total) % {"count": total}
    return settings.ACCOUNT_EMAIL_SUBJECT_PREFIX + " ".join(text.split())


def _groups(events: QuerySet[Event]) -> list[Group]:
    counted = events.order_by("kind", "code").values("kind", "code").annotate(count=Count("id"))
    found = []
    for row in counted[:GROUPS_MAX]:
        alike = events.filter(kind=row["kind"], code=row["code"]).select_related("order")
        named = list(alike.order_by("created_at")[:NAMED_MAX])
        title = digest_title(kind=row["kind"], params=named[0].params, count=row["count"])
        found.append(Group(title=title, lines=[_line(event) for event in named], more=row["count"] - len(named)))
    return found


def _line(event: Event) -> Line:
    order = name_isolated(event.order.name) if event.order else ""
    return Line(event=event, order=order, sentence=event.sentence, address=event_address(event))
