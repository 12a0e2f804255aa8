"""Plans that keep less than before: nothing goes at once, people are told, and it can be taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from backups.models import Backup
from notices.kinds import EventKind, event_sentence
from notices.models import Event
from orders.models import PlanReduction
from orders.services.plans import REDUCTION_GRACE, order_update, plan_save, reduction_end, reductions_due
from schedules.services.reductions import reductions_advance, reductions_wanted
from schedules.services.rotation import rotations_apply
from schedules.standing import retention_reasons
from tests.factories import PlanFactory
from tests.schedules.aged import READ, aged, ids, left

pytestmark = pytest.mark.django_db
SMALL = 2


@pytest.fixture
def made(rental):
    """Five backups by hand, the oldest first; the newest was read back."""
    return [aged(rental, hours=9 - number, proof=READ if number == 4 else None) for number in range(5)]


@pytest.fixture
def moved(rental, made, admin_user):
    """The order on a plan that keeps two of them."""
    order_update(order=rental.order, plan=PlanFactory(backup_limit=SMALL), name="Server", actor=admin_user)
    rental.order.refresh_from_db()
    return PlanReduction.objects.get()


def comes(reduction):
    """The time of a reduction comes, and both chores run."""
    PlanReduction.objects.filter(id=reduction.id).update(takes_effect_at=timezone.now() - timedelta(seconds=1))
    reductions_advance()
    return rotations_apply()


def test_smaller_plan_removes_nothing_before_its_date_and_then_the_oldest(rental, made, moved):
    standings = retention_reasons(order=rental.order)
    assert {id_ for id_, standing in standings.items() if standing.goes_at} == ids(made[:3])
    assert standings[made[0].id].goes_at == moved.takes_effect_at
    reductions_advance()
    assert rotations_apply() == 0
    assert comes(moved) == 3
    assert left() == ids(made[3:])
    assert (rotations_apply(), retention_reasons(order=rental.order)[made[4].id].goes) == (0, False)


def test_nothing_goes_before_the_newest_was_read_back(made, moved):
    Backup.objects.update(proof=None)
    reductions_advance()
    assert comes(moved) == 0
    assert left() == ids(made)
    Backup.objects.filter(id=made[4].id).update(proof=READ)
    assert rotations_apply() == 3


def test_reduction_that_was_put_off_meanwhile_does_not_end(moved):
    PlanReduction.objects.update(takes_effect_at=timezone.now() - timedelta(seconds=1))
    stale = reductions_due()[0]
    PlanReduction.objects.update(takes_effect_at=timezone.now() + REDUCTION_GRACE)
    assert reduction_end(stale) is False
    assert PlanReduction.objects.get().ended_at is None


def test_people_are_told_once_of_how_many_go_and_when(rental, moved):
    assert reductions_wanted()
    assert (reductions_advance(), reductions_advance()) == (1, 0)
    event = Event.objects.get(kind=EventKind.PLAN_REDUCED)
    assert (event.order, event.params["backups"]) == (rental.order, 3)
    assert event.params["removal_at"] == moved.takes_effect_at.isoformat()
    assert not reductions_wanted()


def test_reduction_that_removes_nothing_is_no_news(rental, admin_user):
    order_update(order=rental.order, plan=PlanFactory(backup_limit=SMALL), name="Server", actor=admin_user)
    assert reductions_advance() == 1
    assert not Event.objects.exists()


def test_nothing_goes_before_people_were_told(moved):
    PlanReduction.objects.update(takes_effect_at=timezone.now() - timedelta(seconds=1))
    assert PlanReduction.objects.get().told_at is None
    assert reductions_advance() == 1
    assert (rotations_apply(), PlanReduction.objects.get().ended_at) == (0, None)
    assert Event.objects.filter(kind=EventKind.PLAN_REDUCED).exists()


def test_larger_plan_takes_it_back_before_its_date(rental, made, moved, admin_user):
    reductions_advance()
    order_update(order=rental.order, plan=PlanFactory(backup_limit=10), name="Server", actor=admin_user)
    assert comes(moved) == 0
    rental.order.refresh_from_db()
    assert left() == ids(made)
    assert not any(standing.goes for standing in retention_reasons(order=rental.order).values())


def test_backup_that_is_locked_in_time_stays(made, moved):
    reductions_advance()
    Backup.objects.filter(id=made[0].id).update(locked=True)
    assert comes(moved) == 3
    assert left() == ids([made[0], made[4]])


def test_new_backups_go_on_under_the_earlier_limit_until_the_date(rental, made, moved):
    rental.create()  # the plan before kept ten
    assert PlanReduction.objects.get().ended_at is None


def test_page_names_what_goes_and_says_the_date(client, rental, made, moved):
    client.force_login(rental.owner)
    page = client.get(rental.page).content.decode()
    notice = page[page.index('id="reduced"') :][:2000]
    assert "3 backups are removed" in notice
    assert all(backup.name in notice for backup in made[:3])
    assert "Goes on" in page
    assert "Goes on" in client.get(rental.at(made[0])).content.decode()
    assert "Goes on" not in client.get(rental.at(made[4])).content.decode()


def test_plan_that_keeps_less_is_a_reduction_until_it_keeps_enough_again(rental, admin_user):
    plan = rental.order.plan
    plan.backup_limit = 20
    plan.save()
    plan.backup_limit, plan.schedule_retention = 5, {"daily": 2}
    plan_save(plan=plan, actor=admin_user)
    reduction = PlanReduction.objects.get()
    assert (reduction.backup_limit, reduction.retention) == (20, {})
    assert timedelta(0) < timezone.now() + REDUCTION_GRACE - reduction.takes_effect_at < timedelta(minutes=1)
    plan.backup_limit = 8
    plan_save(plan=plan, actor=admin_user)
    assert PlanReduction.objects.get(ended_at__isnull=True).backup_limit == 20
    plan.backup_limit, plan.schedule_retention = 30, {}
    plan_save(plan=plan, actor=admin_user)
    assert not PlanReduction.objects.filter(ended_at__isnull=True).exists()
    assert AuditEvent.objects.filter(action="plan.change", actor=admin_user).count() == 3


def test_sentence_of_the_event_is_for_people(moved):
    reductions_advance()
    event = Event.objects.get()
    assert "3. Until then" in event_sentence(kind=event.kind, code=event.code, params=event.params)
