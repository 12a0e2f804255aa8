"""Rotation through the services: after the new backup was read back the old ones go, and nothing else ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from backups import kinds
from backups.models import Backup, OperationRole
from operations.models import Operation, OperationState
from operations.services.endings import operation_ended
from orders.models import BackupFormat, PlanReduction
from orders.services.plans import REDUCTION_GRACE, order_update, plan_save, reduction_end, reductions_due
from schedules.models import Rotation
from schedules.retention import Reason
from schedules.services import rotation as rotation_service
from schedules.services.rotation import rotation_request, rotations_apply, rotations_wanted
from schedules.standing import retention_preview, retention_reasons
from tests.factories import BackupFactory, OperationFactory, PlanFactory, ScheduleFactory

pytestmark = pytest.mark.django_db

READ = {"ok": True, "depth": "sample"}


@pytest.fixture
def schedule(rental):
    return ScheduleFactory(order=rental.order, provision=rental.server, retention={"last": 2})


def aged(rental, *, hours, **values):
    """A backup of that age."""
    made = BackupFactory(provision=rental.server, **values)
    Backup.objects.filter(id=made.id).update(created_at=timezone.now() - timedelta(hours=hours))
    return made


def of_schedule(rental, schedule, count, **newest):
    """So many backups of a schedule, an hour apart, the oldest first; the newest was read back."""
    made = [aged(rental, hours=count - number, schedule_id=schedule.id) for number in range(count)]
    Backup.objects.filter(id=made[-1].id).update(**{"proof": READ, **newest})
    return made


def left():
    return set(Backup.objects.filter(deleted_at__isnull=True).values_list("id", flat=True))


def ids(backups):
    return {backup.id for backup in backups}


def test_create_that_rotates_asks_for_a_rotation_when_it_succeeds(rental, schedule):
    for params, wanted in (({}, False), ({"rotates": True}, True)):
        backup = BackupFactory(provision=rental.server)
        operation_ended(OperationFactory(order=rental.order, subject=backup, params=params))
        assert Rotation.objects.exists() is wanted


@pytest.mark.parametrize("state", [OperationState.FAILED, OperationState.CANCELLED])
def test_create_that_fails_asks_for_none(state, rental, schedule):
    backup = BackupFactory(provision=rental.server, failed=True, schedule_id=schedule.id)
    operation_ended(OperationFactory(order=rental.order, subject=backup, state=state, params={"rotates": True}))
    assert not Rotation.objects.exists()


def test_old_backups_go_by_the_delete_operation_and_are_audited(rental, schedule):
    made = of_schedule(rental, schedule, 4)
    by_hand = aged(rental, hours=90)
    rotation_request(provision_id=rental.server.id)
    assert rotations_apply() == 2
    assert left() == ids([*made[2:], by_hand])
    deletes = Operation.objects.filter(kind=kinds.DELETE.name, roles__role=OperationRole.SUBJECT)
    assert set(deletes.values_list("roles__backup", flat=True)) == ids(made[:2])
    events = AuditEvent.objects.filter(action="backup.rotate")
    assert {event.data["reason"] for event in events} == {"no_longer_kept"}
    assert (rotations_apply(), Rotation.objects.count()) == (0, 0)


def test_nothing_goes_before_the_new_one_was_read_back(rental, schedule):
    made = of_schedule(rental, schedule, 4, proof=None)
    rotation_request(provision_id=rental.server.id)
    assert rotations_apply() == 0
    assert left() == ids(made)
    Backup.objects.filter(id=made[-1].id).update(proof=READ)
    assert rotations_apply() == 2


@pytest.mark.parametrize("proof", [None, {"ok": True, "depth": "structure"}])
@pytest.mark.parametrize("form", BackupFormat.values)
def test_newest_is_read_back_by_an_operation_of_its_own_once(form, proof, rental, schedule):
    made = of_schedule(rental, schedule, 3, proof=proof, format=form)
    rotation_request(provision_id=rental.server.id)
    rotations_apply()
    rotations_apply()
    verify = Operation.objects.get(kind=kinds.VERIFY.name)
    assert (verify.params["depth"], verify.backups.get()) == ("sample", made[-1])
    assert not rotations_wanted()
    Backup.objects.filter(id=made[-1].id).update(proof=READ)
    Operation.objects.update(state=OperationState.SUCCEEDED, finished_at=timezone.now())
    operation_ended(Operation.objects.get())
    assert rotations_wanted()
    assert rotations_apply() == 1


def test_newest_by_hand_is_read_back_too(rental, schedule):
    of_schedule(rental, schedule, 4)
    by_hand = aged(rental, hours=0)
    rotation_request(provision_id=rental.server.id)
    assert rotations_apply() == 0
    assert Operation.objects.get(kind=kinds.VERIFY.name).backups.get() == by_hand
    Backup.objects.filter(id=by_hand.id).update(collapsed=True)
    assert rotations_apply() == 0


def test_nothing_is_left_to_look_at_when_all_backups_are_gone(rental):
    rotation_request(provision_id=rental.server.id)
    assert rotations_wanted()
    assert rotations_apply() == 0
    assert not rotations_wanted()


def test_backup_of_a_clock_that_was_ahead_pushes_out_no_other(rental, schedule):
    schedule.retention = {"last": 1, "within_days": 3, "yearly": 1}
    schedule.save()
    ahead = aged(rental, hours=-24 * 400, schedule_id=schedule.id, proof=READ)
    made = [aged(rental, hours=hours, schedule_id=schedule.id) for hours in (60, 30, 1)]
    rotation_request(provision_id=rental.server.id)
    assert rotations_apply() == 0  # the newest one that is not ahead was not read back
    Backup.objects.filter(id=made[-1].id).update(proof=READ)
    assert rotations_apply() == 0
    assert left() == ids([ahead, *made])
    assert retention_reasons(order=rental.order)[ahead.id].reasons == (Reason.AHEAD,)


def test_reduction_that_was_put_off_meanwhile_removes_nothing(rental, admin_user):
    made = [aged(rental, hours=9 - number, proof=READ) for number in range(3)]
    order_update(order=rental.order, plan=PlanFactory(backup_limit=1), name="Server", actor=admin_user)
    PlanReduction.objects.update(takes_effect_at=timezone.now() - timedelta(seconds=1))
    stale = reductions_due()[0]
    PlanReduction.objects.update(takes_effect_at=timezone.now() + REDUCTION_GRACE)
    assert reduction_end(stale) is False
    assert (rotations_apply(), left()) == (0, ids(made))


@pytest.mark.parametrize("fault", [{"degraded": True}, {"collapsed": True}, {"proof": {"ok": False}}])
def test_nothing_goes_when_the_new_one_is_not_good(fault, rental, schedule):
    made = of_schedule(rental, schedule, 4, **fault)
    rotation_request(provision_id=rental.server.id)
    assert rotations_apply() == 0
    assert left() == ids(made)
    assert not rotations_wanted()


def test_locked_and_safety_backups_stay_and_do_not_count(rental, schedule):
    locked = aged(rental, hours=50, schedule_id=schedule.id, locked=True)
    safety = aged(rental, hours=60, is_safety=True)
    made = of_schedule(rental, schedule, 3)
    rotation_request(provision_id=rental.server.id)
    assert rotations_apply() == 1
    assert left() == ids([locked, safety, *made[1:]])


def test_limit_takes_the_oldest_one_that_may_go(rental, schedule):
    rental.order.plan.backup_limit = 3
    rental.order.plan.save()
    schedule.retention = {}
    schedule.save()
    locked = aged(rental, hours=50, locked=True)
    made = of_schedule(rental, schedule, 3)
    rotation_request(provision_id=rental.server.id)
    assert rotations_apply() == 1
    assert left() == ids([locked, *made[1:]])
    assert AuditEvent.objects.get(action="backup.rotate").data["reason"] == "over_limit"


def test_run_that_dies_half_way_leaves_all_as_it_was(rental, schedule, monkeypatch):
    made = of_schedule(rental, schedule, 5)
    rotation_request(provision_id=rental.server.id)
    real, calls = rotation_service.deletion_start, []

    def remove_then_die(**values):
        calls.append(values)
        if len(calls) == 2:
            raise RuntimeError
        return real(**values)

    monkeypatch.setattr(rotation_service, "deletion_start", remove_then_die)
    assert rotations_apply() == 0
    assert (left(), Operation.objects.count()) == (ids(made), 0)
    monkeypatch.undo()
    assert rotations_apply() == 3


def test_backup_that_is_restored_just_now_stays(rental, schedule):
    made = of_schedule(rental, schedule, 4)
    Backup.objects.filter(id=made[0].id).update(status="restoring")
    rotation_request(provision_id=rental.server.id)
    assert rotations_apply() == 1
    assert left() == ids([made[0], *made[2:]])


def test_reasons_tell_what_goes_with_the_next_backup(rental, schedule, django_assert_num_queries):
    schedule.next_due_at = timezone.now() + timedelta(hours=1)
    schedule.save()
    made = of_schedule(rental, schedule, 2)
    by_hand = aged(rental, hours=9)
    with django_assert_num_queries(3):
        standings = retention_reasons(order=rental.order)
    assert (standings[made[0].id].goes, standings[made[0].id].goes_at) == (True, None)
    assert standings[made[1].id].reasons == (Reason.LAST, Reason.LAST_GOOD, Reason.LAST_PROVEN)
    assert standings[by_hand.id].reasons == (Reason.NO_RULE,)


def test_preview_of_a_schedule_removes_nothing(rental, schedule):
    made = of_schedule(rental, schedule, 4)
    schedule.retention = {"last": 3}
    decision = retention_preview(provision=rental.server, schedule=schedule)
    assert set(decision.removes) == ids(made[:2])
    assert set(decision.keeps) == ids(made[2:])
    assert left() == ids(made)


def test_smaller_plan_removes_nothing_before_its_date_and_then_the_oldest(rental, admin_user):
    made = [aged(rental, hours=9 - number) for number in range(5)]
    small = PlanFactory(backup_limit=2)
    order_update(order=rental.order, plan=small, name="Server", actor=admin_user)
    rental.order.refresh_from_db()
    reduction = PlanReduction.objects.get()
    standings = retention_reasons(order=rental.order)
    assert {id_ for id_, standing in standings.items() if standing.goes_at} == ids(made[:3])
    assert standings[made[0].id].goes_at == reduction.takes_effect_at
    assert rotations_apply() == 0
    PlanReduction.objects.update(takes_effect_at=timezone.now() - timedelta(seconds=1))
    assert rotations_apply() == 0  # the newest one was not read back
    Backup.objects.filter(id=made[4].id).update(proof=READ)
    assert rotations_apply() == 3
    assert left() == ids(made[3:])
    assert (rotations_apply(), retention_reasons(order=rental.order)[made[4].id].goes) == (0, False)


def test_plan_that_keeps_less_is_a_reduction_of_each_order_until_it_keeps_enough_again(rental, admin_user):
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
