"""The page of an order's notifications: its addresses, and the caller's own choice."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.forms import Form
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from common.errors import ValidationError
from notices.models import EndpointKind
from notices.selectors import endpoints_of, preference_of, schedules_named
from notices.services.endpoints import ENDPOINTS_MAX, EndpointOptions, endpoint_create
from notices.services.preferences import preference_clear, preference_set
from notices.web.base import OrderNoticesView, endpoint_address
from notices.web.forms import ChoiceForm, EndpointForm
from notices.web.preferences import form_status, initial_of
from orders.rights import OrderRight, order_rights

SCHEDULE = "schedule"


class NotificationsBase(OrderNoticesView):
    """Views that answer with the page of all notifications."""

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


class NotificationsView(NotificationsBase):
    """All notifications of an order."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Show them."""
        return self.front()


class ChoiceView(NotificationsBase):
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


class EndpointAddView(NotificationsBase):
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
            return self.secret_shown(made)
        return self.done(_("The address was added."), to=endpoint_address(made))


def _schedule(request: HttpRequest, schedules: dict[UUID, str]) -> UUID | None:
    try:
        chosen = UUID(request.GET.get(SCHEDULE) or request.POST.get(SCHEDULE, ""))
    except ValueError:
        return None
    return chosen if chosen in schedules else None
