"""The triggers of a server on its pages: a part with a form for each kind, and the page that takes the forms."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django import forms
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from backups.rules import refusal
from backups.web.backups import order_primary
from backups.web.order import OrderPageView
from common.errors import ApplicationError, NotFound, PermissionDenied, ValidationError, error_detail
from operations.selectors import workers_problem
from orders.models import Order, Plan
from provisions.errors import NotAPrimaryDeployment
from schedules.models import Trigger, TriggerKind
from schedules.models.trigger import INTERVAL_MINUTES_MAX, LIMIT_BYTES_DEFAULT, LIMIT_BYTES_MAX, LIMIT_BYTES_MIN
from schedules.selectors import triggers_of
from schedules.services.triggers import trigger_require, trigger_set, triggers_require

MIB = 1 << 20

EXPLAINED: dict[TriggerKind, str | Promise] = {
    TriggerKind.CRASH: gettext_lazy("A backup begins when the game has ended and nobody had stopped it for a restore."),
    TriggerKind.START: gettext_lazy("A backup begins when the game has started."),
    TriggerKind.CHANGED_BYTES: gettext_lazy(
        "A backup begins when more than this has changed since the last good one. It is counted every ten minutes."
    ),
}
FIELDS = {"limit_bytes": "limit_mib", "interval_minutes": "interval_minutes"}
"""The field of the form for each that the service names."""


class TriggerForm(forms.Form):
    """The settings of one trigger."""

    kind = forms.ChoiceField(choices=TriggerKind.choices, widget=forms.HiddenInput)
    enabled = forms.BooleanField(required=False, label=gettext_lazy("Back up then"))
    limit_mib = forms.IntegerField(
        min_value=LIMIT_BYTES_MIN // MIB, max_value=LIMIT_BYTES_MAX // MIB, label=gettext_lazy("Changed data, in MiB")
    )
    interval_minutes = forms.IntegerField(
        min_value=1,
        max_value=INTERVAL_MINUTES_MAX,
        label=gettext_lazy("Least minutes between two backups"),
        help_text=gettext_lazy("By triggers of this server. The plan may demand more."),
    )

    def __init__(self, *args: Any, kind: TriggerKind, **kwargs: Any) -> None:
        super().__init__(*args, **(kwargs | {"auto_id": f"id_{kind}_%s"}))
        self.of_kind = kind
        if kind != TriggerKind.CHANGED_BYTES:
            del self.fields["limit_mib"]


@dataclass(frozen=True, slots=True)
class TriggerCard:
    """One trigger: its settings, its last news, and for those who can change it a form."""

    trigger: Trigger
    label: str
    form: TriggerForm | None
    explained: str
    error: str


@dataclass(frozen=True, slots=True)
class TriggersPart:
    """The triggers of a server. refused: why none can be turned on; empty when one can."""

    address: str
    cards: tuple[TriggerCard, ...]
    refused: str = ""


def triggers_part(*, user: User, order: Order, sent: TriggerForm | None = None) -> TriggersPart:
    """The triggers of an order's server. sent: a form that was refused, shown in its place."""
    try:
        server = order_primary(order)
    except NotAPrimaryDeployment as error:
        return TriggersPart(triggers_address(order), (), error.detail)
    forbidden = refusal(lambda: triggers_require(user=user, order=order))
    impossible = refusal(lambda: trigger_require(order=order, provision=server))
    cards = []
    for trigger in triggers_of(user=user, order_id=order.id, provision_id=server.id):
        kind = TriggerKind(trigger.kind)
        form: TriggerForm | None = None
        # One that is on can be turned off, whatever the plan says now.
        if forbidden is None and (impossible is None or trigger.enabled):
            form = sent if sent is not None and sent.of_kind == kind else _form_of(trigger, plan=order.plan)
        code = trigger.error_code
        said = error_detail(code=code, params={}) if code else ""
        cards.append(TriggerCard(trigger, str(kind.label), form, str(EXPLAINED[kind]), said))
    # Who may change nothing is told what hinders the others, and gets no form.
    why = impossible if isinstance(forbidden, PermissionDenied) else forbidden or impossible
    return TriggersPart(address=triggers_address(order), cards=tuple(cards), refused=why.detail if why else "")


def triggers_address(order: Order) -> str:
    """The address of the page of an order's triggers."""
    return reverse("page-order-triggers", kwargs={"order": order.id})


class TriggersPageView(OrderPageView):
    """The page of the triggers of an order's server."""

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Show them."""
        return self._page()

    def post(self, request: HttpRequest, order: Order) -> HttpResponseBase:
        """Save one of them."""
        try:
            kind = TriggerKind(request.POST.get("kind", ""))
        except ValueError:
            raise NotFound from None
        form = TriggerForm(request.POST, kind=kind)
        if not form.is_valid():
            return self._page(form, status=HTTPStatus.BAD_REQUEST)
        limit_mib = form.cleaned_data.get("limit_mib")
        try:
            trigger = trigger_set(
                user=self.user,
                order_id=order.id,
                provision_id=order_primary(order).id,
                kind=kind,
                enabled=form.cleaned_data["enabled"],
                limit_bytes=None if limit_mib is None else limit_mib * MIB,
                interval_minutes=form.cleaned_data["interval_minutes"],
            )
        except ApplicationError as error:
            return self._page(form, status=_refused(form, error))
        message = _("The trigger is on. It waits for the next event.") if trigger.enabled else _("The trigger is off.")
        return self.done(message, to=triggers_address(order))

    def _page(self, form: TriggerForm | None = None, *, status: int = HTTPStatus.OK) -> HttpResponseBase:
        part = triggers_part(user=self.user, order=self.found_order, sent=form)
        context = {**self.page_context(), "part": part, "problem": workers_problem()}
        return render(self.request, "schedules/triggers.html", context, status=status)


def _form_of(trigger: Trigger, *, plan: Plan) -> TriggerForm:
    # A trigger that was never set proposes what the plan allows.
    interval = plan.shortest_interval_minutes if trigger.looked_at is None and not trigger.enabled else 0
    initial = {
        "kind": trigger.kind,
        "enabled": trigger.enabled,
        "limit_mib": (trigger.limit_bytes or LIMIT_BYTES_DEFAULT) // MIB,
        "interval_minutes": max(interval, trigger.interval_minutes),
    }
    return TriggerForm(initial=initial, kind=TriggerKind(trigger.kind))


def _refused(form: TriggerForm, error: ApplicationError) -> int:
    """Put a refusal into the form; return its status."""
    if isinstance(error, NotFound):
        raise error
    if isinstance(error, ValidationError):
        for name, sentences in error.errors.items():
            for sentence in sentences:
                form.add_error(FIELDS[name], sentence)
    else:
        form.add_error(None, error.detail)
    return error.status
