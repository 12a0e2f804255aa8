"""The restore page with its preview, and the undo."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from backups.caution import backup_caution
from backups.errors import PathNotFound
from backups.models import Backup
from backups.rules import Rules, refusal
from backups.selectors import Undoable, order_backup_get
from backups.services.destinations import destination_get, destinations_of
from backups.services.previews import backup_preview
from backups.services.restores import PATHS_MAX, RestoreOptions, backup_restore, restore_undo
from backups.web.backups import BackupFormView, form_key
from backups.web.forms import NoFieldsForm, RestoreForm, UndoForm
from backups.web.order import order_address
from backups.web.rows import why_not
from common.errors import ApplicationError, NotFound, PermissionDenied
from common.names import names_isolated
from common.paths import path_text, path_within
from orders.models import Order
from provisions.errors import ProvisionNotFound
from provisions.models import Provision
from provisions.selectors import provision_sidecar
from wire.enums import Mode, ServerControl

ONTO, PATH = "onto", "path"
"""The fields of a request that choose the server and the paths."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The part of a restore that its address says: onto which server, and which paths (none: all of them)."""

    backup: Backup
    server: Provision
    paths: tuple[bytes, ...]

    @property
    def query(self) -> str:
        """The choice as the query of an address; empty for everything onto the backup's own server."""
        onto = [] if self.server.id == self.backup.provision_id else [(ONTO, str(self.server.id))]
        query = urlencode([*onto, *((PATH, path_text(path)) for path in self.paths)])
        return f"?{query}" if query else ""

    @property
    def texts(self) -> list[str]:
        """The chosen paths as people read them."""
        return [path_text(path) for path in self.paths]


class RestoreChoiceView(BackupFormView):
    """A page about the restore of a backup, onto a server, of some paths or all."""

    def choice(self, request: HttpRequest, order: Order, backup: UUID) -> Choice:
        """The choice in the request. Raises BackupNotFound, ProvisionNotFound, PathNotFound, PermissionDenied."""
        found = order_backup_get(order=order, backup_id=backup)
        values = request.POST if request.method == "POST" else request.GET
        try:
            onto = UUID(values[ONTO]) if values.get(ONTO) else None
        except ValueError:
            raise ProvisionNotFound from None
        server = destination_get(user=self.user, backup=found, provision_id=onto)
        try:
            paths = tuple(path_within(text) for text in values.getlist(PATH)[:PATHS_MAX])
        except ValueError:
            raise PathNotFound from None
        return Choice(found, server, paths)


class BackupRestoreView(RestoreChoiceView):
    """The restore of a backup."""

    template = "backups/restore_form.html"

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Show the preview, and ask."""
        choice = self.choice(request, order, backup)
        return self._ask(_form(choice, initial={"mode": Mode.OVERLAY if choice.paths else Mode.REPLACE}), choice)

    def post(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Begin it."""
        choice = self.choice(request, order, backup)
        form = _form(choice, request.POST)
        if not form.is_valid():
            return self._ask(form, choice, HTTPStatus.BAD_REQUEST)
        found = choice.backup
        try:
            restored = backup_restore(
                user=self.user,
                order_id=order.id,
                provision_id=found.provision_id,
                backup_id=found.id,
                options=RestoreOptions(
                    mode=Mode(form.cleaned_data["mode"]),
                    safety=not form.cleaned_data["without_safety"],
                    server=ServerControl.LEAVE if form.cleaned_data["leave_running"] else ServerControl.AUTO,
                    accept_collapsed=form.collapsed,
                    destination=choice.server.id,
                    paths=choice.paths,
                ),
                idempotency=form_key(request, self.user),
            )
        except ApplicationError as error:
            return self._ask(form, choice, self.refused(form, error))
        elsewhere = None if choice.server.order_id == order.id else order_address(choice.server.order)
        return self.done(_started(found), begun=restored.operation_id, to=elsewhere)

    def _ask(self, form: RestoreForm, choice: Choice, status: int = HTTPStatus.OK) -> HttpResponseBase:
        context: dict[str, Any] = {
            "backup": choice.backup,
            "choice": choice,
            "others": destinations_of(user=self.user, backup=choice.backup),
            "volumes": Rules(user=self.user, order=self.found_order).volumes_offered,
            "caution": backup_caution(choice.backup),
            "refused": self._why_not(choice),
            "safety_hours": choice.server.order.plan.safety_hours,
            "can_stop": _can_stop(choice.server),
        }
        return self.shown(form, title=_("Restore a backup"), status=status, **context)

    def _why_not(self, choice: Choice) -> str:
        rules = Rules(user=self.user, order=choice.server.order)
        error = refusal(lambda: rules.restore_require(choice.backup, choice.server))
        return why_not(error, rules.active) if error else ""


