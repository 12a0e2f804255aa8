"""Orders and their running operations."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from orders.models import Order
from tests.api.problems import assert_problem
from tests.factories import OrderFactory, OrderUserPermissionFactory, ProvisionFactory, UserFactory
from tests.world.clients import client_of

NO_IDS = ["x", "0", "%00", "None", "{braces}", "00000000-0000-0000-0000-000000000000", "a" * 3000]


def test_an_order_is_shown_whole(rental, client):
    Order.objects.update(created_at=datetime(2026, 11, 21, 10, 20, 30, tzinfo=UTC))
    assert client.get(f"/api/v1/orders/{rental.order.id}/").json() == {
        "id": str(rental.order.id),
        "name": rental.order.name,
        "customer": {"id": str(rental.order.customer.id), "name": rental.order.customer.name},
        "plan": {"name": rental.order.plan.name, "has_backups": True, "backup_limit": 10},
        "suspended_at": None,
        "removal_at": None,
        "terminates": False,
        "created_at": "2026-11-21T10:20:30Z",
    }


def test_the_list_has_the_orders_the_caller_may_see_and_no_others(rental, client):
    OrderFactory()
    shared = OrderUserPermissionFactory(user=rental.owner).content_object
    body = client.get("/api/v1/orders/").json()
    assert set(body) == {"next", "previous", "results"}
    assert [order["id"] for order in body["results"]] == [str(shared.id), str(rental.order.id)]


def test_list_of_a_user_without_orders_is_empty(outsider):
    assert outsider.get("/api/v1/orders/").json() == {"next": None, "previous": None, "results": []}


def test_staff_with_the_permission_see_all_orders(rental):
    clerk = UserFactory(is_superuser=True)
    OrderFactory()
    assert len(client_of(clerk).get("/api/v1/orders/").json()["results"]) == 2


@pytest.mark.parametrize("order", [*NO_IDS, str(uuid4())])
def test_an_order_that_is_not_there(order, client):
    assert_problem(client.get(f"/api/v1/orders/{order}/"), 404, "order_not_found")
    assert_problem(client.get(f"/api/v1/orders/{order}/provisions/"), 404, "order_not_found")


def test_an_id_is_found_in_capitals_too(rental, client):
    assert client.get(f"/api/v1/orders/{str(rental.order.id).upper()}/").status_code == 200


def test_foreign_order_is_a_404(rental, outsider):
    assert_problem(outsider.get(f"/api/v1/orders/{rental.order.id}/"), 404, "order_not_found")


def test_servers_of_an_order_are_listed_with_the_main_one_first(rental, client):
    body = client.get(f"/api/v1/orders/{rental.order.id}/provisions/").json()
    assert body["next"] is body["previous"] is None
    assert [(row["kind"], row["is_primary"]) for row in body["results"]] == [("deployment", True), ("sidecar", False)]


def test_how_a_sidecar_is_reached_is_never_shown(rental, client):
    sidecar = rental.order.provisions.get(kind="sidecar")
    shown = client.get(f"/api/v1/orders/{rental.order.id}/provisions/{sidecar.id}/")
    assert set(shown.json()) == {"id", "order", "kind", "name", "is_primary", "created_at", "exclude"}
    assert "sidecar-secret" not in shown.content.decode()


@pytest.mark.parametrize("provision", [*NO_IDS, str(uuid4())])
def test_a_provision_that_is_not_there(provision, rental, client):
    path = f"/api/v1/orders/{rental.order.id}/provisions/{provision}/"
    assert_problem(client.get(path), 404, "provision_not_found")


def test_a_provision_of_another_order_is_not_there(rental, client):
    other = ProvisionFactory(order__customer=rental.order.customer)
    path = f"/api/v1/orders/{rental.order.id}/provisions/{other.id}/"
    assert_problem(client.get(path), 404, "provision_not_found")
