"""The page of triggers: a form for each kind, for those who may change it."""

from __future__ import annotations

import pytest

from schedules.models import Trigger, TriggerKind
from tests.api.queries import queries_of
from tests.factories import OrderUserPermissionFactory, TriggerFactory, UserFactory
from tests.web.backups.reading import read
from tests.world.clients import browser_of


@pytest.fixture
def here(rental):
    return f"{rental.page}triggers/"


def card(page, kind):
    return page.one("li", id=f"trigger-{kind}")


@pytest.mark.parametrize("kind", TriggerKind.values)
def test_each_trigger_is_turned_on_and_off(kind, rental, owner, here):
    fields = {"kind": kind, "enabled": "on", "interval_minutes": "90", "limit_mib": "64"}
    page = read(owner.post(here, fields, follow=True))
    assert "The trigger is on." in page.one(id="messages").text
    assert "On" in card(page, kind).one(class_="badge").text
    made = Trigger.objects.get()
    limit = 64 << 20 if kind == TriggerKind.CHANGED_BYTES else None
    assert (made.kind, made.enabled, made.interval_minutes, made.limit_bytes) == (kind, True, 90, limit)
    del fields["enabled"]
    page = read(owner.post(here, fields, follow=True))
    assert "The trigger is off." in page.one(id="messages").text
    assert Trigger.objects.get().enabled is False


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"interval_minutes": "0"}, "interval_minutes"),
        ({"interval_minutes": "x"}, "interval_minutes"),
        ({"limit_mib": "0"}, "limit_mib"),
        ({"limit_mib": str(1 << 40)}, "limit_mib"),
    ],
)
def test_an_impossible_number_is_refused_in_its_own_form(fields, place, rental, owner, here):
    answer = owner.post(here, {"kind": "changed_bytes", "enabled": "on", "interval_minutes": "60"} | fields)
    assert answer.status_code == 400
    page = read(answer)
    assert card(page, "changed_bytes").one("input", name=place)["aria-invalid"] == "true"
    assert not any("aria-invalid" in node for node in card(page, "crash").walk())
    assert not Trigger.objects.exists()


def test_an_interval_shorter_than_the_plan_is_refused_with_its_bounds(rental, owner, here):
    rental.order.plan.shortest_interval_minutes = 120
    rental.order.plan.save()
    page = read(owner.post(here, {"kind": "crash", "enabled": "on", "interval_minutes": "60"}))
    assert "Between 120 and" in card(page, "crash").text


def test_an_unknown_kind_is_not_there(owner, here):
    assert owner.post(here, {"kind": "moon", "interval_minutes": "60"}).status_code == 404


def test_a_member_without_the_right_sees_triggers_and_no_form(rental, here):
    TriggerFactory(provision=rental.server, changed_bytes=True)
    user = UserFactory()
    OrderUserPermissionFactory(content_object=rental.order, user=user, right="view_order")
    page = read(browser_of(user).get(here))
    assert not page.one(id="main").has("button")
    assert "once in 60 minutes" in card(page, "changed_bytes").text
    assert "Off" in card(page, "crash").text


def test_a_trigger_that_is_on_can_still_be_turned_off_when_the_plan_forbids_it(rental, owner, here):
    TriggerFactory(provision=rental.server)
    rental.order.plan.customer_schedules = False
    rental.order.plan.save()
    page = read(owner.get(here))
    assert "has no backups that begin by rules of yours" in page.one(id="triggers-why").text
    assert card(page, "crash").has("form")
    assert not card(page, "start").has("form")
    owner.post(here, {"kind": "crash", "interval_minutes": "60"})
    assert Trigger.objects.get().enabled is False
    refused = owner.post(here, {"kind": "start", "enabled": "on", "interval_minutes": "60"})
    assert refused.status_code == 409
    assert Trigger.objects.get().enabled is False


def test_a_hindered_trigger_says_why(rental, owner, here):
    TriggerFactory(provision=rental.server, error_code="game_not_watched")
    assert "Beside this server nobody looks whether the game runs" in card(read(owner.get(here)), "crash").text


def test_triggers_cost_the_same_queries_however_many_are_on(rental, owner, here):
    owner.get(here)
    few = queries_of(owner, here)
    for kind in TriggerKind:
        TriggerFactory(provision=rental.server, kind=kind, **({"limit_bytes": 1 << 20} if "bytes" in kind else {}))
    assert queries_of(owner, here) == few
