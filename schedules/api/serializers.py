"""Schedules as the API takes and shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from backups.api.labels import TagsField
from common.api.fields import IdField, NameField, StrictBooleanField, StrictSerializer, UtcField
from common.errors import error_title
from common.names import NAME_LENGTH_MAX, NAME_REFUSED, name_allowed
from orders.api.patterns import PATTERNS_HELP, PatternsField
from orders.models import BackupFormat, BackupSource
from orders.patterns import patterns_of
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.models.schedule import CRON_LENGTH_MAX
from schedules.preview import Preview
from schedules.selectors import last_runs, next_runs
from schedules.sentences import schedule_sentence


class RetentionSerializer(serializers.Serializer[Any]):
    """The backups of a schedule that are kept. One stays when any rule keeps it; without a rule all stay."""

    last = serializers.IntegerField(required=False, help_text="The newest ones.")
    hourly = serializers.IntegerField(required=False, help_text="The newest of each of so many hours.")
    daily = serializers.IntegerField(required=False, help_text="The newest of each of so many days.")
    weekly = serializers.IntegerField(required=False, help_text="The newest of each of so many ISO weeks.")
    monthly = serializers.IntegerField(required=False, help_text="The newest of each of so many months.")
    yearly = serializers.IntegerField(required=False, help_text="The newest of each of so many years.")
    within_days = serializers.IntegerField(required=False, help_text="All that are at most so many days old.")


@extend_schema_field(RetentionSerializer)
class RetentionField(serializers.JSONField):
    """A retention; its rules are checked by the service."""


class PatternOfNamesField(serializers.CharField):
    """A pattern of names on one line."""

    default_error_messages = {"control": NAME_REFUSED}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=NAME_LENGTH_MAX, trim_whitespace=False, allow_blank=True, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The pattern itself, if its letters may stand in a name."""
        text = super().to_internal_value(data)
        if not name_allowed(text):
            self.fail("control")
        return text


