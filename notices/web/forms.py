"""Forms of choices and addresses."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from notices.kinds import kind_choices
from notices.models import Digest, EndpointKind
from notices.selectors import DEFAULT
from notices.sending.addresses import URL_LENGTH_MAX


class KindsField(forms.MultipleChoiceField):
    """Some kinds of events; none is a choice, too."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, choices=kind_choices, widget=forms.CheckboxSelectMultiple, **kwargs)


class ChoiceForm(forms.Form):
    """The kinds of events that a user is told of."""

    in_page = KindsField(label=_("In the inbox"), initial=sorted(DEFAULT.in_page))
    mail = KindsField(label=_("By mail"), initial=sorted(DEFAULT.mail))


class AccountChoiceForm(ChoiceForm):
    """The same for all orders, and how often mails come."""

    digest = forms.ChoiceField(
        label=_("Mails"), choices=Digest.choices, widget=forms.RadioSelect, initial=Digest.AT_ONCE.value
    )


class EndpointForm(forms.Form):
    """A new address for notices."""

    kind = forms.ChoiceField(
        label=pgettext_lazy("of an address for notices", "Kind"), choices=EndpointKind.choices, widget=forms.RadioSelect
    )
    url = forms.CharField(
        label=_("Address"),
        max_length=URL_LENGTH_MAX,
        widget=forms.URLInput(attrs={"dir": "ltr", "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("It begins with https://. It is stored encrypted, because such addresses often hold a token."),
    )
    schedule = forms.TypedChoiceField(label=_("Runs"), required=False, coerce=UUID, empty_value=None)
    events = KindsField(label=_("Events"), help_text=_("None chosen: all. A heartbeat needs no choice."))

    def __init__(self, *args: Any, schedules: dict[UUID, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["schedule"]
        field.choices = [("", _("Of the whole order")), *((str(pk), name) for pk, name in schedules.items())]
        if not schedules:
            del self.fields["schedule"]
