"""Pages for changes to schedules: make, edit, preview, run now, pause, delete."""

from __future__ import annotations

from dataclasses import dataclass, fields
from http import HTTPStatus
from itertools import islice
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backups.rules import refusal
from backups.selectors import backup_names
from backups.web.backups import BackupFormView, form_key, order_primary
from backups.web.forms import NoFieldsForm
from common.errors import ApplicationError, ValidationError
from common.names import names_isolated
from orders.models import Order
from orders.rights import OrderRight, right_require
from provisions.rules import patterns_require
from schedules.models import Schedule
from schedules.preview import schedule_preview
from schedules.rules import Settings, settings_of
from schedules.selectors import order_schedule_get
from schedules.sentences import schedule_sentence
from schedules.services.runs import schedule_run
from schedules.services.schedules import schedule_create, schedule_delete, schedule_update
from schedules.web.builder import Often
from schedules.web.cards import NextRun, runs_by_clock
from schedules.web.forms import KEEPS, ScheduleForm, initial_of
from schedules.web.reasons import reasons_text

PREVIEW = "schedules/preview.html"
LISTED = 50
STYLE = "savepoint/schedules.css"
KEPT_APART = ("paused", "source")
"""Settings that the form does not show: an edit leaves them as they are."""


@dataclass(frozen=True, slots=True)
class ShownPreview:
    """The effect of a form that was not saved. refused: why there is none. cron: the expression in its normal form.
    removes, keeps: the newest of the backups that would go and stay once the next one is there, with the reasons;
    removed, kept: how many there are.
    """

    refused: str = ""
    sentence: str = ""
    cron: str = ""
    zone: str = ""
    next_runs: tuple[NextRun, ...] = ()
    removes: tuple[tuple[str, str], ...] = ()
    keeps: tuple[tuple[str, str], ...] = ()
    removed: int = 0
    kept: int = 0


class ScheduleFormView(BackupFormView):
    """The base of the forms: the schedules page is their home."""

    def home(self) -> str:
        """The schedules of the order."""
        return schedules_address(self.order) if self.order else super().home()


