"""The restore page: what comes back, what it would change, what happens to what is there; and the way back."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from backups.models import Backup
from backups.rules import Rules, refusal
from backups.selectors import order_backup_get
from backups.services.previews import backup_preview
from backups.services.restores import Mode, RestoreOptions, backup_restore, restore_undo
from backups.web.backups import BackupFormView, form_key
from backups.web.forms import NoFieldsForm, RestoreForm
from backups.web.order import OrderPageView
from backups.web.rows import why_not
from common.errors import ApplicationError, NotFound, PermissionDenied
from common.paths import path_text
from orders.models import Order
from provisions.models import Provision
from provisions.selectors import provision_sidecar


class BackupRestoreView(BackupFormView):
    """Bringing a backup back."""

    template = "backups/restore_form.html"

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Show what would happen, and ask."""
        found = order_backup_get(order=order, backup_id=backup)
        return self._ask(_form(order, initial={"mode": "replace"}), found)

    def post(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Begin it."""
        found = order_backup_get(order=order, backup_id=backup)
        form = _form(order, request.POST)
        if not form.is_valid():
            return self._ask(form, found, HTTPStatus.BAD_REQUEST)
        try:
            backup_restore(
                user=self.user,
                order_id=order.id,
                provision_id=found.provision_id,
                backup_id=found.id,
                options=RestoreOptions(
                    mode=form.cleaned_data["mode"],
                    safety=not form.cleaned_data["without_safety"],
                    server="leave" if form.cleaned_data["leave_running"] else "auto",
                ),
                idempotency=form_key(request, self.user),
            )
        except ApplicationError as error:
            return self._ask(form, found, self.refused(form, error))
        return self.done(
            _("The restore of “%(name)s” was started. You can leave this page, it goes on by itself.")
            % {"name": found.name}
        )

    def _ask(self, form: RestoreForm, backup: Backup, status: int = HTTPStatus.OK) -> HttpResponseBase:
        context: dict[str, Any] = {
            "backup": backup,
            "refused": self._why_not(backup),
            "safety_hours": self.found_order.plan.safety_hours,
            "can_stop": _can_stop(backup.provision),
        }
        return self.shown(form, title=_("Restore a backup"), status=status, **context)

    def _why_not(self, backup: Backup) -> str:
        rules = Rules(user=self.user, order=self.found_order)
        error = refusal(lambda: rules.restore_require(backup, backup.provision))
        return why_not(error, rules.active) if error else ""


class BackupPreviewView(OrderPageView):
    """What a restore would change: a part of the restore page, or without scripts a page of its own."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Compare the backup with what the server has now."""
        found = order_backup_get(order=order, backup_id=backup)
        mode: Mode = "overlay" if request.GET.get("mode") == "overlay" else "replace"
        context: dict[str, Any] = {"order": order, "backup": found, "mode": mode}
        try:
            preview, named = backup_preview(user=self.user, backup=found, mode=mode)
        except (NotFound, PermissionDenied):
            raise
        except ApplicationError as error:
            # Not to know is no reason against the restore: the page says so and goes on.
            context["refused"] = error.detail
        else:
            paths = [(str(change.kind), path_text(change.path), change.size_bytes) for change in preview.changes]
            context |= {"preview": preview, "named": named, "paths": paths}
        template = "backups/preview.html" if self.htmx else "backups/preview_page.html"
        return render(request, template, context)


class BackupUndoView(BackupFormView):
    """Taking the last restore of a backup back."""

    template = "backups/undo_form.html"

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Ask first."""
        return self._ask(NoFieldsForm(), order_backup_get(order=order, backup_id=backup))

    def post(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Begin it."""
        found = order_backup_get(order=order, backup_id=backup)
        form = NoFieldsForm(request.POST)
        try:
            restore_undo(
                user=self.user,
                order_id=order.id,
                provision_id=found.provision_id,
                backup_id=found.id,
                idempotency=form_key(request, self.user),
            )
        except ApplicationError as error:
            return self._ask(form, found, self.refused(form, error))
        return self.done(
            _("The restore of “%(name)s” is being taken back. You can leave this page, it goes on by itself.")
            % {"name": found.name}
        )

    def _ask(self, form: NoFieldsForm, backup: Backup, status: int = HTTPStatus.OK) -> HttpResponseBase:
        form.is_valid()
        undoable = Rules(user=self.user, order=self.found_order).undoable(backup.provision)
        restored_at = undoable.finished_at if undoable and undoable.backup_id == backup.id else None
        return self.shown(
            form, title=_("Undo the restore"), status=status, backup=backup, restored_at=restored_at,
            can_stop=_can_stop(backup.provision),
        )  # fmt: skip


def _form(order: Order, *arguments: Any, **options: Any) -> RestoreForm:
    return RestoreForm(*arguments, server_name=order.name, has_safety=order.plan.safety_hours > 0, **options)


def _can_stop(provision: Provision) -> bool:
    """Whether the sidecar can stop and start the game server, as far as it has said."""
    try:
        return provision_sidecar(provision).can_stop
    except ApplicationError:
        return False
