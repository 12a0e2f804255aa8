"""Each thing that can be wrong with the backups of a server has its sentence, by the API and on the order page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from backups.models import Backup
from operations.models import Supervisor
from schedules.models import RunState, Schedule
from tests.factories import ScheduleFactory, ScheduleRunFactory, SupervisorFactory
from tests.web.backups.reading import read

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Case:
    """A server that was backed up in the last night, and what may happen to it."""

    def __init__(self, rental):
        self.rental = rental
        self.backup = self.made(ago=9 * HOUR)
        self.schedule = ScheduleFactory(
            order=rental.order, name="Nightly", cron="0 3 * * *",
            next_due_at=datetime(2026, 11, 26, 3, 0, tzinfo=UTC),
        )  # fmt: skip
        Schedule.objects.update(created_at=NOON - 90 * DAY)

    def made(self, *, ago, **values):
        backup = self.rental.stored(**values)
        Backup.objects.filter(id=backup.id).update(created_at=NOON - ago, completed_at=NOON - ago)
        return backup

    def failed(self, code):
        ScheduleRunFactory(
            schedule=self.schedule, provision=self.rental.server, due_at=NOON - HOUR, state=RunState.FAILED,
            error_code=code, finished_at=NOON - HOUR,
        )  # fmt: skip

    def now(self, **values):
        Backup.objects.filter(id=self.backup.id).update(**values)

    def plan(self, **values):
        type(self.rental.order.plan).objects.update(**values)

    def schedule_is(self, **values):
        Schedule.objects.update(**values)


GOOD = "Protected: backed up 9 hours ago; next on Thursday at 03:00."


def nothing(case):
    """All is well."""


def row_broken(case):
    case.schedule_is(cron="every night", next_due_at=None, error_code="validation_error")


def collapsed(case):
    case.made(ago=HOUR, collapsed=True)


def torn(case):
    case.now(warnings_total=3)


def verified(case):
    case.now(verified_at=NOON - DAY, proof={"ok": True, "depth": "data"})


def proven(case):
    case.now(verified_at=NOON - DAY, proven_at=NOON - DAY)


def verification_failed(case):
    case.made(ago=HOUR, degraded=True, proof={"ok": False, "depth": "data"})


def only_one_is_damaged(case):
    case.now(degraded=True)


def storage_full(case):
    case.failed("storage_full")


def limit_reached(case):
    case.failed("limit_reached")


def paused(case):
    case.schedule_is(paused=True, next_due_at=None)


def paused_long_ago(case):
    case.now(completed_at=NOON - 9 * DAY)
    paused(case)


def suspended(case):
    case.rental.suspend()


def suspended_long_ago(case):
    case.now(completed_at=NOON - 20 * DAY)
    case.schedule_is(next_due_at=NOON - 9 * DAY)
    suspended(case)


def plan_without(case):
    case.plan(has_backups=False)


def never_in_plan(case):
    Backup.objects.all().delete()
    plan_without(case)


def no_worker(case):
    Supervisor.objects.all().delete()


def no_worker_and_overdue(case):
    no_worker(case)
    case.schedule_is(next_due_at=NOON - HOUR)


def none_yet(case):
    Backup.objects.all().delete()


def old(case):
    case.now(completed_at=NOON - 3 * DAY)


@pytest.mark.parametrize(
    ("happens", "sentence"),
    [
        (nothing, GOOD),
        (verified, "Protected: backed up 9 hours ago, verified 1 day ago; next on Thursday at 03:00."),
        (proven, "Protected: backed up 9 hours ago, restored in a test 1 day ago; next on Thursday at 03:00."),
        (torn, f"{GOOD} The newest backup has warnings."),
        (paused, "Protected: backed up 9 hours ago. All schedules are paused."),
        (no_worker, f"{GOOD} Nothing is being worked on right now."),
        (row_broken, "At risk: the schedule “Nightly” cannot run: Invalid request."),
        (collapsed, "At risk: the server had lost most of its files when it was last backed up."),
        (verification_failed, "At risk: the newest backup is damaged. The last good one was made 9 hours ago."),
        (storage_full, "At risk: the backup of Wednesday failed: Storage full."),
        (limit_reached, "At risk: the backup of Wednesday failed: Limit reached."),
        (old, "At risk: the last good backup is old, 3 days ago."),
        (paused_long_ago, "At risk: the last good backup is old, 1 week ago. All schedules are paused."),
        (suspended, "At risk: the order is suspended, and no new backups are made."),
        (suspended_long_ago, "At risk: the order is suspended, and no new backups are made."),
        (plan_without, "At risk: the plan has no backups any more. The last good one was made 9 hours ago."),
        (no_worker_and_overdue,
         "At risk: a backup was due at 11:00, and is missing. Nothing is being worked on right now."),
        (only_one_is_damaged, "Not protected: there is no good backup."),
        (none_yet, "Not protected yet: there is no backup."),
        (never_in_plan, "Not protected: the plan has no backups."),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)  # fmt: skip
def test_each_thing_that_is_wrong_has_its_sentence(happens, sentence, rental, client, owner, monkeypatch):
    SupervisorFactory()
    monkeypatch.setattr(timezone, "now", lambda: NOON)
    happens(Case(rental))
    found = client.get(f"/api/v1/orders/{rental.order.id}/protection/").json()
    assert found["sentence"] == sentence
    assert found["state"] == {"P": "protected", "A": "at_risk", "N": "unprotected"}[sentence[0]]
    assert read(owner.get(rental.page)).one(id="protection-sentence").text == sentence
