"""The cost of pages: as many queries for 25 rows as for one, for every user."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.api.queries import queries_of
from tests.factories import (
    BackupFactory,
    OperationBackupFactory,
    OperationFactory,
    OrderFactory,
    OrderGroupPermissionFactory,
    ProvisionFactory,
    ScheduleFactory,
    UsageSampleFactory,
    UserFactory,
)
from tests.web.backups.reading import read
from tests.world.clients import browser_of


def owner_of(order):
    return order.customer.owner


def member_of(order):
    """A user with every right, through a group."""
    user = UserFactory()
    given = OrderGroupPermissionFactory(content_object=order, right="view_order")
    user.groups.add(given.group)
    for right in ("create_backup", "download_backup", "restore_backup", "delete_backup"):
        OrderGroupPermissionFactory(content_object=order, group=given.group, right=right)
    return user


def clerk_of(order):
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_all_orders", "read_customer_data"]))
    return user


WHO = {"owner": owner_of, "member by group": member_of, "staff": clerk_of}


def fill(rental, count):
    for number in range(count):
        backup = BackupFactory(provision=rental.server, failed=number % 2 == 0)
        OperationFactory(order=rental.order, subject=backup)


def polls_of(browser, path, part):
    """The queries of a poll without news."""
    polled = read(browser.get(path)).one(id=part)["hx-get"]
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(polled).status_code == 204
    return len(captured)


@pytest.mark.parametrize("going_on", [True, False])
@pytest.mark.parametrize(("who", "most"), [("owner", 20), ("member by group", 22), ("staff", 21)])
def test_a_list_costs_the_same_however_long_it_is(who, most, going_on, rental):
    browser = browser_of(WHO[who](rental.order))
    rental.stored()
    rental.failed()
    if going_on:
        rental.begun()
    counts = []
    for more in (0, 22):
        fill(rental, more)
        poll = polls_of(browser, rental.page, "backups")
        counts.append((queries_of(browser, rental.page), queries_of(browser, rental.region), poll))
    assert counts[0] == counts[1]
    # A running operation is read together with its backup.
    assert max(counts[0]) <= most - going_on


def test_the_usage_page_costs_the_same_however_much_there_is(rental, owner):
    path = f"{rental.page}usage/"
    queries_of(owner, path)
    counts = []
    for more in (1, 30):
        for number in range(more):
            schedule = ScheduleFactory(order=rental.order)
            rental.stored(schedule_id=schedule.id, added_bytes=number)
            UsageSampleFactory(order=rental.order)
        counts.append(queries_of(owner, path))
    assert len(read(owner.get(path)).all("rect")) == 31
    assert counts[0] == counts[1] <= 13


def test_a_filtered_list_costs_as_much_as_the_whole_one(rental, owner):
    for number in range(5):
        rental.stored(tags=["update"], notes=f"Java {number}")
    queries_of(owner, rental.page)
    whole = queries_of(owner, rental.page)
    assert queries_of(owner, f"{rental.page}?tag=update&search=java&status=ready") == whole


@pytest.mark.parametrize("going_on", [True, False])
@pytest.mark.parametrize(("who", "most"), [("owner", 12), ("member by group", 14), ("staff", 13)])
def test_a_backup_costs_the_same_however_much_was_done_to_it(who, most, going_on, rental):
    browser = browser_of(WHO[who](rental.order))
    backup = rental.begun() if going_on else rental.stored()
    path = rental.at(backup)
    counts = []
    for more in (0, 24):
        for _ in range(more):
            operation = OperationFactory(order=rental.order, kind="delete", requested_by=UserFactory())
            OperationBackupFactory(backup=backup, operation=operation)
        poll = polls_of(browser, path, "backup")
        counts.append((queries_of(browser, path), queries_of(browser, f"{path}detail/"), poll))
    assert counts[0] == counts[1]
    assert max(counts[0]) <= most


@pytest.mark.parametrize(("who", "most"), [("owner", 11), ("member by group", 11), ("staff", 11)])
def test_the_orders_cost_the_same_however_many_there_are(who, most, rental):
    user = WHO[who](rental.order)
    browser = browser_of(user)
    rental.stored()
    browser.get("/")
    counts = [queries_of(browser, "/")]
    for _ in range(24):
        order = OrderFactory(customer=rental.order.customer)
        BackupFactory(provision=ProvisionFactory(order=order))
        if who == "member by group":
            OrderGroupPermissionFactory(content_object=order, group=user.groups.get(), right="view_order")
    counts.append(queries_of(browser, "/"))
    assert len(read(browser.get("/")).all("a", class_="row-link")) == 25
    assert counts[0] == counts[1]
    assert counts[0] <= most
