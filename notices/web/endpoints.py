"""The pages of one address of an order, with its messages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from common.errors import error_detail
from common.paging import CURSOR, page_read
from notices.models import Delivery, Endpoint
from notices.selectors import deliveries_of, delivery_get, endpoint_get
from notices.services.endpoints import (
    delivery_replay,
    endpoint_delete,
    endpoint_rotate,
    endpoint_test,
    endpoint_update,
)
from notices.web.base import OrderNoticesView, endpoint_address, endpoint_context

PAGE_SIZE = 50
TONES = {
    "delivered": ("ok", "check"),
    "failed": ("bad", "cross"),
    "queued": ("busy", "clock"),
    "sending": ("busy", "clock"),
}


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
            **endpoint_context(found),
            "rows": [_delivery(row) for row in page.rows],
            "older": page.older,
            "newer": page.newer,
            "prefix": endpoint_address(found),
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
            _("The test is on its way. Its answer appears below; load the page again."), to=endpoint_address(found)
        )


class EndpointSwitchView(EndpointPageBase):
    """The switch of an address."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, endpoint: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Turn it on or off."""
        found = endpoint_update(user=self.user, endpoint=(row := self.find(endpoint)), active=not row.active)
        said = _("Notices are sent there again.") if found.active else _("Nothing more is sent there.")
        return self.done(said, to=endpoint_address(found))


class EndpointRotateView(EndpointPageBase):
    """The secret of a webhook."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, endpoint: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Make a new one, and show it once."""
        return self.secret_shown(endpoint_rotate(user=self.user, endpoint=self.find(endpoint)))


class EndpointDeleteView(EndpointPageBase):
    """The removal of an address."""

    def get(self, request: HttpRequest, endpoint: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Ask."""
        return self.form(
            "notices/endpoint_delete.html", endpoint_context(self.find(endpoint)), title=_("Remove the address")
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
        return self.done(_("The message is sent once more."), to=endpoint_address(found))


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
