"""The first page: the user's visible orders, found by name or id, each with its newest backup."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from backups.models import Backup
from backups.web import orders
from tests.factories import (
    BackupFactory,
    CustomerFactory,
    OrderFactory,
    OrderGroupPermissionFactory,
    OrderUserPermissionFactory,
    PlanFactory,
    ProvisionFactory,
    UserFactory,
)
from tests.web.backups.reading import read
from tests.world.clients import browser_of


def names(answer):
    return [link.text for link in read(answer).all("a", class_="row-link")]


def cells(answer, label):
    return [cell.text for cell in read(answer).one("tbody").all("td", data_label=label)]


@pytest.fixture
def customer(db):
    return CustomerFactory(name="Nordlicht")


@pytest.fixture
def mine(customer):
    return browser_of(customer.owner)


@pytest.fixture
def clerk(db):
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_all_orders"))
    return browser_of(user)


def test_visible_orders_are_listed_newest_first(customer, mine):
    OrderFactory(name="somebody else's")
    OrderFactory(customer=customer, name="first")
    OrderFactory(customer=customer, name="second")
    shared = OrderFactory(name="shared")
    OrderUserPermissionFactory(content_object=shared, user=customer.owner, right="download_backup")
    by_group = OrderFactory(name="by group")
    given = OrderGroupPermissionFactory(content_object=by_group)
    customer.owner.groups.add(given.group)
    assert names(mine.get("/")) == ["by group", "shared", "second", "first"]


def test_an_order_that_is_listed_twice_over_is_there_once(customer, mine):
    order = OrderFactory(customer=customer, name="mine")
    for right in ("view_order", "create_backup"):
        OrderUserPermissionFactory(content_object=order, user=customer.owner, right=right)
    assert names(mine.get("/")) == ["mine"]


def test_without_orders_the_page_says_how_they_come(mine):
    page = read(mine.get("/"))
    assert page.one(class_="empty").one("h2").text == "No orders yet"
    assert not page.has("form", role="search")


def test_order_links_to_its_page_with_a_summary(customer, mine):
    order = OrderFactory(customer=customer, name="Nord", plan=PlanFactory(name="Large"), suspended_at=timezone.now())
    answer = mine.get("/")
    assert read(answer).one("a", class_="row-link")["href"] == f"/orders/{order.id}/"
    assert cells(answer, "Server") == ["Nord Suspended"]
    assert cells(answer, "Plan") == ["Large"]


def test_the_customer_is_named_only_where_there_are_others(customer, mine):
    OrderFactory(customer=customer)
    assert not read(mine.get("/")).one("tbody").has("td", data_label="Customer")
    shared = OrderFactory(customer__name="Südlicht")
    OrderUserPermissionFactory(content_object=shared, user=customer.owner)
    assert cells(mine.get("/"), "Customer") == ["Südlicht", "Nordlicht"]


def test_staff_see_every_order_with_its_customer(customer, clerk):
    OrderFactory(customer=customer, name="one")
    OrderFactory(customer__name="Südlicht", name="two")
    answer = clerk.get("/")
    assert names(answer) == ["two", "one"]
    assert cells(answer, "Customer") == ["Südlicht", "Nordlicht"]


def made(order, *, hours, **values):
    backup = BackupFactory(provision=order.provisions.get(), **values)
    Backup.objects.filter(id=backup.id).update(completed_at=timezone.now() - timedelta(hours=hours, minutes=5))


def test_the_newest_backup_that_can_be_used_is_shown(customer, mine):
    for name in ("none", "two", "failed", "deleted", "no plan"):
        ProvisionFactory(order=OrderFactory(customer=customer, name=name))
    rented = {order.name: order for order in customer.orders.all()}
    made(rented["two"], hours=50)
    made(rented["two"], hours=3, restoring=True)
    made(rented["failed"], hours=1, failed=True)
    made(rented["deleted"], hours=1, deleted_at=timezone.now())
    rented["no plan"].plan.has_backups = False
    rented["no plan"].plan.save()
    shown = dict(zip(names(mine.get("/")), cells(mine.get("/"), "Protection"), strict=True))
    assert shown.pop("two").replace("\xa0", " ").startswith("Protected Last good backup 3 hours ago")
    none = "Not protected Not protected yet: there is no backup."
    plan = "Not protected Not protected: the plan has no backups."
    assert shown == {"none": none, "failed": none, "deleted": none, "no plan": plan}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("nord", ["Nordsee Überleben"]),
        ("SEE", ["Nordsee Überleben"]),
        (" leben ", ["Nordsee Überleben"]),
        ("100%", ["100% Skyblock"]),
        ("%", ["100% Skyblock"]),
        ("_", []),
        ("'; --", []),
        ("\\", []),
        ("", ["100% Skyblock", "Nordsee Überleben"]),
        ("nord\x00see", ["Nordsee Überleben"]),
        ("x" * 3000, []),
    ],
    ids=ascii,
)
def test_an_order_is_found_by_a_part_of_its_name(words, found, db):
    customer = CustomerFactory(name="Somebody")
    OrderFactory(customer=customer, name="Nordsee Überleben")
    OrderFactory(customer=customer, name="100% Skyblock")
    assert names(browser_of(customer.owner).get("/", {"q": words})) == found


def test_an_order_is_found_by_its_id_and_by_its_customer(customer, clerk):
    order = OrderFactory(customer=customer, name="one")
    OrderFactory(name="two")
    for words in (str(order.id), str(order.id).upper(), order.id.hex, "nordl"):
        assert names(clerk.get("/", {"q": words})) == ["one"]


def test_looking_for_the_orders_of_others_finds_none(customer, mine):
    hidden = OrderFactory(name="hidden")
    for words in ("hidden", str(hidden.id), hidden.customer.name):
        page = read(mine.get("/", {"q": words}))
        assert page.one(class_="empty").one("h2").text == "No order found"
        assert words in page.one(class_="empty").text
        assert page.one(class_="empty").one("a")["href"] == "/"
        assert page.one("input", name="q")["value"] == words


def test_pages_of_orders_are_linked_and_keep_the_search(customer, mine, monkeypatch):
    monkeypatch.setattr(orders, "PAGE_SIZE", 2)
    for number in range(5):
        OrderFactory(customer=customer, name=f"n&n {number}")
    OrderFactory(customer=customer, name="other")
    seen, answer = [], mine.get("/", {"q": "n&n"})
    while True:
        seen.append(names(answer))
        older = read(answer).all("a", rel="next")
        if not older:
            break
        answer = mine.get(older[0]["href"])
    assert seen == [["n&n 4", "n&n 3"], ["n&n 2", "n&n 1"], ["n&n 0"]]
    newer = read(answer).one("a", rel="prev")["href"]
    assert names(mine.get(newer)) == ["n&n 2", "n&n 1"]


def test_the_search_is_offered_when_there_is_more_than_a_page(customer, mine, monkeypatch):
    monkeypatch.setattr(orders, "PAGE_SIZE", 2)
    OrderFactory.create_batch(2, customer=customer)
    assert not read(mine.get("/")).has("form", role="search")
    OrderFactory(customer=customer)
    assert read(mine.get("/")).has("form", role="search")


@pytest.mark.parametrize("cursor", ["x", "\x00", "ü"])
def test_a_cursor_that_is_none_is_an_error_that_says_so(cursor, mine):
    answer = mine.get("/", {"cursor": cursor})
    assert answer.status_code == 400
    assert read(answer).one("h1").text == "Invalid request"
