"""The cards of schedules: their state at a glance, and their buttons for those who may press them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import Backup
from schedules.models import RunState, Schedule, ScheduleRun
from tests.api.queries import queries_of
from tests.factories import (
    ChoreRunFactory,
    OrderUserPermissionFactory,
    ScheduleFactory,
    ScheduleRunFactory,
    SupervisorFactory,
    UserFactory,
)
from tests.web.backups.reading import read
from tests.web.backups.test_texts_of_people import NASTY
from tests.world.clients import browser_of


@pytest.fixture
def here(rental):
    return f"{rental.page}schedules/"


def member_of(rental, *rights):
    user = UserFactory()
    for right in ("view_order", *rights):
        OrderUserPermissionFactory(content_object=rental.order, user=user, right=right)
    return browser_of(user)


def card_of(page, schedule):
    return page.one("li", id=f"schedule-{schedule.id}")


def buttons(card):
    return [link.text.partition(":")[0] for link in card.all("a", class_="button")]


def test_a_card_says_everything_about_its_schedule(rental, owner, here):
    schedule = ScheduleFactory(
        order=rental.order, provision=rental.server, name="Nightly", cron="0 4 * * *", time_zone="Asia/Tokyo",
        retention={"last": 3, "daily": 7}, only_if_changed=True, tags=["night"], exclude="*.log\n/cache/",
    )  # fmt: skip
    backup = rental.stored()
    ScheduleRunFactory(schedule=schedule, provision=rental.server, due_at=timezone.now(), over=True, backup=backup)
    card = card_of(read(owner.get(here)), schedule)
    assert card.one("p", class_="rule").text == "Every day at 4 a.m., time zone Asia/Tokyo"
    for said in (
        "Active", "Succeeded", "newest: 3, daily: 7", "Only when something has changed", "2 patterns", "night",
        rental.server.name, "Asia/Tokyo",
    ):  # fmt: skip
        assert said in card.text
    times = [item.all("time")[0].text for item in card.one(class_="next-runs").all("li")]
    assert len(times) == 5
    assert all(time.endswith("04:00") for time in times)
    assert card.has("a", href=rental.at(backup))
    assert buttons(card) == ["Run now", "Pause", "Edit", "Delete"]


@pytest.mark.parametrize(
    ("state", "code", "tone", "said"),
    [
        (RunState.FAILED, "storage_unavailable", "bad", "Storage not reachable"),
        (RunState.UNCHANGED, "", "ok", "Nothing changed"),
        (RunState.SKIPPED, "run_waiting", "plain", "Earlier run waits"),
    ],
)
def test_the_last_run_has_its_colour_its_word_and_its_reason(state, code, tone, said, rental, owner, here):
    schedule = ScheduleFactory(order=rental.order)
    old, new = (timezone.now() - timedelta(hours=hours) for hours in (9, 2))
    common = {"schedule": schedule, "provision": rental.server, "over": True}
    ScheduleRunFactory(due_at=old, **common)
    ScheduleRunFactory(due_at=new, state=state, error_code=code, **common)
    card = card_of(read(owner.get(here)), schedule)
    assert said in card.text
    assert card.has(class_=tone)
    assert "2 hours ago" in card.text
    assert "Succeeded" not in card.text


def test_a_paused_and_a_broken_schedule_say_so_and_have_no_next_runs(rental, owner, here):
    paused = ScheduleFactory(order=rental.order, paused=True, next_due_at=None)
    broken = ScheduleFactory(order=rental.order, broken=True)
    page = read(owner.get(here))
    for schedule, word in ((paused, "Paused"), (broken, "Cannot run")):
        card = card_of(page, schedule)
        assert word in card.one("ul", class_="marks").text
        assert not card.has(class_="next-runs")
    assert "Go on" in buttons(card_of(page, paused))


def test_the_schedule_of_the_plan_is_marked_and_only_run_by_hand(rental, owner, here):
    schedule = ScheduleFactory(order=rental.order, of_plan=True)
    card = card_of(read(owner.get(here)), schedule)
    assert "Of your plan" in card.text
    assert "as the plan says" in card.text
    assert buttons(card) == ["Run now"]


def test_a_member_without_the_right_sees_schedules_and_no_buttons(rental, here):
    schedule = ScheduleFactory(order=rental.order)
    page = read(member_of(rental, "create_backup").get(here))
    assert buttons(card_of(page, schedule)) == []
    assert "New schedule" not in page.text
    page = read(member_of(rental, "manage_schedules").get(here))
    assert len(buttons(card_of(page, schedule))) == 4
    assert page.has("a", id="new-schedule")


def test_a_plan_without_schedules_of_customers_says_why(rental, owner, here):
    schedule = ScheduleFactory(order=rental.order)
    rental.order.plan.customer_schedules = False
    rental.order.plan.save()
    page = read(owner.get(here))
    assert "has no backups that begin by rules of yours" in page.described(page.one("button", disabled=""))
    assert buttons(card_of(page, schedule)) == ["Delete"]


def test_a_free_plan_offers_no_schedule_and_says_why(rental, owner, here):
    rental.order.plan.has_backups = False
    rental.order.plan.save()
    page = read(owner.get(here))
    assert "No schedules yet" in page.one(class_="empty").text
    assert not page.one(class_="empty").has("a")
    assert page.described(page.one("button", disabled=""))


def test_a_suspended_order_shows_its_schedules_and_lets_nothing_be_done(rental, owner, here):
    schedule = ScheduleFactory(order=rental.order)
    rental.suspend()
    page = read(owner.get(here))
    assert buttons(card_of(page, schedule)) == []
    assert "suspended" in page.described(page.one("button", disabled=""))


def test_an_order_without_a_server_says_why_there_can_be_no_schedule(rental, owner, here):
    rental.server.is_primary = False
    rental.server.save()
    page = read(owner.get(here))
    assert page.described(page.one("button", disabled=""))
    assert owner.get(f"{rental.page}triggers/").status_code == 200


@pytest.mark.parametrize("page", ["", "schedules/", "schedules/calendar/", "triggers/"])
def test_every_page_says_when_no_worker_is_alive_or_the_tick_is_late(page, rental, owner):
    address = f"{rental.page}{page}"
    assert "Our workers are away." in read(owner.get(address)).one(id="workers-away").text
    supervisor = SupervisorFactory(workers_alive=1)
    type(supervisor).objects.update(seen_at=timezone.now(), started_at=timezone.now() - timedelta(hours=1))
    assert "Nobody looks for due schedules" in read(owner.get(address)).one(id="workers-away").text
    ChoreRunFactory(requested_at=timezone.now())
    assert not read(owner.get(address)).has(id="workers-away")


@pytest.mark.parametrize("address", ["/fleet/", "/admin/", "/admin/orders/order/"])
def test_staff_are_told_what_is_wrong_with_the_workers(address, admin_client):
    assert "No supervisor of workers is running." in read(admin_client.get(address)).one(id="workers-problem").text
    supervisor = SupervisorFactory(workers_alive=1)
    type(supervisor).objects.update(seen_at=timezone.now(), started_at=timezone.now() - timedelta(hours=1))
    assert "The tick is late" in read(admin_client.get(address)).one(id="workers-problem").text
    ChoreRunFactory(requested_at=timezone.now())
    assert not read(admin_client.get(address)).has(id="workers-problem")


@pytest.mark.parametrize("page", ["schedules/", "schedules/calendar/", "schedules/calendar/?view=day"])
def test_schedules_cost_the_same_queries_however_many_there_are(page, rental, owner):
    def more(count):
        for number in range(count):
            schedule = ScheduleFactory(order=rental.order, provision=rental.server if number % 2 else None)
            due = timezone.now() - timedelta(minutes=number)
            backup = rental.stored()
            ScheduleRunFactory(schedule=schedule, provision=rental.server, due_at=due, over=True, backup=backup)

    more(1)
    owner.get(f"{rental.page}{page}")
    few = queries_of(owner, f"{rental.page}{page}")
    more(20)
    assert queries_of(owner, f"{rental.page}{page}") == few
    assert few <= 17


@pytest.mark.parametrize("nasty", NASTY, ids=ascii)
def test_texts_of_people_are_text_on_every_page_of_schedules(nasty, rental, owner, here):
    backup = rental.stored()
    Backup.objects.update(name=nasty)
    rental.server.name = nasty
    rental.server.save()
    schedule = ScheduleFactory(order=rental.order, provision=rental.server, name=nasty, tags=[nasty])
    past = {"schedule": schedule, "provision": rental.server, "over": True, "backup": backup}
    ScheduleRunFactory(due_at=timezone.now() - timedelta(hours=1), **past)
    one = f"{here}{schedule.id}/"
    form = {"mode": "daily", "daily_time": "04:00", "time_zone": "UTC", "name": nasty, "server": str(rental.server.id)}
    answers = [owner.get(f"{here}{rest}") for rest in ("", "calendar/", "calendar/?view=day", "create/")]
    answers += [owner.get(f"{one}{rest}/") for rest in ("edit", "run", "pause", "delete")]
    answers += [owner.get(f"{rental.page}triggers/"), owner.post(f"{one}edit/preview/", form)]
    for answer in answers:
        page = read(answer)
        assert answer.status_code == 200
        assert not page.has("img")
        assert all("src" in script for script in page.all("script"))
        assert not any(name.startswith("on") for node in page.walk() for name in node.attributes)
    for answer in (answers[0], answers[1], answers[5], answers[7]):
        found = [node for node in read(answer).all("bdi") if nasty in "".join(node._texts())]
        assert found


def test_pausing_running_and_deleting_ask_first(rental, owner, here):
    schedule = ScheduleFactory(order=rental.order, name="Nightly")
    one = f"{here}{schedule.id}/"
    for what in ("pause", "run", "delete"):
        asked = read(owner.get(f"{one}{what}/"))
        assert "Nightly" in asked.one("form", action=f"{one}{what}/").text
    assert Schedule.objects.get() == schedule
    assert not ScheduleRun.objects.exists()

    def said(what, **fields):
        return read(owner.post(f"{one}{what}/", fields, follow=True)).one(id="messages").text

    assert "“Nightly” is paused" in said("pause", paused="yes")
    assert Schedule.objects.get().next_due_at is None
    assert "“Nightly” goes on" in said("pause", paused="no")
    assert Schedule.objects.get().next_due_at is not None
    assert "“Nightly” runs now" in said("run", key="a")
    assert "“Nightly” runs now" in said("run", key="a")
    assert ScheduleRun.objects.get().state == RunState.RUNNING
    assert "is being created" in read(owner.post(f"{one}run/", {"key": "b"})).one("form", action=f"{one}run/").text
    assert "“Nightly” was deleted" in said("delete")
    assert not Schedule.objects.exists()
    assert Backup.objects.count() == 1
