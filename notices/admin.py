"""The staff's pages of events, messages and addresses. Addresses show their site alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.admin import ReadOnlyAdmin, each_by_service
from notices.errors import DeliveryPending
from notices.models import Delivery, DeliveryState, Endpoint, Event, Notice, Preference
from notices.services.endpoints import delivery_again


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Events of all orders and of the portal."""

    list_display = ["created_at", "kind", "order", "subject_id", "code"]
    list_select_related = ["order"]
    list_filter = ["kind"]
    search_fields = ["order__name", "=order__id", "=subject_id"]
    fields = ["created_at", "kind", "order", "subject_id", "schedule_id", "code", "params", "routed_at"]
    ordering = ["-created_at", "-id"]


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Messages to users, addresses and staff channels. Staff send one again whose receiver was away."""

    list_display = ["created_at", "channel", "user", "endpoint", "state", "attempts", "status", "error", "not_before"]
    list_select_related = ["user"]
    list_filter = ["state", "channel"]
    search_fields = ["user__username", "user__email", "=endpoint__id", "=endpoint__order__id"]
    fields = [
        "created_at", "channel", "user", "endpoint", "signal", "state", "attempts", "not_before", "claimed_at",
        "finished_at", "status", "error",
    ]  # fmt: skip
    ordering = ["-created_at", "-id"]
    actions = ["replay"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """Without the encrypted columns of addresses, one of which may not open."""
        rows: QuerySet[Delivery] = super().get_queryset(request)
        return rows.select_related("endpoint").defer("endpoint__url", "endpoint__secret", "endpoint__old_secret")

    @admin.action(description=gettext_lazy("Send the chosen messages once more"), permissions=["replay"])
    def replay(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        """Send messages again that are over."""
        each_by_service(self, request, rows, service=_again, done=_("The message is sent once more."))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """The permission to change messages includes sending them again."""
        return request.user.has_perm("notices.change_delivery")


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyAdmin):
    """Addresses of customers. Neither path nor secret is shown: either may be a key."""

    list_display = ["created_at", "kind", "order", "active", "failures", "held_until"]
    list_select_related = ["order"]
    list_filter = ["kind", "active"]
    search_fields = ["order__name", "=order__id", "=id"]
    fields = ["created_at", "kind", "order", "schedule_id", "events", "active", "failures", "held_until", "created_by"]
    ordering = ["-created_at", "-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        """Without the encrypted columns, one of which may not open."""
        rows: QuerySet[Endpoint] = super().get_queryset(request)
        return rows.defer("url", "secret", "old_secret")


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    """Events in the inboxes of users: who was told of what, and who has read it."""

    list_display = ["created_at", "user", "event", "read_at"]
    list_select_related = ["user", "event"]
    search_fields = ["user__username", "user__email", "=event__id", "=event__order__id"]
    fields = ["created_at", "user", "event", "read_at"]
    ordering = ["-created_at", "-id"]


@admin.register(Preference)
class PreferenceAdmin(ReadOnlyAdmin):
    """The choices of users, for the question why somebody was not told."""

    list_display = ["user", "order", "schedule_id", "digest"]
    list_select_related = ["user", "order"]
    list_filter = ["digest"]
    search_fields = ["user__username", "user__email", "=order__id"]
    fields = ["user", "order", "schedule_id", "in_page", "mail", "digest"]
    ordering = ["-id"]


def _again(delivery: Any) -> None:
    if delivery.state in (DeliveryState.QUEUED, DeliveryState.SENDING):
        raise DeliveryPending
    delivery_again(delivery)
