"""Letting messages go at once, which would wait for others."""

from __future__ import annotations

from django.utils import timezone

from notices.models import Delivery, DeliveryState, Endpoint
from notices.sending.dispatch import notices_dispatch


def due_now():
    """Let the time pass for which digests and retries wait."""
    Delivery.objects.filter(state=DeliveryState.QUEUED).update(not_before=timezone.now())
    Endpoint.objects.update(held_until=None)


def dispatch():
    """Route, and send also what would wait for more."""
    notices_dispatch()
    due_now()
    return notices_dispatch()


def only(**values):
    (found,) = Delivery.objects.filter(**values)
    return found
