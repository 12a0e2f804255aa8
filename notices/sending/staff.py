"""Messages to the staff channels, which an operator's setting names."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.conf import settings

from notices.errors import DeliveryError
from notices.models import Event
from notices.sending.texts import staff_text

log = logging.getLogger(__name__)


def staff_send(events: Sequence[Event], *, total: int) -> DeliveryError | None:
    """Send one message to every staff channel; return the error when one of them did not take it."""
    # Only an installation with staff channels needs the library.
    import apprise

    channels = apprise.Apprise()
    for url in settings.SAVEPOINT_STAFF_CHANNELS:
        channels.add(url)
    title, body = staff_text(events, total=total)
    sent = channels.notify(title=title, body=body)
    if not sent:
        log.warning("a message to the staff channels was not taken by all of them")
    return None if sent else DeliveryError()
