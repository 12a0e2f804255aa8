"""Every promise of a plan, obeyed: one test each through the API, and no column without one."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from backups.models import Backup, BackupStatus, OperationBackup, OperationRole
from backups.work import restore as restore_work
from operations.models import Operation, OperationState, Priority
from orders.models import BackupFormat, Plan
from orders.models.plan import RATE_MIN
from pipelines.pacing import Bandwidth
from tests.api.problems import assert_problem
from tests.factories import BackupFactory, StorageTargetFactory, UserFactory
from tests.world.clients import client_of

TESTS = Path(__file__).parents[1]
PROVED_ELSEWHERE = {
    "exclude": "operations/test_patterns.py",
    "profile_presets": "operations/test_patterns.py",
    "collapse_percent": "operations/test_collapsed.py",
    "byte_measure": "operations/test_forecast.py",
    "volume_limit": "web/backups/test_new_volumes.py",
    "parallel_operations": "operations/test_turns.py",
    "trial_days": "operations/test_trials_due.py",
    "schedule_cron": "schedules/test_of_plan.py",
    "schedule_time_zone": "schedules/test_of_plan.py",
    "schedule_retention": "schedules/test_of_plan.py",
}
"""The columns whose effect other files test."""
PROVED_HERE = {
    "has_backups", "backup_limit", "byte_limit", "cooldown_minutes", "sources", "formats", "customer_patterns",
    "shortest_interval_minutes", "customer_schedules", "target", "restore_rate", "safety_hours", "suspension_days",
    "backup_format",
}  # fmt: skip


def plan_set(rental, **values):
    Plan.objects.filter(id=rental.order.plan_id).update(**values)
    rental.order.refresh_from_db()


def post(client, address, sent=None):
    return client.post(address, sent or {}, content_type="application/json")


def schedules(rental):
    return rental.backups.replace("/backups/", "/schedules/")


def test_every_column_of_a_plan_is_a_promise_that_a_test_proves():
    columns = {column.name for column in Plan._meta.concrete_fields} - {"id", "name"}
    assert columns == PROVED_HERE | PROVED_ELSEWHERE.keys()
    here = Path(__file__).read_text()
    assert not [column for column in PROVED_HERE if f"{column}=" not in here and f'"{column}":' not in here]
    assert not [column for column, path in PROVED_ELSEWHERE.items() if column not in (TESTS / path).read_text()]


@pytest.mark.parametrize(
    ("promise", "code"),
    [
        ({"has_backups": False}, "plan_has_no_backups"),
        ({"backup_limit": 1}, "limit_reached"),
        ({"byte_limit": 10}, "quota_exceeded"),
        ({"sources": ["tapes"]}, "source_not_offered"),
    ],
)
def test_backup_that_the_plan_does_not_have_is_refused(promise, code, rental, client):
    BackupFactory(provision=rental.server, size_bytes=10, content_bytes=10)
    plan_set(rental, **promise)
    assert_problem(post(client, rental.backups), 409, code)
    assert not Operation.objects.exists()
    plan_set(rental, **{name: Plan._meta.get_field(name).get_default() for name in promise})
    assert post(client, rental.backups).status_code == 202


def test_format_that_the_plan_does_not_offer_is_refused(rental, client):
    plan_set(rental, formats=["archive"], backup_format="archive")
    problem = assert_problem(post(client, rental.backups, {"format": "repository"}), 400, "validation_error")
    assert problem["errors"] == {"format": ["Your plan does not offer this format."]}
    refused = post(client, schedules(rental), {"name": "Mine", "cron": "0 4 * * *", "format": "repository"})
    assert list(assert_problem(refused, 400, "validation_error")["errors"]) == ["format"]
    assert post(client, rental.backups, {"format": "archive"}).status_code == 202


def test_patterns_of_customers_are_refused_where_the_plan_has_none(rental, client):
    plan_set(rental, customer_patterns=False)
    assert_problem(post(client, rental.backups, {"exclude": ["*.log"]}), 409, "patterns_forbidden")


@pytest.fixture
def asked(rental, client):
    """A plan with a pause of an hour, and a backup of ten minutes ago by hand; its operation."""
    plan_set(rental, cooldown_minutes=60)
    assert post(client, rental.backups).status_code == 202
    operation = Operation.objects.get()
    return ago(operation, minutes=10)


def ago(operation, *, minutes, state=OperationState.SUCCEEDED):
    """Let an operation have ended, and have begun so long ago."""
    began = timezone.now() - timedelta(minutes=minutes)
    code = "source_failed" if state == OperationState.FAILED else ""
    ended = {"state": state, "error_code": code, "created_at": began, "finished_at": began}
    Operation.objects.filter(id=operation.id).update(**ended)
    Backup.objects.update(status=BackupStatus.FAILED)  # so that it takes no place in the plan
    return operation


def test_second_backup_by_hand_waits_for_the_cool_down(rental, client, asked):
    problem = assert_problem(post(client, rental.backups), 409, "backup_too_soon")
    assert "in 50 minutes" in problem["detail"]
    schedule = post(client, schedules(rental), {"name": "Mine", "cron": "0 4 * * *"}).json()
    assert_problem(post(client, f"{schedules(rental)}{schedule['id']}/run/"), 409, "backup_too_soon")
    update = f"/api/v1/orders/{rental.order.id}/triggers/update/"
    assert_problem(post(client, update), 409, "backup_too_soon")
    Backup.objects.all().delete()  # a deleted one counts too
    assert_problem(post(client, rental.backups), 409, "backup_too_soon")
    ago(asked, minutes=61)
    assert post(client, rental.backups).status_code == 202


def test_failed_backup_starts_no_cool_down(rental, client, asked):
    ago(asked, minutes=10, state=OperationState.FAILED)
    assert post(client, rental.backups).status_code == 202


def test_schedule_run_by_hand_is_work_that_a_person_waits_for(rental, client):
    plan_set(rental, cooldown_minutes=60)
    schedule = post(client, schedules(rental), {"name": "Mine", "cron": "0 4 * * *"}).json()
    assert post(client, f"{schedules(rental)}{schedule['id']}/run/").status_code == 202
    operation = Operation.objects.get()
    assert (operation.requested_by, operation.get_priority_display()) == (rental.owner, Priority.ASKED.label)


def test_schedule_more_frequent_than_the_plan_allows_is_refused(rental, client):
    plan_set(rental, shortest_interval_minutes=60)
    refused = post(client, schedules(rental), {"name": "Mine", "cron": "*/30 * * * *"})
    assert list(assert_problem(refused, 400, "validation_error")["errors"]) == ["cron"]
    assert post(client, schedules(rental), {"name": "Mine", "cron": "0 * * * *"}).status_code == 201


def test_schedule_is_refused_where_customers_make_none(rental, client):
    plan_set(rental, customer_schedules=False)
    assert_problem(post(client, schedules(rental), {"name": "Mine", "cron": "0 4 * * *"}), 409, "schedules_not_offered")


@pytest.mark.parametrize("format_", list(BackupFormat))
def test_backup_is_stored_on_the_target_and_in_the_format_of_the_plan(format_, linked, tmp_path):
    root = tmp_path / "second"
    (root / ".partial").mkdir(parents=True)
    second = StorageTargetFactory(options={"root": str(root)}, is_default=False, sealed=True)
    plan_set(linked, target=second, backup_format=format_)
    assert post(client_of(linked.owner), linked.backups).status_code == 202
    assert Operation.objects.get().target_id == second.id
    assert linked.work().state == OperationState.SUCCEEDED
    backup = Backup.objects.select_related("asset").get()
    assert (backup.format, backup.asset.target_id) == (format_, second.id)
    assert [path for path in root.rglob("*") if path.is_file()]


class Paced(Bandwidth):
    """A limit that notes its rate and the bytes it let through."""

    rates: list[int]
    taken: list[int]

    def __init__(self, rate):
        super().__init__(rate)
        self.rates.append(rate)

    def take(self, count, *, check):
        self.taken.append(count)
        super().take(count, check=check)


def test_restore_sends_no_faster_than_the_plan_says(linked, monkeypatch):
    Paced.rates, Paced.taken = [], []
    monkeypatch.setattr(restore_work, "Bandwidth", Paced)
    plan_set(linked, restore_rate=3 * RATE_MIN)
    backup = linked.created()
    linked.daemon.world.joinpath("level.dat").write_bytes(b"lost")
    began = time.monotonic()
    assert post(client_of(linked.owner), linked.backup_url(backup, "restore/")).status_code == 202
    assert linked.work().state == OperationState.SUCCEEDED
    assert set(Paced.rates) == {3 * RATE_MIN}
    assert sum(Paced.taken) > 2 * RATE_MIN
    assert time.monotonic() - began > sum(Paced.taken) / (3 * RATE_MIN) - 0.2


@pytest.mark.parametrize("hours", [0, 5])
def test_restore_keeps_a_safety_backup_for_the_hours_of_the_plan(hours, linked):
    plan_set(linked, safety_hours=hours)
    backup = linked.created()
    assert post(client_of(linked.owner), linked.backup_url(backup, "restore/")).status_code == 202
    assert linked.work().state == OperationState.SUCCEEDED
    kept = Backup.objects.filter(roles__in=OperationBackup.objects.filter(role=OperationRole.SAFETY))
    left = [safety.expires_at - timezone.now() for safety in kept]
    assert len(left) == (1 if hours else 0)
    assert all(timedelta(hours=hours - 1) < time_left <= timedelta(hours=hours) for time_left in left)


def test_suspended_order_keeps_its_backups_for_the_days_of_the_plan(rental):
    plan_set(rental, suspension_days=12)
    staff = UserFactory()
    codenames = ["change_order", "view_all_orders"]
    staff.user_permissions.set(Permission.objects.filter(codename__in=codenames, content_type__app_label="orders"))
    answer = post(client_of(staff), f"/api/v1/orders/{rental.order.id}/suspension/")
    assert answer.status_code == 200, answer.content
    rental.order.refresh_from_db()
    left = rental.order.removal_at - timezone.now()
    assert timedelta(days=11, hours=23) < left <= timedelta(days=12)
