"""Rotation through the services: after the new backup was read back the old ones go, and nothing else ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from backups import kinds
from backups.errors import LimitReached
from backups.models import Backup, OperationRole
from backups.rules import ROTATING_MAX, Rules
from common.errors import error_detail
from notices.kinds import EventKind
from notices.models import Event
from operations.models import Operation, OperationState
from operations.services.endings import operation_ended
from orders.models import BackupFormat
from schedules.models import Rotation, RunState
from schedules.retention import Reason
from schedules.services import rotation as rotation_service
from schedules.services.rotation import rotation_request, rotations_apply, rotations_wanted
from schedules.services.runs import run_start
from schedules.standing import retention_preview, retention_reasons
from tests.factories import BackupFactory, OperationFactory, ScheduleFactory, ScheduleRunFactory
from tests.schedules.aged import READ, aged, ids, left, of_schedule

pytestmark = pytest.mark.django_db


@pytest.fixture
def schedule(rental):
    return ScheduleFactory(order=rental.order, provision=rental.server, retention={"last": 2})


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


def test_backups_of_schedules_make_room_before_those_by_hand(rental, schedule):
    rental.order.plan.backup_limit = 3
    rental.order.plan.save()
    schedule.retention = {}
    schedule.save()
    by_hand = aged(rental, hours=90)
    made = of_schedule(rental, schedule, 3)
    rotation_request(provision_id=rental.server.id)
    assert rotations_apply() == 1
    assert left() == ids([by_hand, *made[1:]])


def test_scheduled_backup_at_the_limit_begins_until_too_many_wait(rental, schedule):
    rental.order.plan.backup_limit = 2
    rental.order.plan.save()
    made = of_schedule(rental, schedule, 2)
    rules = Rules(user=None, order=rental.order)
    rules.create_require(rental.server, rotates=True)
    with pytest.raises(LimitReached):
        rules.create_require(rental.server)
    for number in range(ROTATING_MAX):
        Rules(user=None, order=rental.order).create_require(rental.server, rotates=True)
        made.append(aged(rental, hours=0, schedule_id=schedule.id, proof=READ if number == 9 else None))
    with pytest.raises(LimitReached):
        Rules(user=None, order=rental.order).create_require(rental.server, rotates=True)
    Backup.objects.filter(id=made[-1].id).update(proof=READ)
    rotation_request(provision_id=rental.server.id)
    assert rotations_apply() == ROTATING_MAX
    assert left() == ids(made[-2:])
    Rules(user=None, order=rental.order).create_require(rental.server, rotates=True)


def test_schedule_whose_limit_is_all_locked_is_told_as_a_failure(rental, schedule):
    rental.order.plan.backup_limit = 1
    rental.order.plan.save()
    aged(rental, hours=9, locked=True)
    run = ScheduleRunFactory(schedule=schedule, provision=rental.server)
    assert run_start(run.id, now=run.starts_at) is False
    run.refresh_from_db()
    assert (run.state, run.error_code) == (RunState.FAILED, "limit_reached")
    event = Event.objects.get(kind=EventKind.BACKUP_FAILED)
    assert (event.order, event.schedule_id, event.code) == (rental.order, schedule.id, "limit_reached")
    assert "1 backup" in error_detail(code=event.code, params=event.params["error"])
