"""The form of a schedule: a builder beside the raw cron field; it works without scripts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.preferences import time_zones
from backups.web.forms import NameField, PatternsField, TagsField
from common.errors import ValidationError
from orders.models import BackupFormat, Plan
from orders.retention import KEPT_MAX, RULES
from provisions.models import Provision
from schedules.models.schedule import CRON_LENGTH_MAX
from schedules.rules import Settings
from schedules.web.builder import LAST_DAY, Often, Rule, rule_of

MODES = {
    Often.HOURLY: pgettext_lazy("how often a schedule runs", "Hourly"),
    Often.DAILY: pgettext_lazy("how often a schedule runs", "Daily"),
    Often.WEEKLY: pgettext_lazy("how often a schedule runs", "Weekly"),
    Often.MONTHLY: pgettext_lazy("how often a schedule runs", "Monthly"),
    Often.CRON: pgettext_lazy("how often a schedule runs", "By a cron expression"),
}
KEEPS = {
    "last": gettext_lazy("Newest backups"),
    "hourly": gettext_lazy("Hours, one backup each"),
    "daily": gettext_lazy("Days, one backup each"),
    "weekly": gettext_lazy("Weeks, one backup each"),
    "monthly": gettext_lazy("Months, one backup each"),
    "yearly": gettext_lazy("Years, one backup each"),
    "within_days": gettext_lazy("Days, all backups of them"),
}
"""The label of each rule of a retention."""

EVERY = "every"
"""The choice of every server of an order."""

TIME = {"type": "time", "step": "60"}


class TimeField(forms.TimeField):
    """A time of the clock."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TimeInput(format="%H:%M", attrs=TIME)
        super().__init__(label=pgettext_lazy("of the clock", "Time"), required=False, widget=widget, **kwargs)


