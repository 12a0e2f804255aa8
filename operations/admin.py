"""The staff's pages of workers, chores and counts."""

from __future__ import annotations

from django.contrib import admin

from common.admin import ReadOnlyAdmin
from operations.models import ChoreRun, OperationTally, Supervisor


@admin.register(ChoreRun)
class ChoreRunAdmin(ReadOnlyAdmin):
    """Runs of chores: start, duration, result."""

    list_display = ["chore", "requested_at", "started_at", "took", "done", "error"]
    list_filter = ["chore"]
    search_fields = ["chore", "error"]
    ordering = ["-requested_at"]


@admin.register(OperationTally)
class OperationTallyAdmin(ReadOnlyAdmin):
    """Counts of operations that were deleted with their orders."""

    list_display = ["kind", "state", "count"]
    ordering = ["kind", "state"]


@admin.register(Supervisor)
class SupervisorAdmin(ReadOnlyAdmin):
    """Supervisors and their workers."""

    list_display = ["host", "workers", "workers_alive", "started_at", "seen_at"]
    ordering = ["-seen_at"]
