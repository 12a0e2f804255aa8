"""The activity of an order, from the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import AuditEvent
from accounts.selectors import audit_of_order
from backups.selectors import backup_names
from backups.web.order import OrderPageView
from common.errors import error_title
from common.names import name_isolated
from orders.models import Order

PAGE_SIZE = 50
BEFORE = "before"

WORDS = {
    "backup.create": gettext_lazy("Backup started"),
    "create.succeeded": gettext_lazy("Backup ready"),
    "create.failed": gettext_lazy("Backup failed"),
    "create.cancel": gettext_lazy("Backup asked to stop"),
    "create.cancelled": gettext_lazy("Backup cancelled"),
    "backup.restore": gettext_lazy("Restore started"),
    "restore.succeeded": gettext_lazy("Restore done"),
    "restore.failed": gettext_lazy("Restore failed"),
    "restore.cancel": gettext_lazy("Restore asked to stop"),
    "restore.cancelled": gettext_lazy("Restore cancelled"),
    "backup.undo": gettext_lazy("Undo of a restore started"),
    "undo.succeeded": gettext_lazy("Restore undone"),
    "undo.failed": gettext_lazy("Undo failed"),
    "undo.cancel": gettext_lazy("Undo asked to stop"),
    "undo.cancelled": gettext_lazy("Undo cancelled"),
    "safety.succeeded": gettext_lazy("Safety backup ready"),
    "backup.expire": gettext_lazy("Safety backup deleted when its time was over"),
    "backup.update": gettext_lazy("Backup changed"),
    "backup.degrade": gettext_lazy("Backup found damaged"),
    "backup.absent": gettext_lazy("No good backup for longer than promised"),
    "backup.present": gettext_lazy("There is a good backup again"),
    "backup.delete": gettext_lazy("Backup deleted"),
    "backup.remove": gettext_lazy("Backup removed at the end of the suspension"),
    "order.create": gettext_lazy("Server ordered"),
    "order.suspend": gettext_lazy("Order suspended"),
    "order.unsuspend": gettext_lazy("Suspension lifted"),
    "order.removal_warn": gettext_lazy("Customer warned before the removal of the backups"),
    "order.remove_backups": gettext_lazy("Backups of the suspended order removed"),
    "order.reprovision": gettext_lazy("Reinstallation started"),
    "reprovision.cancel": gettext_lazy("Reinstallation ended"),
    "reprovision.expire": gettext_lazy("Reinstallation ended when its time was over"),
    "provision.exclude": gettext_lazy("Files to leave out changed"),
    "member.grant": gettext_lazy("Right given to a member"),
    "member.withdraw": gettext_lazy("Right taken from a member"),
}
"""Events that customers see; other events are for operators."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One action. `who` is empty for the product itself."""

    at: datetime
    who: str
    what: str
    about: str


class ActivityView(OrderPageView):
    """The activity of an order."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:
        """List the actions, newest first."""
        before = request.GET.get(BEFORE, "")
        rows = audit_of_order(
            order_id=order.id,
            actions=list(WORDS),
            before=int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None,  # noqa: PLR2004  # a database's integer
            count=PAGE_SIZE + 1,
        )
        shown = rows[:PAGE_SIZE]
        names = backup_names([row.object_id for row in shown if row.object_id])
        context = {
            **self.page_context(),
            "entries": [_entry(row, names.get(row.object_id)) for row in shown],
            "older": shown[-1].pk if len(rows) > PAGE_SIZE else None,
        }
        return render(request, "backups/activity.html", context)


def _entry(row: AuditEvent, name: str | None) -> HistoryEntry:
    about = name or row.data.get("name", "")
    if row.action.startswith("member."):
        about = ""
    if code := row.data.get("code"):
        about = (
            _("%(name)s: %(reason)s") % {"name": name_isolated(about), "reason": error_title(code)}
            if about
            else error_title(code)
        )
    return HistoryEntry(
        at=row.at, who=row.actor.get_full_name() if row.actor else "", what=str(WORDS[row.action]), about=about
    )