class ScheduleForm(forms.Form):
    """A schedule. Each kind of the builder has fields of its own; those of the others are not looked at."""

    # Fields of the kinds that were not chosen may stay empty.
    use_required_attribute = False

    name = NameField()
    server = forms.ChoiceField(label=gettext_lazy("Server"))
    mode = forms.ChoiceField(
        label=gettext_lazy("How often"), choices=list(MODES.items()), widget=forms.RadioSelect, initial=Often.DAILY
    )
    hourly_minute = forms.IntegerField(
        label=pgettext_lazy("of the clock", "Minute"), required=False, min_value=0, max_value=59, initial=0
    )
    daily_time = TimeField(initial="04:00")
    weekly_days = forms.MultipleChoiceField(
        label=gettext_lazy("Days of the week"),
        required=False,
        choices=[(str((day + 1) % 7), name) for day, name in WEEKDAYS.items()],
        widget=forms.CheckboxSelectMultiple,
        initial=["1"],
    )
    weekly_time = TimeField(initial="04:00")
    monthly_day = forms.ChoiceField(
        label=gettext_lazy("Day of the month"),
        required=False,
        choices=[*((str(day), str(day)) for day in range(1, 32)), (LAST_DAY, gettext_lazy("The last day"))],
        help_text=gettext_lazy("A month without this day is left out."),
    )
    monthly_time = TimeField(initial="04:00")
    cron = forms.CharField(
        label=gettext_lazy("Cron expression"),
        required=False,
        max_length=CRON_LENGTH_MAX,
        help_text=gettext_lazy("Five fields: minute, hour, day of the month, month, day of the week. 0 4 * * 1-5"),
        widget=forms.TextInput(
            attrs={"dir": "ltr", "autocapitalize": "off", "spellcheck": "false", "autocomplete": "off"}
        ),
    )
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"))
    only_if_changed = forms.BooleanField(
        label=gettext_lazy("Only when something has changed"),
        required=False,
        help_text=gettext_lazy("A run that finds no change makes no backup, and counts as protected all the same."),
    )
    format = forms.ChoiceField(label=pgettext_lazy("of a backup", "Format"), required=False)
    exclude = PatternsField(help_text=gettext_lazy("One pattern on each line, as in a file .gitignore: *.log, /cache/"))
    name_pattern = forms.CharField(
        label=gettext_lazy("Names of the backups"),
        required=False,
        max_length=100,
        help_text=gettext_lazy("With {date}, {time}, {server}, {schedule} in it. Empty: name, date and time."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    tags = TagsField()

    def __init__(self, *args: Any, server: Provision, plan: Plan, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for rule in RULES:
            self.fields[rule] = forms.IntegerField(
                label=KEEPS[rule], required=False, min_value=0, max_value=KEPT_MAX, initial=self.initial.get(rule)
            )
        every = gettext_lazy("Every server of the order, also a later one")
        self._choices("server", [(str(server.id), server.name), (EVERY, every)])
        self._choices("time_zone", [(name, name) for name in sorted({*time_zones(), zone})])
        self.fields["time_zone"].initial = zone
        formats = [BackupFormat(name) for name in plan.formats or BackupFormat.values]
        of_plan = gettext_lazy("As the plan says")
        self._choices("format", [("", of_plan), *((choice.value, choice.label) for choice in formats)])

    def _choices(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices

    def clean(self) -> dict[str, Any]:
        """Ask for the fields of the chosen kind."""
        values = super().clean() or {}
        for name in NEEDED.get(values.get("mode", ""), ()):
            if name not in self.errors and values.get(name) in (None, "", []):
                self.add_error(name, _("This field is required."))
        return values

    @property
    def rule(self) -> Rule:
        """The rule that the valid form states."""
        values = self.cleaned_data
        often = Often(values["mode"])
        times = {Often.DAILY: "daily_time", Often.WEEKLY: "weekly_time", Often.MONTHLY: "monthly_time"}
        found: dict[str, Any] = {"often": often, "cron": values.get("cron", "")}
        if often in times:
            found["at"] = values[times[often]]
        if often is Often.HOURLY:
            found["minute"] = values["hourly_minute"]
        if often is Often.WEEKLY:
            found["weekdays"] = tuple(int(day) for day in values["weekly_days"])
        if often is Often.MONTHLY:
            found["day"] = values["monthly_day"]
        return Rule(**found)

    @property
    def provision_id(self) -> UUID | None:
        """The server of the valid form; None for every server."""
        chosen = self.cleaned_data["server"]
        return None if chosen == EVERY else UUID(chosen)

    def settings(self, *, paused: bool = False) -> Settings:
        """The settings that the valid form states."""
        values = self.cleaned_data
        return Settings(
            name=values["name"],
            cron=self.rule.expression,
            time_zone=values["time_zone"],
            format=values["format"],
            exclude=values["exclude"],
            tags=values["tags"],
            retention={rule: values[rule] for rule in RULES if values[rule]},
            name_pattern=values["name_pattern"],
            only_if_changed=values["only_if_changed"],
            paused=paused,
        )

    def blame(self, error: ValidationError) -> None:
        """Put the fields that the service refused beside those of the form."""
        for name, said in error.errors.items():
            for sentence in said:
                self.add_error(self._place(name), sentence)

    def _place(self, name: str) -> str | None:
        if name == "cron":
            return {
                Often.HOURLY: "hourly_minute",
                Often.DAILY: "daily_time",
                Often.WEEKLY: "weekly_days",
                Often.MONTHLY: "monthly_day",
            }.get(Often(self.cleaned_data["mode"]), "cron")
        if name == "retention":
            return RULES[0]
        return name if name in self.fields else None


NEEDED: dict[str, tuple[str, ...]] = {
    Often.HOURLY: ("hourly_minute",),
    Often.DAILY: ("daily_time",),
    Often.WEEKLY: ("weekly_days", "weekly_time"),
    Often.MONTHLY: ("monthly_day", "monthly_time"),
    Often.CRON: ("cron",),
}
"""The fields that each kind of the builder needs."""


def initial_of(settings: Settings, *, provision_id: UUID | None) -> dict[str, Any]:
    """The values of the form for a stored schedule."""
    rule = rule_of(settings.cron)
    clock = f"{rule.at:%H:%M}"
    return {
        "name": settings.name,
        "server": str(provision_id) if provision_id else EVERY,
        "mode": rule.often.value,
        "hourly_minute": rule.minute,
        "daily_time": clock,
        "weekly_time": clock,
        "monthly_time": clock,
        "weekly_days": [str(day) for day in rule.weekdays],
        "monthly_day": rule.day,
        "cron": settings.cron,
        "time_zone": settings.time_zone,
        "only_if_changed": settings.only_if_changed,
        "format": settings.format,
        "exclude": "\n".join(settings.exclude),
        "name_pattern": settings.name_pattern,
        "tags": ", ".join(settings.tags),
        **settings.retention,
    }
