"""The number beside the bell."""

from __future__ import annotations

from django import template
from django.db import Error

from accounts.models import User
from notices.selectors import UNREAD_SHOWN, notices_unread

register = template.Library()


@register.simple_tag
def inbox_unread(user: object) -> str:
    """The number of unread notices, `99+` for more; empty for none, and while the database does not answer."""
    if not isinstance(user, User):
        return ""
    try:
        count = notices_unread(user)
    except Error:
        # The page that tells of it is shown all the same.
        return ""
    return f"{UNREAD_SHOWN - 1}+" if count >= UNREAD_SHOWN else str(count or "")
