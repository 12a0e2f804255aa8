"""The heartbeat of the portal: a sign of life for a monitor outside, which raises the alarm when it stops."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from notices.sending.requests import Outgoing, request_send
from schedules.protection.fleet import SCHEDULES_LATE, schedules_due_since


def portal_heartbeat() -> int:
    """Ping the operator's monitor, and return 1; or 0 without one, and while due schedules are not looked at.

    A chore asks for it at every tick and a worker sends it, so it stops with either of them. Raises DeliveryError when
    the monitor does not take it: the run of the chore is recorded as failed.
    """
    url: str | None = settings.SAVEPOINT_HEARTBEAT_URL
    due = schedules_due_since()
    if url is None or (due is not None and timezone.now() - due > SCHEDULES_LATE):
        return 0
    answer = request_send(Outgoing(url))
    if answer.error is not None:
        raise answer.error
    return 1
