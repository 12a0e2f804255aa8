"""Pages for actions on backups: create, show, rename, lock, download, delete, retry, cancel."""

from __future__ import annotations

from hashlib import sha256
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID, uuid4

from django import forms
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from accounts.models import User
from backups import kinds
from backups.errors import BackupNotFound
from backups.models import Backup
from backups.rules import Rules, refusal
from backups.selectors import asset_get, order_backup_get
from backups.services.backups import backup_create, backup_delete, backup_retry, backup_update
from backups.services.downloads import asset_check
from backups.usage import bytes_freed
from backups.web.detail import detail_of
from backups.web.estimates import TEMPLATE, EstimatePart, estimate_part
from backups.web.files import choice_of
from backups.web.forms import BackupCreateForm, BackupRenameForm, NoFieldsForm
from backups.web.order import OrderPageView
from backups.web.rows import why_not
from common.errors import ApplicationError, NotFound
from common.idempotency import IdempotencyKey, idempotency_key_of
from common.names import names_isolated
from operations.errors import OperationNotFound
from operations.kinds import kind_of
from operations.selectors import operation_get
from operations.services.operations import operation_cancel
from orders.models import Order
from orders.patterns import patterns_of
from provisions.errors import NotAPrimaryDeployment
from provisions.models import Provision
from provisions.rules import patterns_require
from provisions.selectors import provisions_of

KEY = "key"
"""The hidden field that makes a form which is sent twice act once."""

F = TypeVar("F", bound=forms.Form)


class BackupFormView(OrderPageView):
    """A form about backups. GET asks, in the dialog or on a page; POST does it, or asks again and says why."""

    template: str

    def shown(self, form: forms.Form, *, title: str, status: int = HTTPStatus.OK, **context: Any) -> HttpResponseBase:
        """The form with the typed values."""
        context |= {"form": form, "order": self.order, "key": self.request.POST.get(KEY) or uuid4().hex}
        return self.form(self.template, context, title=title, status=status)

    def refused(self, form: forms.Form, error: ApplicationError) -> int:
        """Put a refusal into the form; return its status. A missing object is not an error of the form."""
        if isinstance(error, NotFound):
            raise error
        form.add_error(None, why_not(error, Rules(user=self.user, order=self.found_order).active))
        return error.status


class BackupCreateView(BackupFormView):
    """A new backup."""

    template = "backups/create_form.html"
    estimates = False
    """Whether a POST only shows the estimate: it waits for a sidecar, and so has an address of its own."""

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Ask for a name, and for files to leave out."""
        return self._ask(BackupCreateForm())

    def post(self, request: HttpRequest, order: Order) -> HttpResponseBase:
        """Begin it; or only show what it would hold."""
        form = BackupCreateForm(request.POST)
        if self.estimates:
            typed = patterns_of(request.POST.get("exclude", ""))
            return self._ask(
                form, estimate=estimate_part(user=self.user, provision=order_primary(order), of_backup=typed)
            )
        if not form.is_valid():
            return self._ask(form, HTTPStatus.BAD_REQUEST)
        try:
            backup = backup_create(
                user=self.user,
                order_id=order.id,
                provision_id=order_primary(order).id,
                name=form.cleaned_data["name"] or None,
                exclude=form.cleaned_data["exclude"],
                notes=form.cleaned_data["notes"],
                tags=form.cleaned_data["tags"],
                idempotency=form_key(request, self.user),
            )
        except ApplicationError as error:
            return self._ask(form, self.refused(form, error))
        return self.done(_started(backup), begun=backup.operation_id)

    def _ask(
        self, form: forms.Form, status: int = HTTPStatus.OK, *, estimate: EstimatePart | None = None
    ) -> HttpResponseBase:
        if self.htmx and estimate:
            return render(self.request, TEMPLATE, {"estimate": estimate})
        forbidden = refusal(lambda: patterns_require(user=self.user, order=self.found_order))
        context = {"estimate": estimate, "patterns_shown": forbidden is None}
        return self.shown(form, title=_("Create a backup"), status=status, **context)


class BackupView(OrderPageView):
    """The page of one backup."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Show a backup with its history."""
        detail = detail_of(user=self.user, backup=order_backup_get(order=order, backup_id=backup))
        return render(request, "backups/backup.html", {"detail": detail, **self.page_context(detail.live)})


