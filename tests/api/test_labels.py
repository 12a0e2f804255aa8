"""Notes and tags, filters of the list, and one action on several backups."""

from __future__ import annotations

from uuid import uuid4

import pytest

from accounts.models import AuditEvent
from backups.models import Backup
from operations.models import Operation, OperationState
from tests.api.problems import assert_problem
from tests.factories import BackupFactory, OperationFactory


@pytest.fixture
def kept(rental):
    """Three backups: two tagged ones, and a locked one."""
    return [
        rental.stored(name="Before the patch", tags=["update", "Ümlaut"], notes="Java 21"),
        rental.stored(name="Weekly", tags=["week"], schedule_id=uuid4()),
        rental.stored(name="Golden", locked=True),
    ]


def listed(client, rental, **query):
    answer = client.get(rental.backups, query)
    assert answer.status_code == 200, answer.json()
    return {backup["name"] for backup in answer.json()["results"]}


def bulk(client, rental, backups, action, **more):
    body = {"ids": [str(getattr(backup, "id", backup)) for backup in backups], "action": action, **more}
    return client.post(f"{rental.backups}bulk/", body, format="json")


def test_notes_and_tags_are_changed_and_shown(rental, client):
    backup = rental.stored()
    fields = {"notes": "First line\r\nsecond ✓", "tags": [" before  update ", "Before Update", "big"]}
    shown = client.patch(rental.backup_url(backup), fields, format="json").json()
    assert (shown["notes"], shown["tags"]) == ("First line\nsecond ✓", ["before update", "big"])
    assert client.get(rental.backup_url(backup)).json()["tags"] == ["before update", "big"]
    assert client.patch(rental.backup_url(backup), {"tags": [], "notes": ""}, format="json").json()["tags"] == []
    assert "First line" not in str(list(AuditEvent.objects.values_list("data", flat=True)))


def test_a_new_backup_takes_notes_and_tags(rental, client):
    shown = client.post(rental.backups, {"notes": "why", "tags": ["now"]}, format="json").json()
    assert (shown["notes"], shown["tags"], shown["schedule"]) == ("why", ["now"], None)


@pytest.mark.parametrize(
    "fields",
    [
        {"notes": 5},
        {"notes": None},
        {"notes": "x" * 2001},
        {"notes": "bell \a"},
        {"tags": "one"},
        {"tags": [1]},
        {"tags": [""]},
        {"tags": ["a,b"]},
        {"tags": ["x" * 41]},
        {"tags": ["two\nlines"]},
        {"tags": [f"tag {number}" for number in range(11)]},
    ],
)
@pytest.mark.parametrize("method", ["post", "patch"])
def test_impossible_notes_and_tags_are_refused_with_the_field(rental, client, method, fields):
    backup = rental.stored()
    address = rental.backups if method == "post" else rental.backup_url(backup)
    answer = getattr(client, method)(address, fields, format="json")
    assert_problem(answer, 400, "validation_error")
    assert list(answer.json()["errors"]) == list(fields)
    assert Backup.objects.get().tags == []


def test_filters_of_the_list(rental, client, kept):
    Backup.objects.filter(id=rental.stored(name="Broken").id).update(status="failed")
    assert listed(client, rental, status="failed") == {"Broken"}
    assert listed(client, rental, tag="update") == {"Before the patch"}
    assert listed(client, rental, tag="Ümlaut") == {"Before the patch"}
    assert listed(client, rental, tag="upd") == set()
    assert listed(client, rental, tag='"') == set()
    assert listed(client, rental, schedule=str(kept[1].schedule_id)) == {"Weekly"}
    assert listed(client, rental, search="java") == {"Before the patch"}
    assert listed(client, rental, search="GOLD") == {"Golden"}
    assert listed(client, rental, source="files", tag="week", search="week") == {"Weekly"}


