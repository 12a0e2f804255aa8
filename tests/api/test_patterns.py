"""Patterns over the API: of a server, of one backup, and their estimate; impossible and forbidden ones."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import AuditEvent
from backups.models import Backup
from backups.services.backups import backup_retry
from orders.patterns import LINES_MAX, pattern_text, patterns_of
from orders.rights import OrderRight
from provisions.models import Provision
from tests.api.problems import assert_problem
from tests.factories import OrderUserPermissionFactory, ProvisionFactory, UserFactory
from tests.world.clients import client_of
from trees.patterns import LAYER_MAX


def server_url(rental, rest: str = "") -> str:
    return f"/api/v1/orders/{rental.order.id}/provisions/{rental.server.id}/{rest}"


def plan_set(rental, **values: object) -> None:
    for name, value in values.items():
        setattr(rental.order.plan, name, value)
    rental.order.plan.save()


def test_the_patterns_of_a_server_are_set_and_shown_as_they_were_sent(rental, client):
    patterns = ["# logs", "*.log", "", "/caché/", "!keep.log "]
    response = client.patch(server_url(rental), {"exclude": patterns})
    assert (response.status_code, response.json()["exclude"]) == (200, patterns)
    assert client.get(server_url(rental)).json()["exclude"] == patterns
    audited = AuditEvent.objects.get(action="provision.exclude")
    assert (audited.object_id, audited.data) == (rental.server.id, {"patterns": 3})
    assert client.patch(server_url(rental), {"exclude": []}).json()["exclude"] == []
    assert Provision.objects.get(id=rental.server.id).exclude == ""


@pytest.mark.parametrize(
    ("patterns", "sentence"),
    [
        (["*.log", "[z-a]"], "Line 2 has a bracket that is not closed, or that holds something impossible."),
        (["/"], "Line 1 names no file and no folder."),
        (["a\\"], "Line 1 has a name that ends in a backslash."),
        (["", "*a*b*c*d"], "Line 2 has more than 3 stars in one name."),
        (["é" * 501], "Line 1 is longer than 1000 bytes."),
        (["a\nb"], "Line 1 has a line break or a NUL character in it."),
        (["a"] * (LAYER_MAX + 1), "There are more than 100 patterns."),
    ],
)
def test_an_impossible_pattern_is_a_400_with_its_line(patterns, sentence, rental, client):
    for response in (
        client.patch(server_url(rental), {"exclude": patterns}),
        client.post(rental.backups, {"exclude": patterns}),
        client.get(server_url(rental, "estimate/"), {"exclude": patterns}),
    ):
        problem = assert_problem(response, 400, "validation_error")
        assert problem["errors"] == {"exclude": [sentence]}
    assert not Backup.objects.exists()
    assert Provision.objects.get(id=rental.server.id).exclude == ""


@pytest.mark.parametrize(
    "body", [{}, {"exclude": "*.log"}, {"exclude": [1, None]}, {"exclude": ["a"] * (LINES_MAX + 1)}]
)
def test_patterns_of_another_form_are_refused(body, rental, client):
    assert_problem(client.patch(server_url(rental), body), 400, "validation_error")


def test_a_retry_has_the_patterns_that_were_asked_for(rental, client):
    failed = rental.failed(exclude=["*.log"])
    again = backup_retry(user=rental.owner, backup=failed, idempotency=None)
    assert again.id != failed.id
    assert again.exclude == ["*.log"]


def test_only_a_game_server_has_patterns(rental, client):
    other = ProvisionFactory(order=rental.order, is_primary=False)
    url = f"/api/v1/orders/{rental.order.id}/provisions/{other.id}/"
    assert_problem(client.patch(url, {"exclude": ["*.log"]}), 409, "not_a_primary_deployment")


def test_a_plan_may_forbid_patterns_of_customers(rental, client):
    plan_set(rental, customer_patterns=False)
    for response in (
        client.patch(server_url(rental), {"exclude": ["*.log"]}),
        client.post(rental.backups, {"exclude": ["*.log"]}),
        client.get(server_url(rental, "estimate/"), {"exclude": ["*.log"]}),
    ):
        assert_problem(response, 409, "patterns_forbidden")
    assert client.post(rental.backups, {"exclude": []}).status_code == 202


def test_staff_set_the_patterns_of_a_server_whatever_the_plan_says(rental):
    plan_set(rental, customer_patterns=False)
    staff = UserFactory()
    staff.user_permissions.set(Permission.objects.filter(codename="view_all_orders"))
    assert client_of(staff).patch(server_url(rental), {"exclude": ["*.log"]}).status_code == 200


def test_the_right_to_create_backups_does_not_change_patterns_of_all(rental):
    member = UserFactory()
    OrderUserPermissionFactory(content_object=rental.order, user=member, right=OrderRight.CREATE.value)
    client = client_of(member)
    assert_problem(client.patch(server_url(rental), {"exclude": ["*"]}), 403, "permission_denied")
    assert client.post(rental.backups, {"exclude": ["*.log"]}).status_code == 202


def test_the_address_of_an_estimate_is_that_of_the_contract(rental):
    known = {"order": rental.order.id, "provision": rental.server.id}
    assert reverse("backup-estimate", kwargs=known) == server_url(rental, "estimate/")


def test_patterns_are_shown_with_what_cannot_be_seen_escaped():
    assert pattern_text(b"caf\xe9 \xe2\x80\xaegnp.exe 100%") == "caf\\xe9 \\u202egnp.exe 100%"
    assert patterns_of("a\r\n\r\nb") == ["a", "", "b"]
    assert patterns_of("  \n ") == []
