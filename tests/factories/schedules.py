"""Schedules and their runs."""

from datetime import UTC, datetime, timedelta

import factory

from schedules.models import OrderProtection, Rotation, RunState, Schedule, ScheduleRun, Trigger, TriggerKind
from schedules.protection.state import Reason, State
from tests.factories.orders import OrderFactory
from tests.factories.provisions import ProvisionFactory

NEXT_YEAR = datetime(2027, 1, 1, 4, tzinfo=UTC)


class ScheduleFactory(factory.django.DjangoModelFactory):
    """An hourly schedule of a whole order, which is due in the far future."""

    class Meta:
        model = Schedule

    class Params:
        broken = factory.Trait(error_code="schedule_broken", next_due_at=None)

    order = factory.SubFactory(OrderFactory)
    name = factory.Sequence(lambda number: f"Schedule {number}")
    cron = "0 * * * *"
    next_due_at = NEXT_YEAR


class ScheduleRunFactory(factory.django.DjangoModelFactory):
    """A run that waits for its start."""

    class Meta:
        model = ScheduleRun

    class Params:
        over = factory.Trait(
            state=RunState.SUCCEEDED,
            started_at=factory.SelfAttribute("starts_at"),
            finished_at=factory.SelfAttribute("starts_at"),
        )

    schedule = factory.SubFactory(ScheduleFactory)
    provision = factory.SubFactory(ProvisionFactory, order=factory.SelfAttribute("..schedule.order"))
    due_at = factory.Sequence(lambda number: NEXT_YEAR + timedelta(hours=number))
    starts_at = factory.SelfAttribute("due_at")


class RotationFactory(factory.django.DjangoModelFactory):
    """A server at whose backups the next run of the chore looks."""

    class Meta:
        model = Rotation

    provision = factory.SubFactory(ProvisionFactory)
    requested_at = datetime(2026, 1, 1, tzinfo=UTC)


class OrderProtectionFactory(factory.django.DjangoModelFactory):
    """The protection of an order without a backup."""

    class Meta:
        model = OrderProtection

    order = factory.SubFactory(OrderFactory)
    state = State.UNPROTECTED
    reason = Reason.NO_GOOD
    refreshed_at = datetime(2026, 1, 1, tzinfo=UTC)


class TriggerFactory(factory.django.DjangoModelFactory):
    """A trigger by crashes that is looked at by the next run of the chore."""

    class Meta:
        model = Trigger

    class Params:
        changed_bytes = factory.Trait(kind=TriggerKind.CHANGED_BYTES, limit_bytes=1 << 20)

    provision = factory.SubFactory(ProvisionFactory)
    kind = TriggerKind.CRASH
    next_look_at = datetime(2026, 1, 1, tzinfo=UTC)