class BackupDetailView(OrderPageView):
    """The part of a backup's page that changes."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """The part anew, 204 when nothing changed; when the backup is gone, on to the order."""
        try:
            found = order_backup_get(order=order, backup_id=backup)
        except BackupNotFound:
            return HttpResponseClientRedirect(self.home())
        detail = detail_of(user=self.user, backup=found)
        context = {"detail": detail, **self.page_context(detail.live)}
        return self.part("backups/detail.html", context, version=detail.version)


class BackupRenameView(BackupFormView):
    """Another name, notes and tags."""

    template = "backups/rename_form.html"

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Ask for them."""
        found = order_backup_get(order=order, backup_id=backup)
        initial = {"name": found.name, "notes": found.notes, "tags": ", ".join(found.tags)}
        return self._ask(BackupRenameForm(initial=initial), found)

    def post(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Rename it, and change its notes and tags."""
        found = order_backup_get(order=order, backup_id=backup)
        form = BackupRenameForm(request.POST)
        if not form.is_valid():
            return self._ask(form, found, HTTPStatus.BAD_REQUEST)
        try:
            renamed = backup_update(
                user=self.user,
                backup=found,
                name=form.cleaned_data["name"],
                notes=form.sent("notes"),
                tags=form.sent("tags"),
            )
        except ApplicationError as error:
            return self._ask(form, found, self.refused(form, error))
        if renamed.name == found.name:
            said = names_isolated(_("“%(name)s” was changed."), name=renamed.name)
        else:
            said = names_isolated(_("The backup is called “%(name)s” now."), name=renamed.name)
        return self.done(said, to=came_from(self, found))

    def _ask(self, form: forms.Form, backup: Backup, status: int = HTTPStatus.OK) -> HttpResponseBase:
        return self.shown(form, title=_("Name, notes and tags"), status=status, backup=backup)


class BackupLockView(OrderPageView):
    """The lock against deletion."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Lock it, or unlock it with `locked=no`."""
        found = order_backup_get(order=order, backup_id=backup)
        locked = request.POST.get("locked") != "no"
        changed = backup_update(user=self.user, backup=found, locked=locked)
        said = _("“%(name)s” is locked: nobody can delete it.") if locked else _("“%(name)s” is unlocked.")
        return self.done(names_isolated(said, name=changed.name), to=came_from(self, found))


class BackupAcceptView(OrderPageView):
    """The confirmation that a server was meant to be as small as in the backup."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Clear the mark of a collapsed server."""
        found = order_backup_get(order=order, backup_id=backup)
        changed = backup_update(user=self.user, backup=found, collapsed=False)
        said = _("“%(name)s” counts as a good backup of your server.") % {"name": changed.name}
        return self.done(said, to=came_from(self, found))


class BackupDeleteView(BackupFormView):
    """The end of a backup."""

    template = "backups/delete_form.html"

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Ask first."""
        return self._ask(NoFieldsForm(), order_backup_get(order=order, backup_id=backup))

    def post(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Delete it."""
        found = order_backup_get(order=order, backup_id=backup)
        form = NoFieldsForm(request.POST)
        try:
            backup_delete(user=self.user, backup=found)
        except ApplicationError as error:
            return self._ask(form, found, self.refused(form, error))
        return self.done(names_isolated(_("“%(name)s” was deleted."), name=found.name))

    def _ask(self, form: forms.Form, backup: Backup, status: int = HTTPStatus.OK) -> HttpResponseBase:
        form.is_valid()
        freed = bytes_freed(Backup.objects.filter(id=backup.id))
        return self.shown(form, title=_("Delete the backup"), status=status, backup=backup, freed=freed)


class BackupRetryView(OrderPageView):
    """A failed backup once more."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Begin it again."""
        found = order_backup_get(order=order, backup_id=backup)
        again = backup_retry(user=self.user, backup=found, idempotency=form_key(request, self.user))
        return self.done(_started(again), begun=again.operation_id)


class BackupDownloadView(OrderPageView):
    """The way to a download."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:  # Django's signature
        """Redirect to the bytes once it is sure that they can be read: errors appear on a page, not in a file."""
        found = order_backup_get(order=order, backup_id=backup)
        Rules(user=self.user, order=order).download_require(found)
        asset = asset_get(user=self.user, asset_id=found.asset_id or found.id)
        asset_check(asset, choice_of(request.GET))
        query = request.GET.urlencode()
        return redirect(f"{reverse('asset', kwargs={'asset': asset.id})}{'?' if query else ''}{query}")


class OperationCancelPageView(OrderPageView):
    """The cancel of an operation."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, order: Order, operation: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Ask it to stop."""
        found = operation_get(user=self.user, operation_id=operation)
        if found.order_id != order.id:
            raise OperationNotFound
        asked = operation_cancel(user=self.user, operation=found)
        if kind_of(found) is kinds.REPROVISION:
            return self.done(_("The reinstallation was ended. Backups and restores are possible again."))
        # An operation that no worker had started has ended already, and that message replaces this one.
        return self.done(_("It is being stopped.") if asked.is_live else "", begun=found.id)


def form_key(request: HttpRequest, user: User) -> IdempotencyKey | None:
    """The idempotency key of a form with its content, so that sending it twice acts once; None without one."""
    if not request.POST.get(KEY):
        return None
    # Going back in the browser brings the form back with its key: with something else in it, it is another form.
    fields = sorted((name, value) for name, value in request.POST.items() if name != "csrfmiddlewaretoken")
    typed = repr(fields).encode()
    return idempotency_key_of(user_id=user.id, path=request.path, key=sha256(typed).hexdigest(), body=typed)


def backup_address(backup: Backup) -> str:
    """The address of a backup's page."""
    return reverse("page-backup", kwargs={"order": backup.order_id, "backup": backup.id})


def came_from(view: OrderPageView, backup: Backup) -> str | None:
    """The backup's page when the caller is there; None leaves it to the view."""
    address = backup_address(backup)
    return address if view.open_page.path == address else None


def order_primary(order: Order) -> Provision:
    """The game server of an order. Raises NotAPrimaryDeployment."""
    for provision in provisions_of(order):
        if provision.is_primary:
            provision.order = order
            return provision
    raise NotAPrimaryDeployment


def _started(backup: Backup) -> str:
    return names_isolated(_("“%(name)s” was started. You can leave this page, it goes on by itself."), name=backup.name)
