"""One action on the backups that were chosen on the order page."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backups.models import Backup
from backups.rules import Rules
from backups.selectors import backups_of_order
from backups.services.bulk import BULK_MAX, BulkAction, BulkResult, backups_bulk
from backups.usage import bytes_freed
from backups.web.backups import BackupFormView
from backups.web.forms import NoFieldsForm, TagsForm
from backups.web.rows import why_not
from common.errors import ValidationError
from common.names import names_isolated
from orders.models import Order

SURE = "sure"
"""The field of the form that asks; a deletion without it is asked first."""
ASKED = frozenset({BulkAction.DELETE, BulkAction.TAG})


class BackupsBulkView(BackupFormView):
    """Delete, lock, unlock or tag several backups at once."""

    template = "backups/bulk_form.html"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, order: Order) -> HttpResponseBase:
        """Do it; a deletion asks first, and tags are asked for."""
        if request.POST.get("action") not in list(BulkAction):
            raise ValidationError(errors={"action": [_("There is no such action.")]})
        action = BulkAction(request.POST["action"])
        Rules(user=self.user, order=order).update_require()
        backups = backups_of_order(order)
        chosen = list(backups.filter(id__in=_ids(request)).order_by("-created_at"))
        if not chosen:
            messages.warning(request, _("Choose at least one backup first."))
            return self.done()
        form: forms.Form = TagsForm(request.POST) if action is BulkAction.TAG else NoFieldsForm(request.POST)
        if action in ASKED and SURE not in request.POST:
            return self._ask(TagsForm() if action is BulkAction.TAG else NoFieldsForm(), action, chosen)
        if not form.is_valid():
            return self._ask(form, action, chosen, status=HTTPStatus.BAD_REQUEST)
        results = backups_bulk(
            user=self.user,
            order=order,
            backups=backups,
            ids=[backup.id for backup in chosen],
            action=action,
            tags=form.cleaned_data.get("tags", ()),
        )
        self._tell(results)
        done = sum(result.error is None for result in results)
        return self.done(_said(action, done) if done else "")

    def _ask(
        self, form: forms.Form, action: BulkAction, chosen: Sequence[Backup], *, status: int = HTTPStatus.OK
    ) -> HttpResponseBase:
        count = len(chosen)
        if action is BulkAction.TAG:
            heading = ngettext("Tag %(count)s backup", "Tag %(count)s backups", count)
        else:
            count = sum(not backup.locked for backup in chosen)
            heading = ngettext("Delete %(count)s backup?", "Delete %(count)s backups?", count)
        title = heading % {"count": count}
        going = Backup.objects.filter(id__in=[backup.id for backup in chosen], locked=False)
        freed = bytes_freed(going) if action is BulkAction.DELETE else 0
        context: dict[str, Any] = {"action": action.value, "chosen": chosen, "heading": title, "freed": freed}
        return self.shown(form, title=title, status=status, **context)

    def _tell(self, results: Sequence[BulkResult]) -> None:
        for result in results:
            if result.error is not None and result.backup is not None:
                reason = why_not(result.error, None)
                said = names_isolated(_("“%(name)s”: %(reason)s"), name=result.backup.name, reason=reason)
                messages.warning(self.request, said)


def _ids(request: HttpRequest) -> list[UUID]:
    """The chosen ids; what is none is left out, as a backup that is gone is."""
    found = []
    for text in request.POST.getlist("ids")[:BULK_MAX]:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _said(action: BulkAction, count: int) -> str:
    said = {
        BulkAction.DELETE: ngettext("%(count)s backup was deleted.", "%(count)s backups were deleted.", count),
        BulkAction.LOCK: ngettext("%(count)s backup is locked now.", "%(count)s backups are locked now.", count),
        BulkAction.UNLOCK: ngettext("%(count)s backup is unlocked now.", "%(count)s backups are unlocked now.", count),
        BulkAction.TAG: ngettext("%(count)s backup was tagged.", "%(count)s backups were tagged.", count),
    }
    return said[action] % {"count": count}
