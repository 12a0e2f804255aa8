"""Orders and their running operations."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from orders.models import Order
from tests.api.conftest import client_of
from tests.api.problems import assert_problem
from tests.factories import OrderFactory, OrderUserPermissionFactory, ProvisionFactory, UserFactory

NO_IDS = ["x", "0", "%00", "None", "{braces}", "00000000-0000-0000-0000-000000000000", "a" * 3000]


def test_an_order_is_shown_whole(house, client):
    Order.objects.update(created_at=datetime(2026, 11, 21, 10, 20, 30, tzinfo=UTC))
    assert client.get(f"/api/v1/orders/{house.order.id}/").json() == {
        "id": str(house.order.id),
        "name": house.order.name,
        "customer": {"id": str(house.order.customer.id), "name": house.order.customer.name},
        "plan": {"name": house.order.plan.name, "has_backups": True, "backup_limit": 10},
        "suspended_at": None,
        "created_at": "2026-11-21T10:20:30Z",
    }


def test_the_list_has_the_orders_the_caller_may_see_and_no_others(house, client):
    OrderFactory()
    shared = OrderUserPermissionFactory(user=house.owner).content_object
    body = client.get("/api/v1/orders/").json()
    assert set(body) == {"next", "previous", "results"}
    assert [order["id"] for order in body["results"]] == [str(shared.id), str(house.order.id)]


def test_list_of_a_user_without_orders_is_empty(outsider):
    assert outsider.get("/api/v1/orders/").json() == {"next": None, "previous": None, "results": []}


def test_staff_with_the_permission_see_all_orders(house):
    clerk = UserFactory(is_superuser=True)
    OrderFactory()
    assert len(client_of(clerk).get("/api/v1/orders/").json()["results"]) == 2


@pytest.mark.parametrize("order", [*NO_IDS, str(uuid4())])
def test_an_order_that_is_not_there(order, client):
    assert_problem(client.get(f"/api/v1/orders/{order}/"), 404, "order_not_found")
    assert_problem(client.get(f"/api/v1/orders/{order}/provisions/"), 404, "order_not_found")


def test_an_id_is_found_in_capitals_too(house, client):
    assert client.get(f"/api/v1/orders/{str(house.order.id).upper()}/").status_code == 200


def test_foreign_order_is_a_404(house, outsider):
    assert_problem(outsider.get(f"/api/v1/orders/{house.order.id}/"), 404, "order_not_found")


def test_servers_of_an_order_are_listed_with_the_main_one_first(house, client):
    body = client.get(f"/api/v1/orders/{house.order.id}/provisions/").json()
    assert body["next"] is body["previous"] is None
    assert [(row["kind"], row["is_primary"]) for row in body["results"]] == [("deployment", True), ("sidecar", False)]


def test_how_a_sidecar_is_reached_is_never_shown(house, client):
    sidecar = house.order.provisions.get(kind="sidecar")
    shown = client.get(f"/api/v1/orders/{house.order.id}/provisions/{sidecar.id}/")
    assert set(shown.json()) == {"id", "order", "kind", "name", "is_primary", "created_at"}
    assert "sidecar-secret" not in shown.content.decode()


@pytest.mark.parametrize("provision", [*NO_IDS, str(uuid4())])
def test_a_provision_that_is_not_there(provision, house, client):
    path = f"/api/v1/orders/{house.order.id}/provisions/{provision}/"
    assert_problem(client.get(path), 404, "provision_not_found")


def test_a_provision_of_another_order_is_not_there(house, client):
    other = ProvisionFactory(order__customer=house.order.customer)
    path = f"/api/v1/orders/{house.order.id}/provisions/{other.id}/"
    assert_problem(client.get(path), 404, "provision_not_found")
