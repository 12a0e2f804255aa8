"""The fields of requests: types are strict, unknown fields are errors."""

from __future__ import annotations

import pytest

from backups.models import Backup
from tests.api.problems import assert_problem

GOOD = [
    "a",
    "x" * 100,
    "ä" * 100,
    "🗺️ world",
    "世界 一",
    "\u200f\u05e9\u05dc\u05d5\u05dd",
    " kept as it is ",
    "<b>&amp;\"'",
    "NULL",
    "-rf",
    "../..",
    "100%",
]
BAD = [
    "",
    " ",
    "\t",
    "\u2003",
    "x" * 101,
    "a\nb",
    "a\x00b",
    "\x7f",
    "\x85",
    "a\u2028b",
    5,
    1.5,
    True,
    None,
    [],
    {},
    ["a"],
]


@pytest.mark.parametrize("name", GOOD)
def test_a_name_comes_back_exactly_as_it_was_sent(name, rental, client):
    response = client.post(rental.backups, {"name": name})
    assert response.status_code == 202
    assert response.json()["name"] == name
    assert client.get(response["Location"]).json()["name"] == name


@pytest.mark.parametrize("name", BAD, ids=ascii)
@pytest.mark.parametrize("method", ["post", "patch"])
def test_invalid_name_is_refused(method, name, rental, client):
    backup = rental.stored(name="before")
    path = rental.backups if method == "post" else rental.backup_url(backup)
    response = getattr(client, method)(path, {"name": name})
    assert set(assert_problem(response, 400, "validation_error")["errors"]) == {"name"}
    assert list(Backup.objects.values_list("name", flat=True)) == ["before"]


def test_half_a_character_is_no_name_and_no_field(rental, client):
    for body in (rb'{"name": "\ud800"}', rb'{"\ud800": 1}'):
        response = client.generic("POST", rental.backups, body, content_type="application/json")
        assert_problem(response, 400, "validation_error")


@pytest.mark.parametrize("locked", ["true", "false", 1, 0, "", None, [], {}])
def test_invalid_boolean_is_refused(locked, rental, client):
    response = client.patch(rental.backup_url(rental.stored()), {"locked": locked})
    assert set(assert_problem(response, 400, "validation_error")["errors"]) == {"locked"}


@pytest.mark.parametrize("mode", ["Replace", "", "merge", None, 1, True, [], {}, ["replace"]])
def test_invalid_mode_is_refused(mode, rental, client):
    response = client.post(rental.backup_url(rental.stored(), "restore/"), {"mode": mode})
    assert set(assert_problem(response, 400, "validation_error")["errors"]) == {"mode"}


@pytest.mark.parametrize("field", ["paths", "destination", "destinations", "nonsense", ""])
def test_a_restore_takes_no_field_that_is_not_built(field, rental, client):
    response = client.post(rental.backup_url(rental.stored(), "restore/"), {"mode": "replace", field: True})
    assert set(assert_problem(response, 400, "validation_error")["errors"]) == {field}


@pytest.mark.parametrize("field", ["id", "status", "order", "order_id", "size_bytes", "asset_id", "is_safety", "Name"])
def test_nothing_can_be_set_that_is_not_offered(field, rental, client):
    backup = rental.stored()
    for response in (
        client.post(rental.backups, {"name": "x", field: "x"}),
        client.patch(rental.backup_url(backup), {"name": "x", field: "x"}),
    ):
        assert set(assert_problem(response, 400, "validation_error")["errors"]) == {field}
    assert Backup.objects.get().name == backup.name


def test_every_mistake_is_named_at_once(rental, client):
    response = client.patch(rental.backup_url(rental.stored()), {"name": 5, "locked": 5, "other": 5})
    assert set(assert_problem(response, 400, "validation_error")["errors"]) == {"name", "locked", "other"}


def test_requests_that_take_nothing_refuse_something(rental, client):
    response = client.post(f"/api/v1/orders/{rental.order.id}/reprovision/", {"force": True})
    assert set(assert_problem(response, 400, "validation_error")["errors"]) == {"force"}


def test_request_is_validated_before_the_rules(rental, outsider):
    """A malformed request is an error for everyone, so the answer reveals nothing about existing objects."""
    assert_problem(outsider.post(rental.backups, {"name": 5}), 400, "validation_error")
    assert_problem(outsider.post(rental.backups, {"name": "x"}), 404, "order_not_found")