class ScheduleCreateView(ScheduleFormView):
    """A new schedule."""

    template = "schedules/schedule_form.html"
    previews = False
    """Whether a POST only shows the effect of what was typed."""

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Ask for its name, its times and what it keeps."""
        return self._ask(self._form())

    def post(self, request: HttpRequest, order: Order) -> HttpResponseBase:
        """Make it; or only show what it would do."""
        form = self._form(request.POST)
        if self.previews:
            return self._ask(form, preview=self._preview(form))
        if not form.is_valid():
            return self._ask(form, HTTPStatus.BAD_REQUEST)
        try:
            schedule = schedule_create(
                user=self.user,
                order_id=order.id,
                provision_id=form.provision_id,
                settings=form.settings(),
                idempotency=form_key(request, self.user),
            )
        except ValidationError as error:
            form.blame(error)
            return self._ask(form, error.status)
        except ApplicationError as error:
            return self._ask(form, self.refused(form, error))
        return self.done(names_isolated(_("“%(name)s” was saved."), name=schedule.name), to=self.home())

    def _form(self, data: Any = None, *, schedule: Schedule | None = None) -> ScheduleForm:
        order = self.found_order
        initial = initial_of(settings_of(schedule), provision_id=schedule.provision_id) if schedule else {}
        zone = schedule.time_zone if schedule else timezone.get_current_timezone_name()
        form = ScheduleForm(data, server=order_primary(order), plan=order.plan, zone=zone, initial=initial)
        form.fields["server"].disabled = schedule is not None
        return form

    def _ask(
        self,
        form: ScheduleForm,
        status: int = HTTPStatus.OK,
        *,
        schedule: Schedule | None = None,
        preview: ShownPreview | None = None,
    ) -> HttpResponseBase:
        if self.htmx and preview:
            return render(self.request, PREVIEW, {"preview": preview})
        order = self.found_order
        page = "page-schedule-edit" if schedule else "page-schedule-create"
        ids = {"order": order.id, **({"schedule": schedule.id} if schedule else {})}
        forbidden = refusal(lambda: patterns_require(user=self.user, order=order))
        title = _("Edit the schedule") if schedule else _("New schedule")
        context = {
            "style": STYLE,
            "schedule": schedule,
            "preview": preview,
            "patterns_shown": forbidden is None,
            "retention_fields": [form[rule] for rule in KEEPS],
            "modes": {often.name.lower(): often.value for often in Often},
            "here": _address(page, **ids),
            "preview_address": _address(f"{page}-preview", **ids),
        }
        return self.shown(form, title=title, status=status, **context)

    def _preview(self, form: ScheduleForm, *, schedule: Schedule | None = None) -> ShownPreview:
        """What the typed values would do, for somebody who may save them."""
        order = self.found_order
        right_require(self.user, order, OrderRight.SCHEDULES)
        # A name is no part of the effect.
        if not form.is_valid() and set(form.errors) - {"name"}:
            said = next(sentences[0] for name, sentences in form.errors.items() if name != "name")
            return ShownPreview(refused=str(said))
        form.cleaned_data.setdefault("name", "-")
        try:
            preview = schedule_preview(
                user=self.user,
                order_id=order.id,
                provision_id=schedule.provision_id if schedule else form.provision_id,
                settings=form.settings(),
                schedule_id=schedule.id if schedule else None,
            )
        except ValidationError as error:
            return ShownPreview(refused=" ".join(text for texts in error.errors.values() for text in texts))
        except ApplicationError as error:
            return ShownPreview(refused=error.detail)
        tried = preview.schedule
        removes, keeps = dict(islice(preview.removes.items(), LISTED)), dict(islice(preview.keeps.items(), LISTED))
        names = backup_names([*removes, *keeps])
        return ShownPreview(
            sentence=schedule_sentence(tried),
            cron=tried.cron,
            zone=tried.time_zone,
            next_runs=runs_by_clock(preview.next_runs, zone=tried.time_zone),
            removes=tuple((names[going], reasons_text([why])) for going, why in removes.items() if going in names),
            keeps=tuple((names[kept], reasons_text(why)) for kept, why in keeps.items() if kept in names),
            removed=len(preview.removes),
            kept=len(preview.keeps),
        )


class ScheduleEditView(ScheduleCreateView):
    """Other times, or another retention."""

    def get(self, request: HttpRequest, order: Order, schedule: UUID) -> HttpResponseBase:  # type: ignore[override]  # noqa: ARG002  # the address of one schedule
        """Show its settings."""
        found = order_schedule_get(order=order, schedule_id=schedule)
        return self._ask(self._form(schedule=found), schedule=found)

    def post(self, request: HttpRequest, order: Order, schedule: UUID) -> HttpResponseBase:  # type: ignore[override]  # as above
        """Save them; or only show what they would do."""
        found = order_schedule_get(order=order, schedule_id=schedule)
        form = self._form(request.POST, schedule=found)
        if self.previews:
            return self._ask(form, schedule=found, preview=self._preview(form, schedule=found))
        if not form.is_valid():
            return self._ask(form, HTTPStatus.BAD_REQUEST, schedule=found)
        try:
            changed = schedule_update(user=self.user, schedule=found, changes=_changes(form.settings()))
        except ValidationError as error:
            form.blame(error)
            return self._ask(form, error.status, schedule=found)
        except ApplicationError as error:
            return self._ask(form, self.refused(form, error), schedule=found)
        return self.done(names_isolated(_("“%(name)s” was saved."), name=changed.name), to=self.home())


class ScheduleAskView(ScheduleFormView):
    """The base of a question that a button answers: GET asks, POST does it."""

    title: str | Promise

    def get(self, request: HttpRequest, order: Order, schedule: UUID) -> HttpResponseBase:  # noqa: ARG002  # Django's signature
        """Ask first."""
        return self._ask(NoFieldsForm(), order_schedule_get(order=order, schedule_id=schedule))

    def post(self, request: HttpRequest, order: Order, schedule: UUID) -> HttpResponseBase:  # Django's signature
        """Do it."""
        found = order_schedule_get(order=order, schedule_id=schedule)
        form = NoFieldsForm(request.POST)
        form.is_valid()
        try:
            said = self.act(found)
        except ApplicationError as error:
            return self._ask(form, found, self.refused(form, error))
        return self.done(names_isolated(said, name=found.name), to=self.home())

    def act(self, schedule: Schedule) -> str:
        """Do what was asked; return the sentence about `%(name)s`. Raises ApplicationError."""
        raise NotImplementedError

    def _ask(self, form: forms.Form, schedule: Schedule, status: int = HTTPStatus.OK) -> HttpResponseBase:
        context = {"schedule": schedule, "here": self.request.path}
        return self.shown(form, title=str(self.title), status=status, **context)


class SchedulePauseView(ScheduleAskView):
    """A pause, and its end."""

    template = "schedules/pause_form.html"
    title = gettext_lazy("Pause the schedule")

    def act(self, schedule: Schedule) -> str:
        """Pause it, or let it go on with `paused=no`."""
        paused = self.request.POST.get("paused") != "no"
        schedule_update(user=self.user, schedule=schedule, changes={"paused": paused})
        return _("“%(name)s” is paused: it makes no backups.") if paused else _("“%(name)s” goes on.")


class ScheduleDeleteView(ScheduleAskView):
    """The end of a schedule."""

    template = "schedules/delete_form.html"
    title = gettext_lazy("Delete the schedule")

    def act(self, schedule: Schedule) -> str:
        """Delete it; its backups stay."""
        schedule_delete(user=self.user, schedule=schedule)
        return _("“%(name)s” was deleted. Its backups are still there.")


class ScheduleRunPageView(ScheduleAskView):
    """A run that is not its time."""

    template = "schedules/run_form.html"
    title = gettext_lazy("Run the schedule now")

    def act(self, schedule: Schedule) -> str:
        """Begin its backup."""
        schedule_run(user=self.user, schedule=schedule, idempotency=form_key(self.request, self.user))
        return _("“%(name)s” runs now. You can leave this page, it goes on by itself.")


def schedules_address(order: Order) -> str:
    """The address of the schedules of an order."""
    return _address("page-schedules", order=order.id)


def _address(name: str, **ids: UUID) -> str:
    return reverse(name, kwargs=ids)


def _changes(settings: Settings) -> dict[str, Any]:
    return {item.name: getattr(settings, item.name) for item in fields(settings) if item.name not in KEPT_APART}
