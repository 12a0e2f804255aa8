"""A hold on an order is shown on its page: since when, by whom, until when, and a button that ends it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import formats, timezone

from accounts.models import AuditEvent
from backups import kinds
from backups.services.reprovision import order_reprovision
from backups.web import overview
from operations.models import Operation, OperationState
from operations.supervision.expired_leases import holds_expire
from orders.models import OrderUserPermission
from orders.rights import OrderRight
from tests.api.problems import assert_problem
from tests.factories import BackupFactory, OperationFactory, OrderUserPermissionFactory, UserFactory
from tests.web.backups.reading import hx, read
from tests.world.clients import browser_of, client_of


def member_of(rental, right, **names):
    user = UserFactory(**names)
    OrderUserPermissionFactory(content_object=rental.order, user=user, right=right.value)
    return user


@pytest.fixture
def taker(rental):
    """A member who may restore, and who holds the order."""
    return member_of(rental, OrderRight.RESTORE, name="Robin Hold")


@pytest.fixture
def hold(rental, taker):
    """Hold the order through the API, as a panel does."""
    answer = client_of(taker).post(f"/api/v1/orders/{rental.order.id}/reprovision/")
    assert answer.status_code == 202
    return Operation.objects.get(id=answer.json()["id"])


def held(rental, browser):
    page = read(browser.get(rental.page))
    return page.one(id="held") if page.has(id="held") else None


def end_address(rental, operation):
    return f"{rental.page}operations/{operation.id}/cancel/"


def test_hold_is_shown_with_its_end_and_its_taker(rental, owner, hold):
    notice = held(rental, owner)
    assert notice.one("strong").text == "Reinstalling the server"
    assert "Robin Hold" in notice.text
    assert "No backup and no restore can begin before it has ended. It ends by itself:" in notice.text
    assert notice.one("time", id="held-until")["datetime"] == hold.expires_at.isoformat(timespec="seconds")
    assert notice.one("form")["action"] == end_address(rental, hold)
    why = read(owner.get(rental.page)).one(id="create-why").text
    # A full hour has no minutes, and noon is a word.
    assert f"until {formats.time_format(timezone.localtime(hold.expires_at))}" in why


def test_owner_ends_the_hold_with_its_button(rental, owner, hold):
    answer = owner.post(end_address(rental, hold), headers=hx(target="backups", current=rental.page))
    assert answer.status_code == 200
    page = read(answer)
    assert "The reinstallation was ended. Backups and restores are possible again." in page.text
    assert not page.has(id="held")
    assert Operation.objects.get(id=hold.id).state == OperationState.SUCCEEDED
    assert AuditEvent.objects.filter(action="reprovision.cancel", actor=rental.owner).count() == 1
    assert "Reinstallation ended" in read(owner.get(f"{rental.page}activity/")).text
    assert owner.post(rental.create_page, {"name": "x"}).status_code == 302


def test_taker_ends_the_hold_also_without_the_right(rental, taker, hold):
    browser = browser_of(taker)
    assert held(rental, browser).has(id="held-end")
    OrderUserPermission.objects.filter(user=taker).delete()
    OrderUserPermissionFactory(content_object=rental.order, user=taker, right=OrderRight.VIEW.value)
    assert held(rental, browser).has(id="held-end")
    client = client_of(taker)
    assert client.post(f"/api/v1/operations/{hold.id}/cancel/").status_code == 202
    assert Operation.objects.get(id=hold.id).state == OperationState.SUCCEEDED
    assert AuditEvent.objects.filter(action="reprovision.cancel", actor=taker).exists()
    # A name that was used once is not reused.
    assert_problem(client.post(f"/api/v1/orders/{rental.order.id}/reprovision/"), 403, "permission_denied")


def test_owner_ends_the_hold_over_the_api(rental, hold):
    client = client_of(rental.owner)
    shown = client.get(f"/api/v1/operations/{hold.id}/").json()
    assert (shown["kind"], shown["state"], shown["expires_at"] is None) == ("reprovision", "running", False)
    assert client.post(f"/api/v1/operations/{hold.id}/cancel/").json()["state"] == "succeeded"
    assert client.post(rental.backups).status_code == 202


@pytest.mark.parametrize("right", sorted(set(OrderRight) - {OrderRight.RESTORE}))
def test_other_member_sees_the_hold_but_cannot_end_it(right, rental, hold):
    member = member_of(rental, right)
    browser = browser_of(member)
    notice = held(rental, browser)
    assert "Robin Hold" in notice.text
    assert not notice.has(id="held-end")
    browser.post(end_address(rental, hold))
    assert_problem(client_of(member).post(f"/api/v1/operations/{hold.id}/cancel/"), 403, "permission_denied")
    assert Operation.objects.get(id=hold.id).state == OperationState.RUNNING
    assert not AuditEvent.objects.filter(action="reprovision.cancel").exists()


def test_staff_with_all_orders_can_end_the_hold(rental, hold):
    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_all_orders"))
    browser = browser_of(clerk)
    assert held(rental, browser).has(id="held-end")
    assert browser.post(end_address(rental, hold)).status_code == 302
    assert Operation.objects.get(id=hold.id).state == OperationState.SUCCEEDED


def test_hold_that_expired_is_gone_from_the_page_and_on_record(rental, owner, hold):
    Operation.objects.filter(id=hold.id).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert holds_expire() == 1
    assert held(rental, owner) is None
    assert AuditEvent.objects.filter(action="reprovision.expire", actor=None).count() == 1
    assert holds_expire() == 0


def test_hold_of_staff_is_ended_by_the_owner(rental, owner):
    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_all_orders"))
    hold = order_reprovision(user=clerk, order_id=rental.order.id, idempotency=None)
    assert owner.post(end_address(rental, hold)).status_code == 302
    assert Operation.objects.get(id=hold.id).state == OperationState.SUCCEEDED


@pytest.mark.parametrize("kind", [kinds.CREATE.name, kinds.RESTORE.name, kinds.UNDO.name])
def test_work_on_a_backup_of_another_page_is_shown_and_can_be_cancelled(kind, rental, owner, monkeypatch):
    monkeypatch.setattr(overview, "PAGE_SIZE", 1)
    status = {"creating": True} if kind == kinds.CREATE.name else {"restoring": True}
    busy = BackupFactory(provision=rental.server, **status)
    operation = OperationFactory(order=rental.order, kind=kind, state="running", subject=busy)
    assert held(rental, owner) is None
    rental.stored(name="newer")
    assert held(rental, owner).has(id="held-end")
    assert owner.post(end_address(rental, operation)).status_code == 302
    assert Operation.objects.get(id=operation.id).cancel_requested_at is not None
    assert not held(rental, owner).has(id="held-end")


def test_work_that_its_row_shows_is_not_told_twice(rental, owner):
    rental.begun()
    assert held(rental, owner) is None
