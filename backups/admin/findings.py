"""The admin page of findings."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from backups.models import Finding
from backups.reconcile.wording import finding_remedy, finding_sentence
from common.admin import ReadOnlyAdmin


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    """Broken invariants, now or in the past. `manage.py reconcile` and the hourly upkeep find and repair them."""

    list_display = ["invariant", "sentence", "place", "first_seen_at", "last_seen_at", "repaired_at", "gone_at"]
    list_filter = ["invariant", ("gone_at", admin.EmptyFieldListFilter), ("confirmed_at", admin.EmptyFieldListFilter)]
    search_fields = ["=object_id", "=key", "=code"]
    ordering = ["-last_seen_at", "-id"]
    readonly_fields = ["sentence", "remedy"]

    @admin.display(description=_("what is wrong"))
    def sentence(self, finding: Finding) -> str:
        """The finding for a person."""
        return finding_sentence(finding)

    @admin.display(description=_("repair"))
    def remedy(self, finding: Finding) -> str:
        """The effect of a repair."""
        return finding_remedy(finding)

    @admin.display(description=_("object"))
    def place(self, finding: Finding) -> str:
        """The object of the finding."""
        return f"{finding.object_type} {finding.key or finding.object_id}"
