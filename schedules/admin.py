"""The staff's pages of schedules, their runs, triggers, rotations, and the protection of orders."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.admin import ReadOnlyAdmin, each_by_service
from common.errors import error_title
from schedules.models import OrderProtection, Rotation, Schedule, ScheduleRun, Trigger
from schedules.sentences import schedule_sentence
from schedules.services.schedules import schedule_hold


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    """Schedules, read only; staff can pause them."""

    list_display = [
        "name", "order", "provision", "sentence", "of_plan", "paused", "next_due_at", "error_code", "created_at",
    ]  # fmt: skip
    list_select_related = ["order", "provision"]
    list_filter = ["paused", "of_plan", ("error_code", admin.EmptyFieldListFilter)]
    search_fields = ["name", "=id", "=order__id"]
    ordering = ["-created_at", "-id"]
    readonly_fields = ["sentence"]
    actions = ["pause", "resume"]

    @admin.display(description=gettext_lazy("when it runs"))
    def sentence(self, schedule: Schedule) -> str:
        """When it runs, or why it does not."""
        return schedule_sentence(schedule)

    @admin.action(description=gettext_lazy("Pause the chosen schedules"), permissions=["pause"])
    def pause(self, request: HttpRequest, schedules: QuerySet[Schedule]) -> None:
        """Pause schedules."""
        self._hold(request, schedules, paused=True, done=_("paused"))

    @admin.action(description=gettext_lazy("End the pause of the chosen schedules"), permissions=["pause"])
    def resume(self, request: HttpRequest, schedules: QuerySet[Schedule]) -> None:
        """Let schedules go on; each runs once for all that it missed."""
        self._hold(request, schedules, paused=False, done=_("no longer paused"))

    def has_pause_permission(self, request: HttpRequest) -> bool:
        """The permission to change schedules includes pauses."""
        return request.user.has_perm("schedules.change_schedule")

    def _hold(self, request: HttpRequest, schedules: QuerySet[Schedule], *, paused: bool, done: str) -> None:
        user: Any = request.user
        each_by_service(
            self,
            request,
            schedules,
            service=lambda schedule: schedule_hold(user=user, schedule=schedule, paused=paused),
            done=done,
        )


@admin.register(ScheduleRun)
class ScheduleRunAdmin(ReadOnlyAdmin):
    """Runs of schedules: those that wait, and those that ended, with the reason."""

    list_display = ["schedule", "provision", "due_at", "starts_at", "state", "reason", "started_at", "finished_at"]
    list_select_related = ["schedule", "provision"]
    list_filter = ["state"]
    search_fields = ["=schedule__id", "=provision__id", "=provision__order__id", "=operation_id", "error_code"]
    ordering = ["-due_at", "-id"]
    readonly_fields = ["reason"]

    @admin.display(description=gettext_lazy("reason"))
    def reason(self, run: ScheduleRun) -> str:
        """Why a run waits, was skipped, or failed."""
        return error_title(run.error_code) if run.error_code else ""


@admin.register(Rotation)
class RotationAdmin(ReadOnlyAdmin):
    """Servers of which backups may go."""

    list_display = ["provision", "requested_at", "looked_at"]
    list_select_related = ["provision"]
    search_fields = ["=provision__id", "=provision__order__id"]
    ordering = ["requested_at"]


@admin.register(OrderProtection)
class OrderProtectionAdmin(ReadOnlyAdmin):
    """The protection of orders, as it was last computed."""

    list_display = ["order", "state", "reason", "good_at", "absent_at", "refreshed_at"]
    list_select_related = ["order"]
    list_filter = ["state"]
    search_fields = ["=order__id", "reason"]
    ordering = ["-refreshed_at"]


@admin.register(Trigger)
class TriggerAdmin(ReadOnlyAdmin):
    """Triggers of servers: what they wait for, what they last did, and why one does nothing."""

    list_display = ["provision", "kind", "enabled", "looked_at", "failures", "due_at", "fired_at", "error_code"]
    list_select_related = ["provision"]
    list_filter = ["kind", "enabled"]
    search_fields = ["=provision__id", "=provision__order__id", "error_code"]
    ordering = ["-created_at", "-id"]
