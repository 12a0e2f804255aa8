"""Preferences of page readers: the available languages and time zones, and the user's choice."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

_OF_THE_MACHINE = frozenset({"Factory", "localtime"})
"""Names that mean something else on every server."""


@cache
def time_zones() -> frozenset[str]:
    """The names of all time zones there are."""
    # Collecting them reads hundreds of files; they change only with the installation.
    return frozenset(available_timezones() - _OF_THE_MACHINE)


def time_zone_find(name: str) -> ZoneInfo | None:
    """The zone of that name, or None when there is none (any more)."""
    return ZoneInfo(name) if name in time_zones() else None


def time_zone_validate(name: str) -> None:
    """Raise Django's ValidationError unless there is such a time zone."""
    if name not in time_zones():
        raise ValidationError(_("There is no time zone of this name."), code="time_zone_unknown")
