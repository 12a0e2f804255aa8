"""The restore page: what comes back, onto which server, and what happens to what is there."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from backups.models import Backup
from backups.rules import Rules, refusal
from backups.selectors import order_backup_get
from backups.services.restores import backup_restore
from backups.web.backups import BackupFormView, form_key
from backups.web.forms import RestoreForm
from backups.web.rows import why_not
from common.errors import ApplicationError
from orders.models import Order


class BackupRestoreView(BackupFormView):
    """Bringing a backup back."""

    template = "backups/restore_form.html"

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Show what would happen, and ask."""
        found = order_backup_get(order=order, backup_id=backup)
        return self._ask(RestoreForm(server_name=order.name, initial={"mode": "overlay"}), found)

    def post(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Begin it."""
        found = order_backup_get(order=order, backup_id=backup)
        form = RestoreForm(request.POST, server_name=order.name)
        if not form.is_valid():
            return self._ask(form, found, HTTPStatus.BAD_REQUEST)
        try:
            backup_restore(
                user=self.user,
                order_id=order.id,
                provision_id=found.provision_id,
                backup_id=found.id,
                mode=form.cleaned_data["mode"],
                idempotency=form_key(request, self.user),
            )
        except ApplicationError as error:
            return self._ask(form, found, self.refused(form, error))
        return self.done(
            _("The restore of “%(name)s” was started. You can leave this page, it goes on by itself.")
            % {"name": found.name}
        )

    def _ask(self, form: RestoreForm, backup: Backup, status: int = HTTPStatus.OK) -> HttpResponseBase:
        context: dict[str, Any] = {"backup": backup, "refused": self._why_not(backup)}
        return self.shown(form, title=_("Restore a backup"), status=status, **context)

    def _why_not(self, backup: Backup) -> str:
        rules = Rules(user=self.user, order=self.found_order)
        error = refusal(lambda: rules.restore_require(backup, backup.provision))
        return why_not(error, rules.active) if error else ""
