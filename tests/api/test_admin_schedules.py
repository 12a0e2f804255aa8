"""Staff see schedules and runs, and pause schedules; nothing else is changed there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from schedules.models import RunState, Schedule, ScheduleRun
from tests.api.admin_pages import messages_of, page
from tests.factories import ScheduleFactory, ScheduleRunFactory, UserFactory

pytestmark = pytest.mark.django_db
THEN = datetime(2026, 11, 21, 10, 20, 30, tzinfo=UTC)


def act(client: Client, action: str, *schedules: Schedule) -> list[str]:
    chosen = {"action": action, "_selected_action": [schedule.pk for schedule in schedules]}
    return messages_of(client.post(page(Schedule, "changelist"), chosen, follow=True))


def test_schedules_are_paused_and_go_on_with_one_run_for_what_they_missed(admin_client, admin_user):
    schedules = [ScheduleFactory(created_at=THEN), ScheduleFactory(of_plan=True, created_at=THEN)]
    assert len(act(admin_client, "pause", *schedules)) == 2
    assert set(Schedule.objects.values_list("paused", "next_due_at")) == {(True, None)}
    assert AuditEvent.objects.filter(action="schedule.update", actor=admin_user, data={"paused": True}).count() == 2
    act(admin_client, "resume", *schedules)
    for schedule in Schedule.objects.all():
        assert schedule.paused is False
        assert THEN < schedule.next_due_at < timezone.now()


def test_broken_schedule_stays_without_a_due_time(admin_client):
    broken = ScheduleFactory(broken=True, paused=True)
    act(admin_client, "resume", broken)
    broken.refresh_from_db()
    assert (broken.paused, broken.next_due_at, broken.error_code) == (False, None, "schedule_broken")


def test_unreadable_schedule_is_told_and_left_as_it_is(admin_client):
    unreadable = ScheduleFactory(paused=True, next_due_at=None, cron="every day")
    (said,) = act(admin_client, "resume", unreadable)
    assert unreadable.name in said
    unreadable.refresh_from_db()
    assert unreadable.paused is True


def test_staff_who_only_look_pause_nothing():
    reader = UserFactory(is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__in=["view_schedule", "view_schedulerun"]))
    client = Client()
    client.force_login(reader)
    schedule = ScheduleFactory()
    act(client, "pause", schedule)
    schedule.refresh_from_db()
    assert schedule.paused is False
    assert client.post(page(Schedule, "change", schedule.pk), {"cron": "@hourly"}).status_code == 403
    assert client.post(page(Schedule, "delete", schedule.pk), {"post": "yes"}).status_code == 403


def test_lists_tell_when_a_schedule_runs_and_why_a_run_waits(admin_client):
    schedule = ScheduleFactory(cron="30 4 * * *")
    ScheduleRunFactory(schedule=schedule, error_code="run_waiting", state=RunState.SKIPPED, finished_at=THEN)
    assert "Every day at 4:30 a.m., time zone UTC" in admin_client.get(page(Schedule, "changelist")).content.decode()
    assert "Earlier run waits" in admin_client.get(page(ScheduleRun, "changelist")).content.decode()
