"""The forms of one's own account: settings and API tokens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext, pgettext_lazy

from accounts.models import Theme, User
from accounts.models.user import NAME_LENGTH_MAX
from accounts.preferences import time_zones
from accounts.scopes import Scope
from common.names import NAME_LENGTH_MAX as TOKEN_NAME_LENGTH_MAX
from common.names import name_validate

_REGIONS = (
    "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific",
)  # fmt: skip
"""Time zones offered in the form; the other names are old spellings of these, or offsets."""

SCOPES = {
    Scope.VIEW: _("See orders, servers, backups and operations"),
    Scope.CREATE: _("Create backups"),
    Scope.RESTORE: _("Restore backups"),
    Scope.DELETE: _("Rename, lock and delete backups"),
    Scope.DOWNLOAD: _("Download backups"),
    Scope.MANAGE: _("Manage schedules and members"),
}
_DAYS = (7, 30, 90, 365)
_DAYS_DEFAULT = 90


def _end_choices() -> list[tuple[int, str]]:
    # Made for each form: a plural cannot be put off until the reader's language is known.
    ends = [(days, ngettext("After %(days)d day", "After %(days)d days", days) % {"days": days}) for days in _DAYS]
    return [*ends, (0, pgettext("end of an API token", "Never"))]


class _ChoiceWithEmpty(forms.ChoiceField):
    """One of a list in which the empty one is a choice like the others, and not one that is still missing."""

    def validate(self, value: Any) -> None:
        """Raise Django's ValidationError unless it is one of them."""
        if value:
            super().validate(value)


class ProfileForm(forms.Form):
    """Name, language, time zone and colours of the user."""

    # Browsers would take the empty choices for missing ones.
    use_required_attribute = False

    name = forms.CharField(
        label=pgettext_lazy("of a person", "Name"),
        max_length=NAME_LENGTH_MAX,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        help_text=_("Other members of your orders see it. Empty: they see your user name."),
    )
    language = _ChoiceWithEmpty(
        label=_("Language"),
        choices=[("", _("As the browser is set")), *settings.LANGUAGES],
        help_text=_("Mails to you are written in it as well."),
    )
    time_zone = _ChoiceWithEmpty(label=_("Time zone"), help_text=_("All times on pages and in mails are shown in it."))
    theme = forms.ChoiceField(label=_("Colours"), choices=Theme.choices)

    def __init__(self, data: QueryDict | None, *, user: User) -> None:
        super().__init__(data, initial={field: getattr(user, field) for field in self.base_fields})
        zones: Any = self.fields["time_zone"]
        zones.choices = _zone_choices(user.time_zone)


class TokenForm(forms.Form):
    """A new API token: name, scopes and expiry."""

    name = forms.CharField(
        label=pgettext_lazy("of an API token", "Name"),
        max_length=TOKEN_NAME_LENGTH_MAX,
        help_text=_("What uses it, so that you know later which one to revoke."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        required=False,
        choices=list(SCOPES.items()),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None chosen: everything that you may do yourself."),
    )
    days = forms.TypedChoiceField(
        label=_("Ends"),
        coerce=int,
        initial=_DAYS_DEFAULT,
        choices=_end_choices,
    )

    def clean_name(self) -> str:
        """The name, by the rule of all names."""
        name = str(self.cleaned_data["name"])
        name_validate(name)
        return name

    def expiry(self) -> datetime | None:
        """When the token ends, or None."""
        days: int = self.cleaned_data["days"]
        return timezone.now() + timedelta(days=days) if days else None


def _zone_choices(current: str) -> list[tuple[str, Any]]:
    regions = [
        (region, [(name, _readable(name)) for name in sorted(time_zones()) if name.startswith(f"{region}/")])
        for region in _REGIONS
    ]
    offered = {name for _region, zones in regions for name, _label in zones} | {"", "UTC"}
    # The user may have a time zone outside of the choices; saving the form must not change it.
    other = [(current, _readable(current))] if current not in offered else []
    return [("", _("As the browser is set")), ("UTC", "UTC"), *other, *regions]


def _readable(name: str) -> str:
    return name.replace("_", " ")
