"""The staff's pages of triggers."""

from __future__ import annotations

from django.contrib import admin

from common.admin import ReadOnlyAdmin
from schedules.models import Trigger


@admin.register(Trigger)
class TriggerAdmin(ReadOnlyAdmin):
    """Triggers of servers: what they wait for, what they last did, and why one does nothing."""

    list_display = ["provision", "kind", "enabled", "looked_at", "failures", "due_at", "fired_at", "error_code"]
    list_select_related = ["provision"]
    list_filter = ["kind", "enabled"]
    search_fields = ["=provision__id", "=provision__order__id", "error_code"]
    ordering = ["-created_at", "-id"]
