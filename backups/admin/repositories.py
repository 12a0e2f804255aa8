"""The admin page of repositories: their sizes, and their upkeep on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backups.models import Depth, UsageSample
from backups.services.upkeep import repository_prune, repository_verify
from common.admin import ReadOnlyAdmin, each_by_service
from operations.models import Operation
from vault.models import Repository


@admin.register(Repository)
class RepositoryAdmin(ReadOnlyAdmin):
    """Repositories of customers. The results of their upkeep are on the pages of its operations."""

    list_display = [
        "id", "customer", "target", "logical_bytes", "distinct_bytes", "stored_bytes", "unused_bytes", "sampled_at",
        "created_at",
    ]  # fmt: skip
    list_select_related = ["customer", "target"]
    list_filter = ["target"]
    search_fields = ["=id", "=customer__id", "customer__name"]
    ordering = ["-created_at", "-id"]
    actions = ["plan_prune", "prune", "verify_structure", "verify_data"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Repository]:
        """Rows without keys and secrets."""
        return super().get_queryset(request).defer("customer__tenant_key", "target__secrets")

    @admin.action(description=gettext_lazy("Plan a prune; delete nothing"), permissions=["upkeep"])
    def plan_prune(self, request: HttpRequest, repositories: QuerySet[Repository]) -> None:
        """Start dry runs, whose plans stay on their operations."""
        self._each(request, repositories, lambda row, user: repository_prune(repository=row, user=user, dry_run=True))

    @admin.action(description=gettext_lazy("Prune"), permissions=["upkeep"])
    def prune(self, request: HttpRequest, repositories: QuerySet[Repository]) -> None:
        """Start prunes."""
        self._each(request, repositories, lambda row, user: repository_prune(repository=row, user=user))

    @admin.action(description=gettext_lazy("Verify the structure"), permissions=["upkeep"])
    def verify_structure(self, request: HttpRequest, repositories: QuerySet[Repository]) -> None:
        """Start verifications of everything but the data."""
        self._verify(request, repositories, Depth.STRUCTURE)

    @admin.action(description=gettext_lazy("Verify the structure and all data"), permissions=["upkeep"])
    def verify_data(self, request: HttpRequest, repositories: QuerySet[Repository]) -> None:
        """Start verifications that read everything."""
        self._verify(request, repositories, Depth.DATA)

    def _verify(self, request: HttpRequest, repositories: QuerySet[Repository], depth: Depth) -> None:
        self._each(request, repositories, lambda row, user: repository_verify(repository=row, user=user, depth=depth))

    def _each(
        self, request: HttpRequest, repositories: QuerySet[Repository], service: Callable[[Repository, Any], Operation]
    ) -> None:
        user: Any = request.user
        each_by_service(
            self, request, repositories, service=lambda row: service(row, user), done=_("started; see operations")
        )

    def has_upkeep_permission(self, request: HttpRequest) -> bool:
        """The permission to change operations includes starting those of repositories."""
        return request.user.has_perm("operations.change_operation")


@admin.register(UsageSample)
class UsageSampleAdmin(ReadOnlyAdmin):
    """The bytes of orders, hour by hour."""

    list_display = ["order", "at", "backups", "logical_bytes", "unique_bytes", "stored_bytes"]
    list_select_related = ["order"]
    search_fields = ["=order__id", "order__name"]
    ordering = ["-at", "-id"]
