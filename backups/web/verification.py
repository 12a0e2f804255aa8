"""The page that asks for the verification of a backup."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from backups.models import Backup, Depth
from backups.selectors import order_backup_get
from backups.services.verification import backup_verify
from backups.web.backups import BackupFormView, came_from, form_key
from backups.web.forms import VerifyForm
from common.errors import ApplicationError
from common.names import names_isolated
from orders.models import Order


class BackupVerifyPageView(BackupFormView):
    """A verification on request."""

    template = "backups/verify_form.html"

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Ask how thoroughly."""
        return self._ask(VerifyForm(), order_backup_get(order=order, backup_id=backup))

    def post(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Begin it."""
        found = order_backup_get(order=order, backup_id=backup)
        form = VerifyForm(request.POST)
        if not form.is_valid():
            return self._ask(form, found, HTTPStatus.BAD_REQUEST)
        try:
            operation = backup_verify(
                user=self.user,
                order_id=order.id,
                provision_id=found.provision_id,
                backup_id=found.id,
                depth=Depth(form.cleaned_data["depth"]),
                idempotency=form_key(request, self.user),
            )
        except ApplicationError as error:
            return self._ask(form, found, self.refused(form, error))
        said = _("“%(name)s” is being verified. You can leave this page, it goes on by itself.")
        return self.done(names_isolated(said, name=found.name), to=came_from(self, found), begun=operation.id)

    def _ask(self, form: VerifyForm, backup: Backup, status: int = HTTPStatus.OK) -> HttpResponseBase:
        return self.shown(form, title=_("Verify the backup"), status=status, backup=backup)
