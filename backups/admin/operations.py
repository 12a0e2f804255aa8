"""The admin page of operations, with their backups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backups.models import OperationBackup
from common.admin import ReadOnlyAdmin, each_by_service
from common.errors import error_detail
from operations.models import Operation
from operations.services.operations import operation_cancel

if TYPE_CHECKING:
    Inline = admin.TabularInline[Any, Any]
else:
    Inline = admin.TabularInline


class RoleInline(Inline):
    """The backups an operation is about."""

    model = OperationBackup
    fields = ["backup", "role"]
    readonly_fields = ["backup", "role"]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """Rows are never added by hand."""
        return False


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin):
    """Operations: running ones, and failed ones with their reason."""

    list_display = [
        "kind", "state", "progress", "order", "scope_id", "requested_by", "attempts", "error_code", "created_at",
        "expires_at",
    ]  # fmt: skip
    list_select_related = ["order", "requested_by"]
    list_filter = ["state", "kind"]
    search_fields = ["=id", "=order__id", "=scope_id", "error_code"]
    ordering = ["-created_at", "-id"]
    inlines = [RoleInline]
    readonly_fields = ["progress", "reason"]
    actions = ["cancel"]

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, operation: Operation) -> str:
        """Phase and share of the work, or the objects counted so far."""
        if not operation.is_live:
            return ""
        counted = operation.result.get("progress", {})
        names = [name for name in ("packs", "snapshots") if name in counted]
        done = [f"{counted[name]}/{counted[f'{name}_total']} {name}" for name in names]
        if operation.bytes_total:
            done.append(f"{min(99, operation.bytes_done * 100 // operation.bytes_total)} %")
        return " ".join([operation.phase, *done])

    @admin.display(description=gettext_lazy("reason"))
    def reason(self, operation: Operation) -> str:
        """The sentence for the error of an operation that did not succeed."""
        if not operation.error_code:
            return ""
        return error_detail(code=operation.error_code, params=operation.error_params)

    @admin.action(description=gettext_lazy("Cancel the chosen operations"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, operations: QuerySet[Operation]) -> None:
        """Ask operations to stop, with the rights that staff have on their orders."""
        user: Any = request.user
        each_by_service(
            self,
            request,
            operations,
            service=lambda operation: operation_cancel(user=user, operation=operation),
            done=_("asked to stop"),
        )

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """The permission to change operations includes cancelling them."""
        return request.user.has_perm("operations.change_operation")