def test_the_filter_stays_on_the_next_page(rental, client):
    for _ in range(101):
        rental.stored(tags=["many"])
    rental.stored()
    answer = client.get(rental.backups, {"tag": "many"}).json()
    assert len(answer["results"]) == 100
    assert len(client.get(answer["next"]).json()["results"]) == 1


@pytest.mark.parametrize(
    "query", [{"status": "gone"}, {"source": "punchcards"}, {"schedule": "5"}, {"tag": "x" * 50}, {"search": "x" * 101}]
)
def test_an_impossible_filter_is_refused_with_its_name(rental, client, query):
    answer = client.get(rental.backups, query)
    assert_problem(answer, 400, "validation_error")
    assert list(answer.json()["errors"]) == list(query)


def test_several_are_deleted_and_each_has_its_result(rental, client, kept):
    unknown = uuid4()
    answer = bulk(client, rental, [kept[2], kept[0], unknown, kept[0]], "delete")
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [(result["id"], result["ok"], result.get("error", {}).get("code")) for result in results] == [
        (str(kept[2].id), False, "backup_locked"),
        (str(kept[0].id), True, None),
        (str(unknown), False, "backup_not_found"),
    ]
    assert "error" not in results[1]
    assert Operation.objects.get(kind="delete").roles.get().backup == kept[0]
    assert listed(client, rental) == {"Weekly", "Golden"}


def test_several_are_locked_and_unlocked(rental, client, kept):
    assert all(result["ok"] for result in bulk(client, rental, kept, "lock").json()["results"])
    assert Backup.objects.filter(locked=True).count() == 3
    bulk(client, rental, kept[:2], "unlock")
    assert list(Backup.objects.filter(locked=True)) == [kept[2]]


def test_tags_are_added_to_several(rental, client, kept):
    full = rental.stored(tags=[f"tag {number}" for number in range(10)])
    results = bulk(client, rental, [*kept, full], "tag", tags=["Update", "keep"]).json()["results"]
    assert [result["ok"] for result in results] == [True, True, True, False]
    assert results[3]["error"]["code"] == "validation_error"
    tags = {backup.name: backup.tags for backup in Backup.objects.exclude(id=full.id)}
    assert tags["Before the patch"] == ["update", "Ümlaut", "keep"]
    assert tags["Golden"] == ["Update", "keep"]


def test_one_that_is_busy_does_not_stop_the_others(rental, client, kept):
    Backup.objects.filter(id=kept[0].id).update(status="restoring")
    OperationFactory(order=rental.order, subject=kept[0], kind="restore", state=OperationState.RUNNING)
    results = bulk(client, rental, kept[:2], "delete").json()["results"]
    assert [(result["ok"], result.get("error", {}).get("code")) for result in results] == [
        (False, "status_conflict"), (True, None),
    ]  # fmt: skip


def test_backups_of_another_server_are_not_there(rental, client, kept):
    stranger = BackupFactory()
    [result] = bulk(client, rental, [stranger], "delete").json()["results"]
    assert result["error"]["code"] == "backup_not_found"
    assert Backup.objects.filter(id=stranger.id, deleted_at=None).exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ids": [], "action": "lock"}, "ids"),
        ({"ids": [5], "action": "lock"}, "ids"),
        ({"ids": [str(uuid4())] * 201, "action": "lock"}, "ids"),
        ({"ids": [str(uuid4())], "action": "burn"}, "action"),
        ({"ids": [str(uuid4())], "action": "tag"}, "tags"),
        ({"ids": [str(uuid4())], "action": "lock", "tags": ["a"]}, "tags"),
        ({"ids": [str(uuid4())], "action": "tag", "tags": ["a,b"]}, "tags"),
        ({"ids": [str(uuid4())], "action": "lock", "sure": True}, "sure"),
    ],
)
def test_an_impossible_request_is_refused_with_the_field(rental, client, body, field):
    answer = client.post(f"{rental.backups}bulk/", body, format="json")
    assert_problem(answer, 400, "validation_error")
    assert list(answer.json()["errors"]) == [field]
