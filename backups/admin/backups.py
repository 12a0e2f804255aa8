"""The staff's pages of backups."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from backups.caution import backup_caution
from backups.models import Backup
from backups.services.backups import backup_delete
from common.admin import ReadOnlyAdmin, ServiceDeletes


@admin.register(Backup)
class BackupAdmin(ServiceDeletes, ReadOnlyAdmin):
    """Backups, read only. Staff delete them like customers do, with the rights that they have on the order."""

    list_display = [
        "name", "order", "provision", "status", "is_safety", "degraded", "collapsed", "size_bytes", "locked",
        "created_at", "deleted_at",
    ]  # fmt: skip
    list_select_related = ["order", "provision"]
    list_filter = ["status", "degraded", "collapsed", "is_safety"]
    readonly_fields = ["caution"]
    search_fields = ["name", "=id", "=order__id"]
    ordering = ["-created_at", "-id"]

    @admin.display(description=_("caution"))
    def caution(self, backup: Backup) -> str:
        """The warning about the backup."""
        return backup_caution(backup)

    def has_delete_permission(self, request: HttpRequest, obj: Backup | None = None) -> bool:
        """Whether the user may delete backups, and this one is not being deleted already."""
        return request.user.has_perm("backups.delete_backup") and (obj is None or obj.deleted_at is None)

    def delete_by_service(self, request: HttpRequest, obj: Backup) -> None:
        """Take the backup off every list; a worker then deletes its objects in storage."""
        user: Any = request.user
        backup_delete(user=user, backup=obj)
