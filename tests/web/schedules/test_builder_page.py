"""The builder: its fields become a cron expression, its preview says what that would do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from schedules.models import Schedule
from tests.factories import BackupFactory, ScheduleFactory
from tests.web.backups.reading import hx, read

DAILY = {"mode": "daily", "daily_time": "04:00"}


@pytest.fixture
def here(rental):
    return f"{rental.page}schedules/create/"


@pytest.fixture
def typed(rental):
    return {"name": "Nightly", "server": str(rental.server.id), "time_zone": "Europe/Berlin", **DAILY}


@pytest.mark.parametrize(
    ("fields", "cron"),
    [
        ({"mode": "hourly", "hourly_minute": "15"}, "15 * * * *"),
        (DAILY, "0 4 * * *"),
        ({"mode": "weekly", "weekly_days": ["1", "0"], "weekly_time": "23:30"}, "30 23 * * 0,1"),
        ({"mode": "monthly", "monthly_day": "L", "monthly_time": "00:05"}, "5 0 L * *"),
        ({"mode": "cron", "cron": "0  8-10 * * mon-fri"}, "0 8-10 * * 1-5"),
    ],
)
def test_each_kind_of_the_builder_makes_a_schedule(fields, cron, rental, owner, here, typed):
    answer = owner.post(here, typed | fields | {"tags": "night, event", "daily": "7", "exclude": "*.log"}, follow=True)
    assert "“Nightly” was saved." in read(answer).one(id="messages").text
    made = Schedule.objects.get()
    assert (made.cron, made.time_zone, made.provision) == (cron, "Europe/Berlin", rental.server)
    assert (made.tags, made.retention, made.exclude) == (["night", "event"], {"daily": 7}, "*.log")
    form = read(owner.get(f"{rental.page}schedules/{made.id}/edit/"))
    assert form.one("input", name="mode", checked="")["value"] == fields["mode"]
    assert form.one("input", name="tags")["value"] == "night, event"


def test_a_schedule_of_every_server_belongs_to_the_order(rental, owner, here, typed):
    owner.post(here, typed | {"server": "every"})
    assert Schedule.objects.get().provision is None


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": ""}, "name"),
        ({"mode": "hourly", "hourly_minute": ""}, "hourly_minute"),
        ({"mode": "hourly", "hourly_minute": "60"}, "hourly_minute"),
        ({"mode": "weekly", "weekly_time": "04:00"}, "weekly_days"),
        ({"mode": "cron", "cron": "61 * * * *"}, "cron"),
        ({"mode": "cron", "cron": ""}, "cron"),
        ({"daily_time": "25:00"}, "daily_time"),
        ({"time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"daily": "-1"}, "daily"),
        ({"name_pattern": "{nobody}"}, "name_pattern"),
        ({"server": "7"}, "server"),
        ({"tags": "a" * 200}, "tags"),
    ],
)
def test_an_impossible_field_is_refused_beside_it(fields, place, rental, owner, here, typed):
    answer = owner.post(here, typed | fields)
    assert answer.status_code == 400
    wrong = {node.attributes.get("name") for node in read(answer).all(aria_invalid="true")}
    assert place in wrong
    assert not Schedule.objects.exists()


def test_a_schedule_more_frequent_than_the_plan_allows_is_refused(rental, owner, here, typed):
    rental.order.plan.shortest_interval_minutes = 120
    rental.order.plan.save()
    answer = owner.post(here, typed | {"mode": "hourly", "hourly_minute": "0"})
    assert answer.status_code == 400
    assert read(answer).one("input", name="hourly_minute")["aria-invalid"] == "true"


@pytest.mark.parametrize("headers", [{}, hx(target="preview")], ids=["a whole page", "a part"])
def test_the_preview_says_the_times_and_what_would_go(headers, rental, owner, here, typed):
    schedule = ScheduleFactory(order=rental.order, provision=rental.server, retention={"last": 2})
    for number, name in enumerate(("Newest", "Middle", "Oldest")):
        backup = BackupFactory(provision=rental.server, name=name, schedule_id=schedule.id)
        type(backup).objects.filter(id=backup.id).update(created_at=timezone.now() - timedelta(days=number + 1))
    edit = f"{rental.page}schedules/{schedule.id}/edit/preview/"
    answer = owner.post(edit, typed | {"name": "", "mode": "cron", "cron": "0 4 * * mon", "last": "2"}, headers=headers)
    assert answer.status_code == 200
    part = read(answer).one(id="preview") if not headers else read(answer)
    assert "Every week on Monday at 4 a.m., time zone Europe/Berlin" in part.text
    assert part.one("code").text == "0 4 * * 1"
    assert len(part.one(class_="next-runs").all("li")) == 5
    assert "2 backups would go:" in part.text
    assert "Oldest · no rule keeps it" in part.text
    assert "Newest · among the newest" in part.text
    schedule.refresh_from_db()
    assert schedule.cron == "0 * * * *"


def test_the_preview_says_why_there_is_none(rental, owner, here, typed):
    answer = owner.post(f"{here}preview/", typed | {"mode": "cron", "cron": "61 * * * *"}, headers=hx(target="preview"))
    assert answer.status_code == 200
    assert read(answer).one("p", class_="muted").text
    assert not read(answer).has(class_="next-runs")


def test_an_edit_keeps_a_pause_and_counts_from_now(rental, owner, typed):
    paused = ScheduleFactory(order=rental.order, provision=rental.server, paused=True, next_due_at=None)
    owner.post(f"{rental.page}schedules/{paused.id}/edit/", typed)
    paused.refresh_from_db()
    assert (paused.cron, paused.paused, paused.next_due_at) == ("0 4 * * *", True, None)


def test_sending_the_form_twice_makes_one_schedule(rental, owner, here, typed):
    for _ in range(2):
        assert owner.post(here, typed | {"key": "once"}).status_code == 302
    assert Schedule.objects.count() == 1
