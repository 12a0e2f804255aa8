"""The page of test restores by schedule: how often, when the last one was, and the customer's choice."""

from __future__ import annotations

from http import HTTPStatus

from django import forms
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backups.rules import refusal
from backups.selectors import order_proven_at
from backups.services.trials import DAYS_MAX, trials_choose
from backups.web.backups import BackupFormView
from common.errors import ApplicationError, ValidationError
from orders.models import Order
from orders.rights import OrderRight, order_change_require, right_require


class TrialsForm(forms.Form):
    """The customer's choice."""

    days = forms.IntegerField(
        label=gettext_lazy("Days between test restores"),
        required=False,
        min_value=0,
        max_value=DAYS_MAX,
        help_text=gettext_lazy("Empty: as often as your plan says. 0: never."),
    )


class TrialsPageView(BackupFormView):
    """Test restores by schedule."""

    template = "backups/trials_form.html"

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Show them, with the form for those who may change them."""
        return self._ask(TrialsForm(initial={"days": order.trial_days}))

    def post(self, request: HttpRequest, order: Order) -> HttpResponseBase:
        """Store the choice."""
        form = TrialsForm(request.POST)
        if not form.is_valid():
            return self._ask(form, HTTPStatus.BAD_REQUEST)
        try:
            trials_choose(user=self.user, order=order, days=form.cleaned_data["days"])
        except ValidationError as error:
            form.add_error("days", error.errors["days"])
            return self._ask(form, error.status)
        except ApplicationError as error:
            return self._ask(form, self.refused(form, error))
        return self.done(_("Your choice of test restores was saved."))

    def _ask(self, form: TrialsForm, status: int = HTTPStatus.OK) -> HttpResponseBase:
        order = self.found_order
        may = refusal(lambda: right_require(self.user, order, OrderRight.SCHEDULES)) is None
        suspended = refusal(lambda: order_change_require(self.user, order))
        return self.shown(
            form,
            title=_("Test restores"),
            status=status,
            proven_at=order_proven_at(order),
            may=may and bool(order.plan.trial_days) and suspended is None,
        )