class BackupVolumeView(RestoreChoiceView):
    """The restore of a backup into a new volume, which changes nothing that is there."""

    template = "backups/volume_form.html"

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Ask first."""
        return self._ask(NoFieldsForm(), self.choice(request, order, backup))

    def post(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Begin it."""
        choice, form = self.choice(request, order, backup), NoFieldsForm(request.POST)
        found = choice.backup
        try:
            restored = backup_restore(
                user=self.user,
                order_id=order.id,
                provision_id=found.provision_id,
                backup_id=found.id,
                options=RestoreOptions(new_volume=True, paths=choice.paths),
                idempotency=form_key(request, self.user),
            )
        except ApplicationError as error:
            return self._ask(form, choice, self.refused(form, error))
        return self.done(_started(found), begun=restored.operation_id)

    def _ask(self, form: NoFieldsForm, choice: Choice, status: int = HTTPStatus.OK) -> HttpResponseBase:
        rules = Rules(user=self.user, order=self.found_order)
        error = refusal(lambda: rules.volume_require(choice.backup))
        context: dict[str, Any] = {
            "backup": choice.backup,
            "choice": choice,
            "caution": backup_caution(choice.backup),
            "refused": why_not(error, rules.active) if error else "",
        }
        return self.shown(form, title=_("Restore into a new volume"), status=status, **context)


class BackupPreviewView(RestoreChoiceView):
    """The preview of a restore: a part of the restore page, or without scripts a page of its own."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Compare the backup with the server's present files."""
        choice = self.choice(request, order, backup)
        mode = Mode.OVERLAY if request.GET.get("mode") == Mode.OVERLAY else Mode.REPLACE
        context: dict[str, Any] = {"order": order, "backup": choice.backup, "choice": choice, "mode": mode}
        try:
            preview, named = backup_preview(
                user=self.user, backup=choice.backup, server=choice.server, mode=mode, paths=choice.paths
            )
        except (NotFound, PermissionDenied):
            raise
        except ApplicationError as error:
            # A failed preview does not stop the restore: the page reports it and goes on.
            context["refused"] = error.detail
        else:
            paths = [(str(change.kind), path_text(change.path), change.size_bytes) for change in preview.changes]
            context |= {"preview": preview, "named": named, "paths": paths}
        template = "backups/preview.html" if self.htmx else "backups/preview_page.html"
        return render(request, template, context)


class BackupUndoView(BackupFormView):
    """The undo of the last restore of a backup."""

    template = "backups/undo_form.html"

    def get(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Ask first."""
        found = order_backup_get(order=order, backup_id=backup)
        undoable = self._undoable(found)
        return self._ask(UndoForm(server_name=order.name, collapsed=_collapsed(undoable)), found, undoable)

    def post(self, request: HttpRequest, order: Order, backup: UUID) -> HttpResponseBase:
        """Begin it."""
        found = order_backup_get(order=order, backup_id=backup)
        undoable = self._undoable(found)
        form = UndoForm(request.POST, server_name=order.name, collapsed=_collapsed(undoable))
        if not form.is_valid():
            return self._ask(form, found, undoable, HTTPStatus.BAD_REQUEST)
        try:
            undone = restore_undo(
                user=self.user,
                order_id=order.id,
                provision_id=found.provision_id,
                backup_id=found.id,
                accept_collapsed=form.collapsed,
                idempotency=form_key(request, self.user),
            )
        except ApplicationError as error:
            return self._ask(form, found, undoable, self.refused(form, error))
        said = _("The restore of “%(name)s” is being taken back. You can leave this page, it goes on by itself.")
        return self.done(names_isolated(said, name=found.name), begun=undone.operation_id)

    def _undoable(self, backup: Backup) -> Undoable | None:
        undoable = Rules(user=self.user, order=self.found_order).undoable(backup.provision)
        return undoable if undoable and undoable.backup_id == backup.id else None

    def _ask(
        self, form: UndoForm, backup: Backup, undoable: Undoable | None, status: int = HTTPStatus.OK
    ) -> HttpResponseBase:
        context: dict[str, Any] = {
            "backup": backup,
            "caution": backup_caution(undoable.source) if undoable else "",
            "restored_at": undoable.finished_at if undoable else None,
            "safety_hours": self.found_order.plan.safety_hours,
            "can_stop": _can_stop(backup.provision),
        }
        return self.shown(form, title=_("Undo the restore"), status=status, **context)


def _started(backup: Backup) -> str:
    said = _("The restore of “%(name)s” was started. You can leave this page, it goes on by itself.")
    return names_isolated(said, name=backup.name)


def _collapsed(undoable: Undoable | None) -> bool:
    return undoable is not None and undoable.source.collapsed


def _form(choice: Choice, *arguments: Any, **options: Any) -> RestoreForm:
    order = choice.server.order
    return RestoreForm(
        *arguments,
        server_name=order.name,
        collapsed=choice.backup.collapsed,
        has_safety=order.plan.safety_hours > 0,
        **options,
    )


def _can_stop(provision: Provision) -> bool:
    """Whether the sidecar can stop and start the game server, as far as it has said."""
    try:
        return provision_sidecar(provision).can_stop
    except ApplicationError:
        return False
