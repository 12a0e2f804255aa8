"""The pages of an order's notifications: addresses, their messages, and the caller's own choice."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.forms import Form
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.web.pages import PageView
from common.errors import ValidationError, error_detail
from common.paging import CURSOR, page_read
from notices.models import Delivery, Endpoint, EndpointKind
from notices.selectors import (
    deliveries_of,
    delivery_get,
    endpoint_get,
    endpoints_of,
    preference_of,
    schedules_named,
)
from notices.services.endpoints import (
    ENDPOINTS_MAX,
    EndpointOptions,
    delivery_replay,
    endpoint_create,
    endpoint_delete,
    endpoint_rotate,
    endpoint_test,
    endpoint_update,
)
from notices.services.preferences import preference_clear, preference_set
from notices.web.forms import ChoiceForm, EndpointForm
from notices.web.preferences import form_status, initial_of
from orders.errors import OrderNotFound
from orders.models import Order
from orders.rights import OrderRight, order_rights
from orders.selectors import order_get

PAGE_SIZE = 50
SCHEDULE = "schedule"
TONES = {
    "delivered": ("ok", "check"),
    "failed": ("bad", "cross"),
    "queued": ("busy", "clock"),
    "sending": ("busy", "clock"),
}

Head = Callable[[HttpRequest, Order], dict[str, Any]]
_heads: list[Head] = []


def head_register(head: Head) -> None:
    """Register what the head of an order's pages shows of the apps further up, such as links to their pages."""
    if head not in _heads:
        _heads.append(head)


class OrderNoticesView(PageView):
    """The base of these pages: an order that the caller may not see is a 404."""

    order: Order | None = None

    def answer(self, request: HttpRequest, *args: Any, order: UUID, **kwargs: Any) -> HttpResponseBase:
        """Find the order for all methods."""
        self.order = order_get(user=self.user, order_id=order)
        return super().answer(request, *args, **kwargs)

    @property
    def found_order(self) -> Order:
        """The order that `answer` found."""
        if self.order is None:
            raise OrderNotFound
        return self.order

    def home(self) -> str:
        """The order's notifications."""
        return _here(self.order) if self.order else super().home()

    def shown(self, template: str, context: dict[str, Any], *, status: int = HTTPStatus.OK) -> HttpResponseBase:
        """A page with the head of the order."""
        rights = order_rights(self.user, self.found_order)
        head: dict[str, Any] = {"order": self.found_order, "may_read": OrderRight.DOWNLOAD in rights}
        for more in _heads:
            head |= more(self.request, self.found_order)
        response = render(self.request, template, head | context, status=status)
        response.headers["Cache-Control"] = "no-store"
        return response

    def front(self, *, choice: Form | None = None, adding: Form | None = None) -> HttpResponseBase:
        """The page of all notifications, with the forms as they were filled in."""
        order, schedules = self.found_order, schedules_named(self.found_order)
        schedule = _schedule(self.request, schedules)
        own = preference_of(user=self.user, order=order, schedule_id=schedule)
        wider = preference_of(user=self.user, order=order) if schedule else None
        initial = initial_of(own or wider or preference_of(user=self.user))
        manages = OrderRight.SCHEDULES in order_rights(self.user, order)
        rows = endpoints_of(user=self.user, order_id=order.id).order_by("-created_at") if manages else ()
        form = choice or adding
        context = {
            "choice": choice or ChoiceForm(initial=initial),
            "own": own is not None,
            "schedules": schedules,
            "schedule": schedule,
            "schedule_name": schedules.get(schedule, "") if schedule else "",
            "manages": manages,
            "adding": adding or EndpointForm(schedules=schedules, initial={"kind": EndpointKind.WEBHOOK.value}),
            "endpoints": [{"row": row, "schedule": schedules.get(row.schedule_id or order.id, "")} for row in rows],
            "limit": ENDPOINTS_MAX,
        }
        return self.shown("notices/order.html", context, status=form_status(form) if form else HTTPStatus.OK)


class NotificationsView(OrderNoticesView):
    """All notifications of an order."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Show them."""
        return self.front()


class ChoiceView(OrderNoticesView):
    """The caller's choice for this order, or for one of its schedules."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Save it, or return to the choice of the account."""
        schedule = _schedule(request, schedules_named(self.found_order))
        place = f"{self.home()}?{SCHEDULE}={schedule}" if schedule else self.home()
        if "reset" in request.POST:
            preference_clear(user=self.user, order=self.found_order, schedule_id=schedule)
            return self.done(_("Your wider choice counts here again."), to=place)
        form = ChoiceForm(request.POST)
        if not form.is_valid():
            return self.front(choice=form)
        preference_set(user=self.user, order=self.found_order, schedule_id=schedule, **form.cleaned_data)
        return self.done(_("Your choice was saved."), to=place)


