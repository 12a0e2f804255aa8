"""Chores: scheduled by a table, one run at a time, each run recorded with its result."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from config.chores import CHORES
from operations.models import ChoreRun
from operations.services import chores
from operations.services.chores import Chore, chore_answer, chore_runs_expire, chores_request, chores_run
from tests.factories import StoredObjectFactory, UserFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


class Broken(Exception):
    """A chore's failure."""


@pytest.fixture
def table(monkeypatch):
    """Replace the product's table of chores; returns the log of the runs."""
    did = []

    def put(name, *, does=lambda: None, wanted=None, longest=HOUR):
        run = lambda: (did.append(name), does())[1]  # noqa: E731 - a chore's run has no other name
        chore = Chore(name=name, every=HOUR, run=run, wanted=wanted, longest=longest)
        monkeypatch.setitem(chores._CHORES, name, chore)

    monkeypatch.setattr(chores, "_CHORES", {})
    put.did = did
    return put


def answer(runs):
    for run in runs:
        chore_answer(run)


def later(**by):
    """Let that time pass for every recorded run."""
    for run in ChoreRun.objects.all():
        for name in ("requested_at", "started_at", "finished_at"):
            if (at := getattr(run, name)) is not None:
                setattr(run, name, at - timedelta(**by))
        run.save()


def test_chore_is_due_at_first_and_then_once_a_period(table):
    table("a")
    answer(chores_request())
    assert chores_request() == []
    later(minutes=59)
    assert chores_request() == []
    later(minutes=2)
    answer(chores_request())
    assert table.did == ["a", "a"]


def test_clock_set_back_stops_no_chore(table):
    table("a")
    answer(chores_request())
    later(days=-30)
    answer(chores_request())
    assert table.did == ["a", "a"]


def test_clock_set_back_makes_a_chore_run_once_and_not_at_each_tick(table):
    table("a")
    answer(chores_request())
    later(days=-30)
    answer(chores_request())
    answer(chores_request())
    assert table.did == ["a", "a"]


@pytest.mark.parametrize("begun", [False, True], ids=["lost task", "dead worker"])
def test_clock_set_back_hides_no_active_run(table, begun):
    table("a")
    answer(chores_request())
    later(days=-30)
    (run,) = chores_request()
    ago = timezone.now() - chores.LONGEST
    going_on = ChoreRun.objects.filter(id=run)
    going_on.update(requested_at=ago, started_at=ago if begun else None)
    assert chores_request() == ([] if begun else [run])
    assert going_on.get().error == ("worker lost" if begun else "")


@pytest.mark.parametrize("wanted", [True, False])
def test_wanted_chore_runs_before_its_period_is_over(table, wanted):
    table("a", wanted=lambda: wanted)
    answer(chores_request())
    answer(chores_request())
    assert len(table.did) == 1 + wanted


def test_second_supervisor_and_second_task_start_nothing(table):
    table("a")
    (run,) = chores_request()
    assert chores_request() == []
    chore_answer(run)
    chore_answer(run)
    assert table.did == ["a"]


def test_running_chore_is_not_run_a_second_time(table):
    table("a", does=chores_run)
    answer(chores_request())
    assert table.did == ["a"]
    assert ChoreRun.objects.get().finished_at is not None


def test_lost_task_is_enqueued_again(table):
    table("a")
    (run,) = chores_request()
    later(minutes=5)
    assert chores_request() == [run]


@pytest.mark.parametrize("minutes", [60, 3])
def test_run_of_a_dead_worker_is_ended_and_followed_by_another(table, minutes):
    table("a", longest=timedelta(minutes=minutes), wanted=lambda: True)
    (run,) = chores_request()
    ChoreRun.objects.update(started_at=timezone.now())
    later(minutes=minutes - 1)
    assert chores_request() == []
    assert ChoreRun.objects.get(id=run).finished_at is None
    later(minutes=1)
    assert chores_request() == []
    assert ChoreRun.objects.get(id=run).error == "worker lost"
    answer(chores_request())
    assert table.did == ["a"]


def test_failed_chore_is_recorded_and_keeps_no_other_back(table):
    def fail():
        raise Broken

    table("a", does=fail)
    table("b", does=lambda: 3)
    answer(chores_request())
    assert list(ChoreRun.objects.order_by("chore").values_list("chore", "error", "done")) == [
        ("a", "Broken", None),
        ("b", "", 3),
    ]


def test_old_runs_are_forgotten(table):
    table("a")
    answer(chores_request())
    assert chore_runs_expire() == 0
    later(days=8)
    assert chore_runs_expire() == 1


def test_products_chores_all_succeed():
    chores_run()
    assert dict(ChoreRun.objects.values_list("chore", "error")) == dict.fromkeys([chore.name for chore in CHORES], "")


def test_object_to_delete_wants_the_sweep():
    chores_run()
    assert chores_request() == []
    StoredObjectFactory(condemned_at=timezone.now())
    (run,) = chores_request()
    assert ChoreRun.objects.get(id=run).chore == "sweep storage"


def test_staff_see_each_run(client):
    chores_run()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    page = client.get("/admin/operations/chorerun/")
    assert page.status_code == 200
    assert "expire sessions" in page.content.decode()
