"""Schedules over the API: fields, sentence and times, runs, preview, and each refusal with its field and reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from backups.models import Backup
from operations.models import Operation, OperationState
from schedules.models import RunState, Schedule, ScheduleRun
from tests.api.problems import assert_problem
from tests.api.queries import queries_of
from tests.factories import ProvisionFactory, ScheduleFactory, ScheduleRunFactory

KEY = {"HTTP_IDEMPOTENCY_KEY": "a-key"}
THEN = datetime(2026, 11, 21, 10, 20, 30, tzinfo=UTC)
SENT = {
    "name": "Nightly",
    "cron": "00 4 * * *",
    "time_zone": "Europe/Berlin",
    "source": "files",
    "format": "archive",
    "exclude": ["/logs/", "*.tmp"],
    "tags": ["auto"],
    "retention": {"daily": 7, "weekly": 4},
    "name_pattern": "{schedule} {date}",
    "only_if_changed": True,
    "paused": False,
}


def server_url(rental) -> str:
    return f"/api/v1/orders/{rental.order.id}/provisions/{rental.server.id}/schedules/"


def order_url(rental) -> str:
    return f"/api/v1/orders/{rental.order.id}/schedules/"


def plan_set(rental, **values: object) -> None:
    for name, value in values.items():
        setattr(rental.order.plan, name, value)
    rental.order.plan.save()


def make(rental, client, **fields):
    answer = client.post(server_url(rental), {"name": "Nightly", "cron": "0 4 * * *", **fields})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_schedule_is_shown_as_the_contract_says(rental, client):
    made = client.post(server_url(rental), SENT)
    assert made.status_code == 201
    shown = made.json()
    assert client.get(f"{server_url(rental)}{shown['id']}/").json() == shown
    runs = [datetime.fromisoformat(moment) for moment in shown.pop("next_runs")]
    assert shown == SENT | {
        "id": str(Schedule.objects.get().id),
        "provision": str(rental.server.id),
        "cron": "0 4 * * *",
        "of_plan": False,
        "error": "",
        "sentence": "Every day at 4 a.m., time zone Europe/Berlin",
        "last_run": None,
    }
    assert len(runs) == 5
    assert runs[0] > timezone.now()
    assert Schedule.objects.get().next_due_at == runs[0]
    assert AuditEvent.objects.get(action="schedule.create").data == {"cron": "0 4 * * *", "time_zone": "Europe/Berlin"}


def test_schedule_of_an_order_is_apart_from_that_of_a_server(rental, client):
    of_server = make(rental, client)
    of_order = client.post(order_url(rental), {"name": "All", "cron": "@weekly"}).json()
    assert (of_server["provision"], of_order["provision"]) == (str(rental.server.id), None)
    for url, own, other in ((server_url(rental), of_server, of_order), (order_url(rental), of_order, of_server)):
        assert [row["id"] for row in client.get(url).json()["results"]] == [own["id"]]
        assert client.get(f"{url}{own['id']}/").status_code == 200
        assert_problem(client.get(f"{url}{other['id']}/"), 404, "schedule_not_found")


def test_list_costs_the_same_however_long_it_is(rental, client):
    def add():
        schedule = ScheduleFactory(order=rental.order, provision=rental.server)
        ScheduleRunFactory(schedule=schedule, provision=rental.server, over=True)

    add()
    queries_of(client, server_url(rental))
    few = queries_of(client, server_url(rental))
    for _ in range(4):
        add()
    assert queries_of(client, server_url(rental)) == few


def test_sentence_is_in_the_language_of_the_caller(rental, client):
    make(rental, client)
    rental.owner.language = "de"
    rental.owner.save()
    german = client.get(server_url(rental)).json()["results"][0]["sentence"]
    rental.owner.language = "en"
    rental.owner.save()
    english = client.get(server_url(rental)).json()["results"][0]["sentence"]
    assert english == "Every day at 4 a.m., time zone UTC"
    assert "04:00" in german or german == english, "without a translation it is English"


def test_change_keeps_what_it_does_not_name(rental, client):
    made = client.post(server_url(rental), SENT).json()
    changed = client.patch(f"{server_url(rental)}{made['id']}/", {"cron": "30 4 * * *", "tags": []}).json()
    kept = {name: made[name] for name in made if name not in ("cron", "tags", "next_runs", "sentence")}
    assert kept.items() <= changed.items()
    assert (changed["cron"], changed["tags"]) == ("30 4 * * *", [])
    assert [run[11:] for run in changed["next_runs"]] != [run[11:] for run in made["next_runs"]]


def test_paused_schedule_has_no_next_runs_and_says_so(rental, client):
    made = make(rental, client)
    paused = client.patch(f"{server_url(rental)}{made['id']}/", {"paused": True}).json()
    assert (paused["next_runs"], paused["sentence"]) == ([], f"Paused: {made['sentence']}")
    assert Schedule.objects.get().next_due_at is None
    resumed = client.patch(f"{server_url(rental)}{made['id']}/", {"paused": False}).json()
    assert resumed == made


def test_deleted_schedule_leaves_its_backups(rental, client):
    made = make(rental, client)
    backup = rental.stored(schedule_id=made["id"])
    assert client.delete(f"{server_url(rental)}{made['id']}/").status_code == 204
    assert_problem(client.get(f"{server_url(rental)}{made['id']}/"), 404, "schedule_not_found")
    assert client.get(rental.backup_url(backup)).json()["schedule"] == made["id"]


IMPOSSIBLE = {
    "cron": [
        ("61 4 * * *", "“61” is no value of the field “minute”, which takes 0 to 59."),
        ("0 0 30 2 *", "No date matches this expression."),
        ("*/5 * * * *", "This runs more often than your plan allows: at most once in 60 minutes."),
        (5, "Not a valid string."),
    ],
    "time_zone": [("Europe/Atlantis", "There is no time zone of this name."), ("../../etc/passwd", "no time zone")],
    "retention": [
        ({"daily": -1}, "“daily” takes a whole number from 0 to 10000."),
        ({"daily": True}, "“daily” takes a whole number"),
        ({"fortnightly": 1}, "There is no rule “fortnightly”."),
        ([], "A retention is an object"),
    ],
    "exclude": [(["[z-"], "1"), ("*.log", "Expected a list of items")],
    "name_pattern": [("{moon}", "“{moon}” stands for nothing here."), ("a\nb", "")],
    "format": [("zip", "is not a valid choice")],
    "source": [("mongodb", "is not a valid choice")],
    "tags": [(["x" * 41], "1 to 40 characters"), ([f"tag {number}" for number in range(11)], "at most 10 tags")],
    "paused": [("yes", "Must be a valid boolean.")],
    "only_if_changed": [(1, "Must be a valid boolean.")],
    "name": [("", "This field may not be blank."), (5, "Not a valid string.")],
    "of_plan": [(True, "There is no such field here.")],
}
WRONG = [(field, value, reason) for field, cases in IMPOSSIBLE.items() for value, reason in cases]


@pytest.mark.parametrize(("field", "value", "reason"), WRONG)
def test_impossible_value_is_refused_with_field_and_reason(field, value, reason, rental, client):
    made = make(rental, client)
    fields = {"name": "x", "cron": "@daily", field: value}
    for answer in (
        client.post(server_url(rental), fields),
        client.post(f"{server_url(rental)}preview/", fields),
        client.patch(f"{server_url(rental)}{made['id']}/", {field: value}),
    ):
        errors = assert_problem(answer, 400, "validation_error")["errors"]
        assert list(errors) == [field]
        assert reason in str(errors[field])
    assert client.get(server_url(rental)).json()["results"] == [made]


def test_every_wrong_field_is_named_at_once(rental, client):
    fields = {"name": "x", "cron": "x", "time_zone": "x", "retention": {"last": -1}, "name_pattern": "{x"}
    errors = assert_problem(client.post(server_url(rental), fields), 400, "validation_error")["errors"]
    assert set(errors) == {"cron", "time_zone", "retention", "name_pattern"}


def test_format_and_source_are_those_of_the_plan(rental, client):
    plan_set(rental, formats=["archive"])
    answer = client.post(server_url(rental), SENT | {"format": "repository"})
    assert assert_problem(answer, 400, "validation_error")["errors"] == {
        "format": ["Your plan does not offer this format."]
    }
    assert client.post(server_url(rental), SENT).status_code == 201


def test_plan_without_own_patterns_refuses_them(rental, client):
    plan_set(rental, customer_patterns=False)
    assert_problem(client.post(server_url(rental), SENT), 409, "patterns_forbidden")
    assert client.post(server_url(rental), SENT | {"exclude": []}).status_code == 201


@pytest.mark.parametrize(
    ("values", "code"),
    [({"has_backups": False}, "plan_has_no_backups"), ({"customer_schedules": False}, "schedules_not_offered")],
)
def test_free_plan_lets_no_schedule_through(values, code, rental, client):
    made = make(rental, client)
    plan_set(rental, **values)
    url = f"{server_url(rental)}{made['id']}/"
    for answer in (
        client.post(server_url(rental), SENT),
        client.post(order_url(rental), SENT),
        client.patch(url, {"paused": False}),
        client.post(f"{url}run/"),
    ):
        assert_problem(answer, 409, code)
    assert not Backup.objects.exists()
    assert not ScheduleRun.objects.exists()
    assert client.get(url).status_code == 200
    assert client.delete(url).status_code == 204


def test_suspended_order_lets_no_schedule_through(rental, client):
    made = make(rental, client)
    rental.suspend()
    url = f"{server_url(rental)}{made['id']}/"
    for answer in (
        client.post(server_url(rental), SENT), client.patch(url, {}), client.delete(url), client.post(f"{url}run/"),
    ):  # fmt: skip
        assert_problem(answer, 409, "order_suspended")
    assert not Backup.objects.exists()


def test_schedule_of_the_plan_is_not_the_customers(rental, client):
    plan_set(rental, schedule_cron="@daily")
    schedule = ScheduleFactory(order=rental.order, of_plan=True)
    url = f"{order_url(rental)}{schedule.id}/"
    assert client.get(url).json()["of_plan"] is True
    assert_problem(client.patch(url, {"paused": True}), 409, "schedule_of_plan")
    assert_problem(client.delete(url), 409, "schedule_of_plan")
    assert client.post(f"{url}run/").status_code == 202


def test_only_a_server_has_schedules(rental, client):
    url = f"/api/v1/orders/{rental.order.id}/provisions/{rental.sidecar.id}/schedules/"
    assert_problem(client.post(url, SENT), 409, "not_a_primary_deployment")
    assert_problem(client.post(f"{url}preview/", SENT), 409, "not_a_primary_deployment")


def test_number_of_schedules_of_an_order_is_bounded(rental, client):
    ScheduleFactory.create_batch(50, order=rental.order)
    assert "50" in assert_problem(client.post(server_url(rental), SENT), 409, "schedule_limit_reached")["detail"]


def test_create_with_the_same_key_makes_one_schedule(rental, client):
    first, second = client.post(server_url(rental), SENT, **KEY), client.post(server_url(rental), SENT, **KEY)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    assert_problem(client.post(server_url(rental), SENT | {"name": "x"}, **KEY), 409, "idempotency_key_reused")
    assert Schedule.objects.count() == 1


def test_run_now_makes_one_backup_for_one_key(rental, client):
    made = make(rental, client, paused=True, name_pattern="By {schedule}", tags=["auto"])
    url = f"{server_url(rental)}{made['id']}/run/"
    first, second = client.post(url, **KEY), client.post(url, **KEY)
    assert (first.status_code, second.status_code) == (202, 202)
    backup = Backup.objects.get()
    assert (backup.name, backup.tags, str(backup.schedule_id)) == ("By Nightly", ["auto"], made["id"])
    run = first.json()["last_run"]
    assert run == second.json()["last_run"]
    assert (run["state"], run["backup"]) == ("running", str(backup.id))
    # A person is told that the order is busy, and nothing waits for them.
    problem = assert_problem(client.post(url), 409, "operation_in_progress")
    assert str(Operation.objects.get().id) in problem["detail"]
    assert Schedule.objects.get().runs.count() == 1


def test_runs_are_listed_with_their_reason(rental, client):
    schedule = ScheduleFactory(order=rental.order, provision=rental.server)
    values = {"schedule": schedule, "provision": rental.server}
    backup = rental.stored()
    for minute, state in enumerate([RunState.SUCCEEDED, RunState.UNCHANGED, RunState.FAILED]):
        at = THEN + timedelta(minutes=minute)
        ended = {"due_at": at, "started_at": at, "finished_at": at, "state": state}
        ScheduleRunFactory(**values, **ended, error_code="sidecar_unavailable" if state == RunState.FAILED else "")
    waiting = ScheduleRunFactory(**values, due_at=THEN + timedelta(hours=1), due_since=THEN)
    ScheduleRun.objects.filter(state=RunState.SUCCEEDED).update(backup=backup)
    url = f"{server_url(rental)}{schedule.id}/"
    shown = client.get(f"{url}runs/").json()["results"]
    assert [run["state"] for run in shown] == ["due", "failed", "unchanged", "succeeded"]
    assert shown[0] == {
        "id": str(waiting.id),
        "provision": str(rental.server.id),
        "due_at": "2026-11-21T11:20:30Z",
        "due_since": "2026-11-21T10:20:30Z",
        "starts_at": "2026-11-21T11:20:30Z",
        "started_at": None,
        "finished_at": None,
        "state": "due",
        "backup": None,
        "operation": None,
        "error": None,
    }
    assert shown[1]["error"]["code"] == "sidecar_unavailable"
    assert shown[3]["backup"] == str(backup.id)
    last = {"due_at": "2026-11-21T10:22:30Z", "state": "failed", "backup": None}
    assert client.get(url).json()["last_run"] == last


def test_runs_come_in_pages(rental, client, monkeypatch):
    monkeypatch.setattr("common.api.pagination.PAGE_SIZE", 2)
    schedule = ScheduleFactory(order=rental.order, provision=rental.server)
    other = ProvisionFactory(order=rental.order, is_primary=False)
    # Two servers share a due time.
    for server in (rental.server, other):
        for minute in range(3):
            at = THEN + timedelta(minutes=minute)
            ScheduleRunFactory(schedule=schedule, provision=server, due_at=at)
    seen, url = [], f"{server_url(rental)}{schedule.id}/runs/"
    while url:
        page = client.get(url).json()
        seen += [(run["due_at"], run["id"]) for run in page["results"]]
        url = page["next"]
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 6


def test_preview_tells_times_and_what_would_go_and_saves_nothing(rental, client):
    schedule = ScheduleFactory(order=rental.order, provision=rental.server)
    old, new = (rental.stored(schedule_id=schedule.id) for _ in range(2))
    Backup.objects.filter(id=old.id).update(created_at=THEN)
    fields = {"cron": "0 0 5 * * *", "time_zone": "Asia/Tokyo", "retention": {"last": 2}, "schedule": str(schedule.id)}
    shown = client.post(f"{server_url(rental)}preview/", fields).json()
    assert (shown["cron"], shown["time_zone"]) == ("0 5 * * *", "Asia/Tokyo")
    assert shown["sentence"] == "Every day at 5 a.m., time zone Asia/Tokyo"
    assert {run[11:] for run in shown["next_runs"]} == {"20:00:00Z"}
    assert shown["removes"] == [{"backup": str(old.id), "reason": "no_longer_kept"}]
    assert shown["keeps"][0]["backup"] == str(new.id)
    assert "last" in shown["keeps"][0]["reasons"]
    schedule.refresh_from_db()
    assert (schedule.cron, Schedule.objects.count(), Backup.objects.count()) == ("0 * * * *", 1, 2)
    # Of no stored schedule: none of those backups is its own.
    del fields["schedule"]
    assert client.post(f"{order_url(rental)}preview/", fields).json()["removes"] == []


def test_preview_knows_no_schedule_of_another_order(rental, client):
    fields = {"cron": "@daily", "schedule": str(ScheduleFactory().id)}
    assert_problem(client.post(f"{server_url(rental)}preview/", fields), 404, "schedule_not_found")


@pytest.mark.parametrize("values", [{"cron": "every day"}, {"time_zone": "Europe/Atlantis"}])
def test_broken_schedule_says_so_and_can_be_repaired(values, rental, client):
    made = make(rental, client)
    whole = make(rental, client, name="Whole")
    Schedule.objects.filter(id=made["id"]).update(**values)
    sentence = "The rule of this schedule cannot be read, so it does not run. Set its times anew."
    url = f"{server_url(rental)}{made['id']}/"
    assert (client.get(url).json()["sentence"], client.get(url).json()["next_runs"]) == (sentence, [])
    assert client.get(f"{server_url(rental)}{whole['id']}/").json() == whole
    repaired = client.patch(url, {"cron": "0 4 * * *", "time_zone": "UTC"}).json()
    assert repaired == made


def test_last_date_of_a_schedule_passes(rental, client):
    year = timezone.now().year + 1
    made = make(rental, client, cron=f"0 0 4 1 1 * {year}")
    assert made["next_runs"] == [f"{year}-01-01T04:00:00Z"]


def test_run_of_a_busy_order_is_no_refusal_of_the_schedule(rental, client):
    rental.create()
    made = make(rental, client)
    assert_problem(client.post(f"{server_url(rental)}{made['id']}/run/"), 409, "operation_in_progress")
    Operation.objects.update(state=OperationState.SUCCEEDED, finished_at=timezone.now(), fence=1)
    assert client.post(f"{server_url(rental)}{made['id']}/run/").status_code == 202