class TextField(serializers.CharField):
    """A text, and no number."""

    def to_internal_value(self, data: Any) -> str:
        """The text itself, if it is one."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ScheduleUpdateFields(StrictSerializer):
    """The fields of a schedule that can be changed."""

    name = NameField(required=False)
    cron = TextField(
        required=False,
        max_length=CRON_LENGTH_MAX,
        help_text=(
            "Minute, hour, day of the month, month, day of the week; a sixth field in front is the second, a seventh "
            "at the end the year. Or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`."
        ),
    )
    time_zone = TextField(required=False, max_length=64, help_text="An IANA name, like `Europe/Berlin`. Default: UTC.")
    source = serializers.ChoiceField(choices=BackupSource.values, required=False, help_text="What is backed up.")  # type: ignore[assignment]  # the name is the contract's
    format = serializers.ChoiceField(
        choices=["", *BackupFormat.values], required=False, help_text="Empty: as the plan of the order says."
    )
    exclude = PatternsField(required=False, help_text=f"{PATTERNS_HELP} They count for the backups of this schedule.")
    tags = TagsField()
    retention = RetentionField(required=False)
    name_pattern = PatternOfNamesField(
        required=False,
        help_text="Names of the backups, with `{date}`, `{time}`, `{server}`, `{schedule}`. Empty: the default.",
    )
    only_if_changed = StrictBooleanField(
        required=False, help_text="Whether a run makes no backup when nothing has changed since the last one."
    )
    paused = StrictBooleanField(required=False)


class ScheduleCreateFields(ScheduleUpdateFields):
    """The fields of a new schedule."""

    name = NameField()
    cron = TextField(max_length=CRON_LENGTH_MAX, help_text=ScheduleUpdateFields().fields["cron"].help_text)


class SchedulePreviewFields(ScheduleCreateFields):
    """A schedule that is not saved."""

    name = NameField(required=False, default="-", help_text="It changes nothing here.")
    schedule = IdField(
        required=False, help_text="The schedule that would be changed to this: its backups are among those that go."
    )


class LastRunSerializer(serializers.Serializer[Any]):
    """The newest run of a schedule."""

    due_at = UtcField()
    state = serializers.ChoiceField(choices=RunState.choices)
    backup = serializers.UUIDField(source="backup_id", allow_null=True)


class RunErrorSerializer(serializers.Serializer[Any]):
    """The reason why a run waits, was skipped, or failed."""

    code = serializers.CharField()
    title = serializers.CharField(help_text="In the reader's language.")


class RunSerializer(LastRunSerializer):
    """One run of a schedule on one server."""

    id = serializers.UUIDField()
    provision = serializers.UUIDField(source="provision_id")
    due_since = UtcField(allow_null=True, help_text="The first of the missed times for which this run stands as well.")
    starts_at = UtcField(help_text="The due time and the server's share of the time over which a host's starts spread.")
    started_at = UtcField(allow_null=True)
    finished_at = UtcField(allow_null=True)
    operation = serializers.UUIDField(source="operation_id", allow_null=True)
    error = serializers.SerializerMethodField()

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: ScheduleRun) -> dict[str, str] | None:
        """The code with its title."""
        return {"code": run.error_code, "title": error_title(run.error_code)} if run.error_code else None


class ScheduleSerializer(serializers.Serializer[Any]):
    """A schedule."""

    id = serializers.UUIDField()
    provision = serializers.UUIDField(
        source="provision_id", allow_null=True, help_text="Null: every server of the order."
    )
    name = serializers.CharField()
    cron = serializers.CharField(help_text="In its normal form.")
    time_zone = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # the name is the contract's
    format = serializers.CharField(help_text="Empty: as the plan of the order says.")
    exclude = serializers.SerializerMethodField()
    tags = serializers.ListField(child=serializers.CharField())
    retention = RetentionField()
    name_pattern = serializers.CharField()
    only_if_changed = serializers.BooleanField()
    paused = serializers.BooleanField()
    of_plan = serializers.BooleanField(help_text="Whether it belongs to the plan: it cannot be changed here.")
    error = serializers.CharField(source="error_code", help_text="Why it cannot run. Empty: it can.")
    sentence = serializers.SerializerMethodField(help_text="When it runs, in the reader's language.")
    next_runs = serializers.SerializerMethodField(help_text="The next five times; none while it is paused.")
    last_run = serializers.SerializerMethodField()

    def get_exclude(self, schedule: Schedule) -> list[str]:
        """The patterns, one a line."""
        return patterns_of(schedule.exclude)

    def get_sentence(self, schedule: Schedule) -> str:
        """When it runs."""
        return schedule_sentence(schedule)

    def get_next_runs(self, schedule: Schedule) -> list[str]:
        """The next five times, in UTC."""
        if schedule.paused or schedule.error_code:
            return []
        return times_shown(next_runs(schedule, after=timezone.now()))

    @extend_schema_field(LastRunSerializer(allow_null=True))
    def get_last_run(self, schedule: Schedule) -> Any:
        """The newest run that has begun, out of the context."""
        run: ScheduleRun | None = self.context["last_runs"].get(schedule.id)
        return None if run is None else LastRunSerializer(run).data


class KeptSerializer(serializers.Serializer[Any]):
    """A backup that the retention keeps."""

    backup = serializers.UUIDField()
    reasons = serializers.ListField(child=serializers.CharField())


class RemovedSerializer(serializers.Serializer[Any]):
    """A backup that the retention removes."""

    backup = serializers.UUIDField()
    reason = serializers.CharField()


class SchedulePreviewSerializer(serializers.Serializer[Any]):
    """What a schedule would do, once its next backup is there."""

    cron = serializers.CharField(help_text="In its normal form.")
    time_zone = serializers.CharField()
    sentence = serializers.CharField()
    next_runs = serializers.ListField(child=serializers.DateTimeField())
    keeps = KeptSerializer(many=True)
    removes = RemovedSerializer(many=True)


def times_shown(moments: Sequence[datetime]) -> list[str]:
    """Times in UTC, as the API writes them."""
    field = UtcField()
    return [str(field.to_representation(moment)) for moment in moments]


def schedules_shown(schedules: Sequence[Schedule]) -> list[Any]:
    """Schedules as JSON."""
    return list(ScheduleSerializer(schedules, many=True, context={"last_runs": last_runs(schedules)}).data)


def schedule_shown(schedule: Schedule) -> Any:
    """One schedule as JSON."""
    return schedules_shown([schedule])[0]


def preview_shown(preview: Preview) -> dict[str, Any]:
    """A preview as JSON."""
    return {
        "cron": preview.schedule.cron,
        "time_zone": preview.schedule.time_zone,
        "sentence": schedule_sentence(preview.schedule),
        "next_runs": times_shown(preview.next_runs),
        "keeps": [{"backup": str(kept), "reasons": list(reasons)} for kept, reasons in preview.keeps.items()],
        "removes": [{"backup": str(going), "reason": reason} for going, reason in preview.removes.items()],
    }
