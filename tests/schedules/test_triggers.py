"""Triggers: each event makes one backup, at the pace that the plan allows, whatever else goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from backups.models import Backup, BackupStatus
from backups.rules import ROTATING_MAX
from operations.models import Operation, OperationState
from orders.rights import OrderRight
from provisions.services.provisions import provision_create
from schedules.models import Trigger, TriggerKind
from schedules.services import firing
from schedules.services.firing import triggers_run
from schedules.services.rotation import rotation_request
from tests.api.problems import assert_problem
from tests.factories import (
    OperationFactory,
    OrderUserPermissionFactory,
    ProvisionFactory,
    TriggerFactory,
    UserFactory,
)
from tests.schedules.watched import Watching
from tests.world.clients import client_of

MIB = 1 << 20


def test_a_crash_makes_one_backup_with_a_name_that_says_why(watching: Watching) -> None:
    watching.sidecar.ends = 3  # long before
    watching.turn_on()
    assert watching.tick() == 0
    watching.sidecar.ends = 4
    assert watching.tick() == 1
    assert watching.tick() == 0
    assert watching.backups == ["After a crash"]
    backup = Backup.objects.get()
    assert backup.status == BackupStatus.CREATING
    assert Operation.objects.get().requested_by is None
    shown = watching.shown()
    assert (shown["backup"], shown["due_at"], shown["error"]) == (str(backup.id), None, None)


def test_a_start_is_another_trigger(watching: Watching) -> None:
    watching.turn_on("start")
    watching.sidecar.ends = 1
    assert watching.tick() == 0
    watching.sidecar.starts = 1
    assert watching.tick() == 1
    assert watching.backups == ["After a start"]


def test_many_crashes_make_one_backup_an_interval_and_none_is_forgotten(watching: Watching) -> None:
    watching.plan(shortest_interval_minutes=30)
    watching.turn_on(interval_minutes=30)
    watching.turn_on("start", interval_minutes=30)
    begun = []
    for minute in range(1, 70):
        watching.sidecar.ends += minute <= 40
        watching.sidecar.starts += minute <= 40
        if watching.tick():
            begun.append(minute)
            watching.ends()
    assert begun == [1, 31, 61]


@pytest.mark.parametrize("values", [{"shortest_interval_minutes": 90}, {"cooldown_minutes": 90}])
def test_a_plan_with_longer_intervals_counts(watching: Watching, values: dict[str, int]) -> None:
    watching.turn_on()
    watching.plan(**values)
    watching.sidecar.ends = 1
    assert watching.tick() == 1
    watching.ends()
    watching.sidecar.ends = 2
    assert watching.tick(minutes=80) == 0
    assert watching.tick(minutes=9) == 0
    assert watching.tick(minutes=2) == 1


def test_a_crash_on_a_busy_order_waits_and_then_makes_one_backup(watching: Watching) -> None:
    watching.turn_on()
    watching.rental.create(name="By hand")
    watching.sidecar.ends = 1
    assert watching.tick() == 0
    assert watching.tick() == 0
    assert watching.shown()["error"]["code"] == "operation_in_progress"
    watching.ends()
    assert watching.tick() == 1
    assert watching.tick() == 0
    assert watching.backups == ["By hand", "After a crash"]
    assert watching.shown()["error"] is None


def test_suspended_orders_and_plans_without_backups_are_not_even_asked(watching: Watching) -> None:
    watching.turn_on()
    asked = len(watching.sidecar.asked)
    watching.sidecar.ends = 1
    watching.plan(has_backups=False)
    assert watching.tick() == 0
    watching.plan(has_backups=True, customer_schedules=False)
    assert watching.tick() == 0
    watching.plan(customer_schedules=True)
    watching.rental.suspend()
    assert watching.tick() == 0
    assert len(watching.sidecar.asked) == asked
    watching.rental.order.suspended_at = None
    watching.rental.order.save()
    assert watching.tick() == 1


def test_an_order_that_is_suspended_while_a_backup_is_due_makes_none(watching: Watching) -> None:
    watching.turn_on()
    watching.rental.create()
    watching.sidecar.ends = 1
    assert watching.tick() == 0
    watching.ends()
    watching.rental.suspend()
    assert watching.tick() == 0
    assert len(watching.backups) == 1


def test_counts_that_begin_anew_are_no_crash(watching: Watching) -> None:
    watching.sidecar.ends = 5
    watching.turn_on()
    watching.sidecar.counters, watching.sidecar.ends = "second", 7
    assert watching.tick() == 0
    watching.sidecar.ends = 8
    assert watching.tick() == 1


def test_a_sidecar_that_was_away_is_asked_again_later_and_loses_no_crash(watching: Watching) -> None:
    watching.turn_on()
    watching.sidecar.away = True
    asked = len(watching.sidecar.asked)
    for _ in range(10):
        assert watching.tick() == 0
    assert len(watching.sidecar.asked) - asked == 4
    assert watching.shown()["error"]["code"] == "sidecar_unavailable"
    watching.sidecar.away = False
    watching.sidecar.ends = 1
    assert watching.tick(minutes=30) == 1
    assert watching.shown()["error"] is None


def test_a_sidecar_that_does_not_look_is_said(watching: Watching) -> None:
    watching.sidecar.counters = ""
    watching.turn_on()
    assert watching.shown()["error"]["code"] == "game_not_watched"
    assert "running_command" in watching.shown()["error"]["detail"]


def test_changed_bytes_make_a_backup_once_they_pass_the_limit(watching: Watching) -> None:
    good = watching.rental.stored()
    watching.turn_on("changed_bytes", limit_bytes=MIB)
    assert watching.sidecar.since_ns == int(good.created_at.timestamp() * 10**9)
    watching.sidecar.changed_bytes = MIB
    assert watching.tick(minutes=11) == 0
    watching.sidecar.changed_bytes = MIB + 1
    asked = len(watching.sidecar.asked)
    assert watching.tick(minutes=5) == 0
    assert len(watching.sidecar.asked) == asked  # not before the interval of counts
    assert watching.tick(minutes=6) == 1
    assert watching.backups[-1] == "After many changes"


def test_changes_that_another_backup_has_meanwhile_make_none(watching: Watching) -> None:
    watching.turn_on("changed_bytes", limit_bytes=MIB)
    watching.rental.create()
    watching.sidecar.changed_bytes = 2 * MIB
    assert watching.tick(minutes=11) == 0
    assert watching.shown("changed_bytes")["error"]["code"] == "operation_in_progress"
    watching.ends()
    watching.rental.stored(completed_at=timezone.now())
    assert watching.tick() == 0
    assert watching.shown("changed_bytes")["due_at"] is None


def test_a_portal_that_dies_before_the_backup_begins_neither_loses_nor_doubles_it(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching.turn_on()
    watching.sidecar.ends = 1

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(firing, "backup_create", die)
        with pytest.raises(KeyboardInterrupt):
            watching.tick()
    with monkeypatch.context() as dying:
        dying.setattr(firing, "_update", die)
        with pytest.raises(KeyboardInterrupt):
            watching.tick()
    assert watching.backups == []
    assert watching.tick() == 1
    assert watching.tick() == 0


def test_a_trigger_that_is_off_asks_nobody_and_forgets_what_is_due(watching: Watching) -> None:
    watching.turn_on()
    watching.rental.create()
    watching.sidecar.ends = 1
    watching.tick()
    assert watching.client.put(watching.url("crash"), {"enabled": False}).json()["due_at"] is None
    watching.ends()
    asked = len(watching.sidecar.asked)
    assert watching.tick() == 0
    assert len(watching.sidecar.asked) == asked
    watching.sidecar.ends = 2
    watching.turn_on()
    assert watching.tick() == 0


def test_backup_at_the_limit_begins_and_an_older_one_makes_room(watching: Watching) -> None:
    watching.plan(backup_limit=1)
    old = watching.rental.stored()
    watching.turn_on()
    watching.sidecar.ends = 1
    assert watching.tick() == 1
    assert Operation.objects.get().params["rotates"] is True
    watching.ends()
    Backup.objects.filter(id=old.id).update(locked=True, status=BackupStatus.READY)
    watching.sidecar.ends = 2
    assert watching.tick(minutes=61) == 0
    assert watching.shown()["error"]["code"] == "limit_reached"
    assert watching.shown()["due_at"] > timezone.now().isoformat()


def test_backup_at_the_limit_waits_for_a_rotation_only_as_long_as_it_takes(watching: Watching) -> None:
    watching.plan(backup_limit=1)
    for _ in range(1 + ROTATING_MAX):
        watching.rental.stored()
    rotation_request(provision_id=watching.rental.server.id)
    watching.turn_on()
    watching.sidecar.ends = 1
    assert watching.tick() == 0
    assert watching.shown()["due_at"] <= timezone.now().isoformat()


def test_busy_order_gives_way_to_those_that_wait_behind_it(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firing, "FIRED_AT_ONCE", 1)
    watching.turn_on()
    busy = TriggerFactory(provision__is_primary=True, due_at=timezone.now() - timedelta(hours=1))
    OperationFactory(order=busy.provision.order, kind="restore", state=OperationState.RUNNING, exclusive=True)
    ProvisionFactory(order=busy.provision.order, kind="sidecar", is_primary=False, address="127.0.0.1:9")
    Trigger.objects.filter(provision=watching.rental.server).update(due_at=timezone.now())
    assert sum(triggers_run() for _ in range(2)) == 1
    busy.refresh_from_db()
    assert busy.error_code == "operation_in_progress"


def test_clock_that_was_set_back_silences_no_trigger(watching: Watching) -> None:
    watching.turn_on()
    year = timezone.now() + timedelta(days=365)
    Trigger.objects.update(next_look_at=year, looked_at=year, fired_at=year)
    watching.sidecar.ends = 1
    assert triggers_run() == 1
    watching.ends()
    Trigger.objects.update(next_look_at=timezone.now(), due_at=year)
    assert triggers_run() == 0
    assert watching.tick(minutes=61) == 1


def test_thousands_of_servers_without_a_trigger_cost_nothing(
    watching: Watching, django_assert_max_num_queries: Any
) -> None:
    watching.turn_on()
    ProvisionFactory.create_batch(30)
    TriggerFactory.create_batch(30, enabled=False, next_look_at=None)
    watching.sidecar.away = True
    with django_assert_max_num_queries(12):
        assert triggers_run() == 0
    Trigger.objects.filter(enabled=True).update(next_look_at=timezone.now())
    with django_assert_max_num_queries(14):
        assert triggers_run() == 0


def test_a_broken_server_stops_only_itself(watching: Watching) -> None:
    watching.turn_on()
    lonely = TriggerFactory(provision__is_primary=True)  # without a sidecar
    watching.sidecar.ends = 1
    assert watching.tick() == 1
    lonely.refresh_from_db()
    assert lonely.error_code == "no_sidecar"


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("crash", {}, "enabled"),
        ("crash", {"enabled": "true"}, "enabled"),
        ("crash", {"enabled": True, "limit_bytes": MIB}, "limit_bytes"),
        ("changed_bytes", {"enabled": True}, "limit_bytes"),
        ("changed_bytes", {"enabled": True, "limit_bytes": MIB - 1}, "limit_bytes"),
        ("changed_bytes", {"enabled": True, "limit_bytes": 1 << 60}, "limit_bytes"),
        ("changed_bytes", {"enabled": True, "limit_bytes": "1048576"}, "limit_bytes"),
        ("crash", {"enabled": True, "interval_minutes": 59}, "interval_minutes"),
        ("crash", {"enabled": True, "interval_minutes": 10**9}, "interval_minutes"),
        ("crash", {"enabled": True, "interval_minutes": True}, "interval_minutes"),
        ("crash", {"enabled": True, "cron": "* * * * *"}, "cron"),
    ],
)
def test_an_impossible_field_is_named(watching: Watching, kind: str, body: dict[str, Any], field: str) -> None:
    problem = assert_problem(watching.client.put(watching.url(kind), body), 400, "validation_error")
    assert list(problem["errors"]) == [field]
    assert not Trigger.objects.exists()


def test_the_list_has_every_kind_and_who_turned_one_on_is_recorded(watching: Watching) -> None:
    watching.turn_on("changed_bytes", limit_bytes=5 * MIB, interval_minutes=120)
    listed = {row["kind"]: row for row in watching.client.get(watching.url()).json()["results"]}
    assert list(listed) == list(TriggerKind.values)
    assert {kind: row["enabled"] for kind, row in listed.items()} == {
        "crash": False, "start": False, "changed_bytes": True,
    }  # fmt: skip
    assert (listed["changed_bytes"]["limit_bytes"], listed["changed_bytes"]["interval_minutes"]) == (5 * MIB, 120)
    audited = AuditEvent.objects.get(action="trigger.set")
    assert (audited.actor, audited.object_id) == (watching.rental.owner, watching.rental.server.id)
    assert audited.data["kind"] == "changed_bytes"


def test_refusals(watching: Watching) -> None:
    put = watching.client.put
    assert_problem(put(watching.url("earthquake"), {"enabled": True}), 404, "not_found")
    member = UserFactory()
    OrderUserPermissionFactory(user=member, content_object=watching.rental.order, right=OrderRight.CREATE)
    assert_problem(client_of(member).put(watching.url("crash"), {"enabled": True}), 403, "permission_denied")
    OrderUserPermissionFactory(user=member, content_object=watching.rental.order, right=OrderRight.SCHEDULES)
    assert client_of(member).put(watching.url("crash"), {"enabled": True}).status_code == 200
    assert_problem(client_of(UserFactory()).get(watching.url()), 404, "order_not_found")
    watching.plan(customer_schedules=False)
    assert_problem(put(watching.url("crash"), {"enabled": True}), 409, "schedules_not_offered")
    assert put(watching.url("crash"), {"enabled": False}).status_code == 200
    watching.plan(has_backups=False)
    assert_problem(put(watching.url("crash"), {"enabled": True}), 409, "plan_has_no_backups")
    watching.plan(has_backups=True, customer_schedules=True)
    database = provision_create(order=watching.rental.order, kind="database", name="db")
    url = watching.url("crash").replace(str(watching.rental.server.id), str(database.id))
    assert_problem(put(url, {"enabled": True}), 409, "not_a_primary_deployment")
    watching.rental.sidecar.delete()
    assert_problem(put(watching.url("crash"), {"enabled": True}), 409, "no_sidecar")
    watching.rental.suspend()
    assert_problem(put(watching.url("crash"), {"enabled": True}), 409, "order_suspended")