class EndpointAddView(OrderNoticesView):
    """A new address."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Add it. A webhook's secret is shown in the answer and never again."""
        form = EndpointForm(request.POST, schedules=schedules_named(self.found_order))
        if not form.is_valid():
            return self.front(adding=form)
        fields = form.cleaned_data
        try:
            made = endpoint_create(
                user=self.user,
                order_id=self.found_order.id,
                options=EndpointOptions(
                    kind=EndpointKind(fields["kind"]),
                    url=fields["url"],
                    events=() if fields["kind"] == EndpointKind.HEARTBEAT else fields["events"],
                    schedule_id=fields.get("schedule"),
                ),
            )
        except ValidationError as error:
            for field, mistakes in error.errors.items():
                form.add_error(field if field in form.fields else None, mistakes)
            return self.front(adding=form)
        if made.kind == EndpointKind.WEBHOOK:
            return secret_page(self, made)
        return self.done(_("The address was added."), to=_address(made))


class EndpointPageBase(OrderNoticesView):
    """Pages of one address."""

    def find(self, endpoint: UUID) -> Endpoint:
        """The address. Raises PermissionDenied, EndpointNotFound."""
        return endpoint_get(user=self.user, order_id=self.found_order.id, endpoint_id=endpoint)


class EndpointView(EndpointPageBase):
    """One address with its messages."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, endpoint: UUID) -> HttpResponseBase:
        """Show them, newest first."""
        found = self.find(endpoint)
        page = page_read(deliveries_of(found), cursor=request.GET.get(CURSOR) or None, size=PAGE_SIZE)
        context = {
            **_endpoint_context(found),
            "rows": [_delivery(row) for row in page.rows],
            "older": page.older,
            "newer": page.newer,
            "prefix": _address(found),
        }
        return self.shown("notices/endpoint.html", context)


class EndpointTestView(EndpointPageBase):
    """A test."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, endpoint: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Send one."""
        found = self.find(endpoint)
        endpoint_test(user=self.user, endpoint=found)
        return self.done(
            _("The test is on its way. Its answer appears below; load the page again."), to=_address(found)
        )


class EndpointSwitchView(EndpointPageBase):
    """The switch of an address."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, endpoint: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Turn it on or off."""
        found = endpoint_update(user=self.user, endpoint=(row := self.find(endpoint)), active=not row.active)
        said = _("Notices are sent there again.") if found.active else _("Nothing more is sent there.")
        return self.done(said, to=_address(found))


class EndpointRotateView(EndpointPageBase):
    """The secret of a webhook."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, endpoint: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Make a new one, and show it once."""
        return secret_page(self, endpoint_rotate(user=self.user, endpoint=self.find(endpoint)))


class EndpointDeleteView(EndpointPageBase):
    """The removal of an address."""

    def get(self, request: HttpRequest, endpoint: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Ask."""
        return self.form(
            "notices/endpoint_delete.html", _endpoint_context(self.find(endpoint)), title=_("Remove the address")
        )

    def post(self, request: HttpRequest, endpoint: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Remove it."""
        endpoint_delete(user=self.user, endpoint=self.find(endpoint))
        return self.done(_("The address was removed."))


class DeliveryReplayView(EndpointPageBase):
    """A message that is sent once more."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, endpoint: UUID, delivery: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Send it."""
        found = self.find(endpoint)
        delivery_replay(user=self.user, delivery=delivery_get(endpoint=found, delivery_id=delivery), endpoint=found)
        return self.done(_("The message is sent once more."), to=_address(found))


def secret_page(view: OrderNoticesView, endpoint: Endpoint) -> HttpResponseBase:
    """The page that shows the new secret of a webhook."""
    return view.shown("notices/secret.html", {**_endpoint_context(endpoint), "secret": endpoint.secret})


def _endpoint_context(endpoint: Endpoint) -> dict[str, Any]:
    return {"endpoint": endpoint, "order": endpoint.order, "is_webhook": endpoint.kind == EndpointKind.WEBHOOK}


def _delivery(row: Delivery) -> dict[str, Any]:
    tone, icon = TONES[row.state]
    return {
        "row": row,
        "tone": tone,
        "icon": icon,
        "events": [event.title for event in row.events.all()] or [row.get_signal_display()],
        "error": error_detail(code=row.error, params={"http_status": row.status} if row.status else {})
        if row.error
        else "",
    }


def _schedule(request: HttpRequest, schedules: dict[UUID, str]) -> UUID | None:
    try:
        chosen = UUID(request.GET.get(SCHEDULE) or request.POST.get(SCHEDULE, ""))
    except ValueError:
        return None
    return chosen if chosen in schedules else None


def _here(order: Order) -> str:
    return reverse("page-order-notifications", kwargs={"order": order.id})


def _address(endpoint: Endpoint) -> str:
    return reverse("page-order-endpoint", kwargs={"order": endpoint.order_id, "endpoint": endpoint.id})
