"""The page of the files that the backups of a server leave out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from backups.rules import refusal
from backups.web.backups import BackupFormView, order_primary
from backups.web.estimates import TEMPLATE, EstimatePart, estimate_part
from backups.web.forms import ExcludeForm
from common.errors import ApplicationError
from orders.models import Order
from orders.patterns import patterns_of
from provisions.presets import preset_of
from provisions.rules import exclude_require
from provisions.selectors import provision_sidecar
from provisions.services.provisions import provision_exclude


class OrderExcludeView(BackupFormView):
    """The patterns of a server."""

    estimates = False
    """As in `BackupCreateView`."""

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Show them, with what they leave out."""
        return self._ask(ExcludeForm(initial={"exclude": order_primary(order).exclude}))

    def post(self, request: HttpRequest, order: Order) -> HttpResponseBase:
        """Save them; or only show what they would leave out."""
        server = order_primary(order)
        form = ExcludeForm(request.POST, initial={"exclude": server.exclude})
        if self.estimates:
            typed = patterns_of(request.POST.get("exclude", ""))
            return self._ask(form, estimate=estimate_part(user=self.user, provision=server, of_server=typed))
        if not form.is_valid():
            return self._ask(form, status=HTTPStatus.BAD_REQUEST)
        try:
            provision_exclude(user=self.user, provision=server, patterns=form.cleaned_data["exclude"])
        except ApplicationError as error:
            return self._ask(form, status=self.refused(form, error))
        here = reverse("page-order-exclude", kwargs={"order": order.id})
        return self.done(_("The patterns were saved. They count from the next backup on."), to=here)

    def _ask(
        self, form: ExcludeForm, *, estimate: EstimatePart | None = None, status: int = HTTPStatus.OK
    ) -> HttpResponseBase:
        if self.htmx and estimate:
            return render(self.request, TEMPLATE, {"estimate": estimate})
        server, plan = order_primary(self.found_order), self.found_order.plan
        error = refusal(lambda: exclude_require(user=self.user, provision=server))
        if error:
            form.fields["exclude"].disabled = True
        context: dict[str, Any] = {
            **self.page_context(),
            "form": form,
            "estimate": estimate,
            "refused": error.detail if error else "",
            "of_plan": patterns_of(plan.exclude),
            "of_game": preset_of(self._game()) if plan.profile_presets else (),
            "ignore_file": plan.customer_patterns,
        }
        return render(self.request, "backups/exclude.html", context, status=status)

    def _game(self) -> str:
        try:
            return provision_sidecar(order_primary(self.found_order)).game_profile
        except ApplicationError:
            return ""
