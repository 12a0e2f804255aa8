"""Writes of users: name, language, time zone and colours."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Theme, User
from accounts.models.user import NAME_LENGTH_MAX
from accounts.preferences import time_zones
from accounts.services.audit import audit_record
from common.errors import ValidationError
from common.names import NAME_REFUSED, name_allowed


def user_update(*, user: User, name: str, language: str, time_zone: str, theme: str) -> User:
    """Store a user's own settings and return them. An empty language or time zone means the browser's.

    Raises ValidationError with every field that is wrong; then nothing was changed.
    """
    wanted = {"name": name.strip(), "language": language, "time_zone": time_zone, "theme": theme}
    if errors := _mistakes(wanted):
        raise ValidationError(errors=errors)
    changed = sorted(field for field, value in wanted.items() if getattr(user, field) != value)
    if not changed:
        return user
    for field in changed:
        setattr(user, field, wanted[field])
    with transaction.atomic():
        user.save(update_fields=changed)
        audit_record(actor=user, action="user.update", object_id=user.id, fields=changed)
    return user


def _mistakes(wanted: dict[str, str]) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    if len(wanted["name"]) > NAME_LENGTH_MAX:
        errors["name"] = [_("A name has at most %(number)s characters.") % {"number": NAME_LENGTH_MAX}]
    elif not name_allowed(wanted["name"]):
        errors["name"] = [str(NAME_REFUSED)]
    if wanted["language"] not in {"", *dict(settings.LANGUAGES)}:
        errors["language"] = [_("Pages are not offered in this language.")]
    if wanted["time_zone"] not in {"", *time_zones()}:
        errors["time_zone"] = [_("There is no time zone of this name.")]
    if wanted["theme"] not in Theme.values:
        errors["theme"] = [_("There are no such colours.")]
    return errors
