"""The contents of messages: JSON for webhooks and Discord, signals of heartbeats, lines for staff channels."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from standardwebhooks import Webhook

from common.errors import error_detail
from common.names import name_isolated
from notices.kinds import WORDS, EventKind, error_params, event_sentence
from notices.models import Delivery, Endpoint, Event, Signal
from notices.sending.requests import Outgoing

JSON_TYPE = "application/json"
TEST_TYPE = "webhook.test"
EMBEDS_MAX = 10
"""The most entries that Discord takes in one message."""
EMBED_TEXT_MAX = 500
LINES_MAX = 20
"""The most events that a message to a staff channel names."""
_COLOURS = {"ok": 0x2E7D32, "warn": 0xB26A00, "bad": 0xC62828, "info": 0x1565C0}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~@:])")
_SUFFIXES = {Signal.START: "/start", Signal.FAILURE: "/fail"}


def webhook_request(delivery: Delivery, endpoint: Endpoint, events: Sequence[Event]) -> Outgoing:
    """The signed request of a webhook, by Standard Webhooks. Raises KeyUnavailable."""
    body = json.dumps(_webhook_body(delivery, events), ensure_ascii=False, separators=(",", ":"))
    now = timezone.now()
    message = f"msg_{delivery.message_id.hex}"
    secrets = [endpoint.secret]
    if endpoint.old_secret and endpoint.old_secret_until and endpoint.old_secret_until > now:
        secrets.append(endpoint.old_secret)
    signed = " ".join(Webhook(secret).sign(message, now.astimezone(UTC), body) for secret in secrets if secret)
    headers = {
        "Content-Type": JSON_TYPE,
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signed,
    }
    return Outgoing(url=endpoint.url or "", body=body.encode(), headers=headers)


def discord_request(endpoint: Endpoint, events: Sequence[Event], *, total: int) -> Outgoing:
    """One message of Discord about several events of the order, in the language of the address; none is a test."""
    with translation.override(endpoint.language or settings.LANGUAGE_CODE):
        shown = events if total <= EMBEDS_MAX else events[: EMBEDS_MAX - 1]
        embeds = [_embed(event) for event in shown]
        if total > len(shown):
            embeds.append({"description": _("And %(count)s more.") % {"count": total - len(shown)}})
        if not embeds:
            embeds = [{"title": "Savepoint", "description": _("This is a test. Notices of the order appear here.")}]
    # Names of backups mention nobody.
    body = {"username": "Savepoint", "embeds": embeds, "allowed_mentions": {"parse": []}}
    return Outgoing(url=endpoint.url or "", body=json.dumps(body).encode(), headers={"Content-Type": JSON_TYPE})


def heartbeat_request(endpoint: Endpoint, signal: Signal) -> Outgoing:
    """The ping of a heartbeat: the address itself for a success, `/start` and `/fail` below it for the others."""
    parts = urlsplit(endpoint.url or "")
    suffix = _SUFFIXES.get(signal, "")
    path = parts.path.rstrip("/") + suffix if suffix else parts.path
    return Outgoing(url=urlunsplit(parts._replace(path=path)))


def staff_text(events: Sequence[Event], *, total: int) -> tuple[str, str]:
    """Title and text of a message to the staff channels, in the language of the installation."""
    with translation.override(settings.LANGUAGE_CODE):
        lines = [f"{event.title}{_of_order(event)}: {event.sentence}" for event in events[:LINES_MAX]]
        if total > len(lines):
            lines.append(_("And %(count)s more.") % {"count": total - len(lines)})
        return f"Savepoint: {events[0].title}" if total == 1 else f"Savepoint ({total})", "\n".join(lines)


def event_address(event: Event) -> str:
    """The page that an event is about."""
    path = reverse("page-order", kwargs={"order": event.order_id}) if event.order_id else reverse("home")
    return f"{settings.SAVEPOINT_URL}{path}"


def _webhook_body(delivery: Delivery, events: Sequence[Event]) -> dict[str, Any]:
    if not events:
        return {"type": TEST_TYPE, "timestamp": _utc(delivery.created_at), "data": {}}
    event = events[0]
    # Programs read the codes; the sentences are for their logs, in one language whatever the worker's is.
    with translation.override("en"):
        failed = {"code": event.code, "detail": error_detail(code=event.code, params=error_params(event.params))}
        data = {
            "order": str(event.order_id) if event.order_id else None,
            "order_name": event.order.name if event.order else None,
            "object": str(event.subject_id) if event.subject_id else None,
            "provision": str(event.provision_id) if event.provision_id else None,
            "schedule": str(event.schedule_id) if event.schedule_id else None,
            "title": event.title,
            "detail": event_sentence(kind=event.kind, code="", params=event.params),
            "error": failed if event.code else None,
            "params": {name: value for name, value in event.params.items() if name != "error"},
            "url": event_address(event),
        }
    return {"type": event.kind, "timestamp": _utc(event.created_at), "data": data}


def _embed(event: Event) -> dict[str, Any]:
    words = WORDS[EventKind(event.kind)]
    text = _MARKDOWN.sub(r"\\\1", event.sentence)
    return {
        "title": f"{event.title}{_of_order(event)}"[:250],
        "description": text if len(text) <= EMBED_TEXT_MAX else f"{text[: EMBED_TEXT_MAX - 1]}…",
        "url": event_address(event),
        "color": _COLOURS[words.tone],
        "timestamp": _utc(event.created_at),
    }


def _of_order(event: Event) -> str:
    return f" · {name_isolated(event.order.name)}" if event.order else ""


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
