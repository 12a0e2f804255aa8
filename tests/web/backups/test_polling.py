"""The polled parts of pages: 204 until something changes, and only while an operation runs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups import kinds
from backups.models import Backup
from backups.services.backups import backup_create, backup_delete, backup_update
from operations.models import Operation, OperationState
from operations.services.operations import operation_cancel, operation_fail, operation_finish
from orders.models import OrderUserPermission
from orders.rights import OrderRight
from tests.factories import OperationFactory, OrderUserPermissionFactory, SupervisorFactory
from tests.web.backups.reading import hx, read
from tests.world.clients import browser_of
from vault.errors import StorageUnavailableError

POLLED = {
    "order": ("backups", lambda rental, backup: rental.page),
    "backup": ("backup", lambda rental, backup: rental.at(backup)),
}


def part_of(browser, path, part):
    return read(browser.get(path)).one(id=part)


def polled(browser, node):
    return browser.get(node["hx-get"], headers=hx(target=node["id"]))


@pytest.fixture(params=POLLED)
def shown(request, rental):
    """The polled part of an order's or a backup's page while that backup is created."""
    part, page = POLLED[request.param]
    backup = rental.begun(phase="packing", bytes_done=1, bytes_total=100, rate=1)
    return backup, page(rental, backup), part


def operation(backup):
    return Operation.objects.get(id=backup.operation_id)


def others_of(backup):
    return Operation.objects.filter(id=backup.operation_id)


CHANGES = {
    "name": lambda rental, backup: backup_update(user=rental.owner, backup=backup, name="other"),
    "lock": lambda rental, backup: backup_update(user=rental.owner, backup=backup, locked=True),
    "bytes": lambda rental, backup: others_of(backup).update(bytes_done=2),
    "total": lambda rental, backup: others_of(backup).update(bytes_total=1000),
    "rate": lambda rental, backup: others_of(backup).update(rate=2),
    "phase": lambda rental, backup: others_of(backup).update(phase=""),
    "stopping": lambda rental, backup: operation_cancel(user=rental.owner, operation=operation(backup)),
    "error": lambda rental, backup: operation_fail(operation=operation(backup), error=StorageUnavailableError()),
    "waiting": lambda rental, backup: others_of(backup).update(state=OperationState.QUEUED),
    "suspended": lambda rental, backup: rental.suspend(),
    "damaged": lambda rental, backup: Backup.objects.update(degraded=True),
    "warnings": lambda rental, backup: Backup.objects.update(
        warnings_total=1, warnings=[{"kind": "vanished", "path": "x"}]
    ),
    "verified": lambda rental, backup: Backup.objects.update(verified_at=timezone.now()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_is_sent_once(change, shown, rental, owner):
    backup, page, part = shown
    before = part_of(owner, page, part)
    same = polled(owner, before)
    assert (same.status_code, same.content) == (204, b"")
    CHANGES[change](rental, backup)
    after = polled(owner, before)
    assert after.status_code == 200
    fresh = read(after).one(id=part)
    assert fresh["hx-get"] != before["hx-get"]
    assert fresh["hx-get"] == part_of(owner, page, part)["hx-get"]
    assert polled(owner, fresh).status_code == 204


OTHER_CHANGES = {
    "a new backup": lambda rental: backup_create(
        user=rental.owner, order_id=rental.order.id, provision_id=rental.server.id, name="new", idempotency=None
    ),
    "a deletion": lambda rental: backup_delete(user=rental.owner, backup=Backup.objects.get()),
    "workers that came": lambda rental: SupervisorFactory(),
    "a plan": lambda rental: type(rental.order.plan).objects.update(backup_limit=1),
    "the sidecar that went": lambda rental: rental.order.provisions.filter(kind="sidecar").delete(),
    "a reinstallation": lambda rental: OperationFactory(
        order=rental.order, kind=kinds.REPROVISION.name, state="running"
    ),
}


@pytest.mark.parametrize("change", OTHER_CHANGES)
def test_change_outside_the_list_is_sent_too(change, rental, owner):
    rental.stored()
    before = part_of(owner, rental.page, "backups")
    assert polled(owner, before).status_code == 204
    OTHER_CHANGES[change](rental)
    assert polled(owner, before).status_code == 200


def test_changed_rights_change_the_polled_part(rental):
    rental.stored()
    member = OrderUserPermissionFactory(content_object=rental.order, right="view_order").user
    given = OrderUserPermissionFactory(content_object=rental.order, user=member, right=OrderRight.DELETE.value)
    browser = browser_of(member)
    before = part_of(browser, rental.page, "backups")
    assert polled(browser, before).status_code == 204
    OrderUserPermission.objects.filter(pk=given.pk).delete()
    assert polled(browser, before).status_code == 200


def test_time_alone_changes_nothing_until_the_last_backup_is_old(rental, owner, monkeypatch):
    backup = rental.stored()
    pages = {
        path: part_of(owner, path, part) for path, part in ((rental.page, "backups"), (rental.at(backup), "backup"))
    }
    later, too_late = timezone.now() + timedelta(hours=9), timezone.now() + timedelta(days=8)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert [polled(owner, part).status_code for part in pages.values()] == [204, 204]
    monkeypatch.setattr(timezone, "now", lambda: too_late)
    assert [polled(owner, part).status_code for part in pages.values()] == [200, 204]


def test_another_version_is_answered_with_the_part(rental, owner):
    for query in ("", "?version=", "?version=0000000000000000", "?version=%00"):
        assert owner.get(rental.region + query).status_code == 200


def test_readers_of_other_languages_have_versions_of_their_own(rental, owner):
    rental.begun(phase="packing")
    english = part_of(owner, rental.page, "backups")
    rental.owner.language = "de"
    rental.owner.save()
    german = part_of(owner, rental.page, "backups")
    assert german["hx-get"] != english["hx-get"]
    assert polled(owner, german).status_code == 204


def asks_again(browser, page, part):
    trigger = part_of(browser, page, part)["hx-trigger"]
    assert trigger in ("refresh", "every 3s, refresh")
    return trigger.startswith("every")


def test_page_polls_only_while_an_operation_runs(shown, rental, owner):
    backup, page, part = shown
    assert asks_again(owner, page, part)
    operation_fail(operation=operation(backup), error=StorageUnavailableError())
    assert not asks_again(owner, page, part)


@pytest.mark.parametrize("state", OperationState)
@pytest.mark.parametrize("kind", [kinds.RESTORE.name, kinds.REPROVISION.name, kinds.UNDO.name])
def test_page_polls_for_any_kind_of_operation(kind, state, rental, owner):
    backup = rental.stored()
    OperationFactory(order=rental.order, kind=kind, state=state)
    live = state in (OperationState.QUEUED, OperationState.RUNNING)
    assert asks_again(owner, rental.page, "backups") == live
    assert asks_again(owner, rental.at(backup), "backup") == live


def test_a_backup_on_another_page_of_the_list_keeps_it_asking(rental, owner):
    rental.begun()
    rental.stored()
    assert asks_again(owner, f"{rental.page}?status=ready", "backups")


def test_the_answer_that_says_the_end_ends_the_asking(shown, rental, owner):
    backup, page, part = shown
    before = part_of(owner, page, part)
    # As a worker ends an operation that it gave up.
    operation_fail(operation=operation(backup), error=StorageUnavailableError())
    last = read(polled(owner, before)).one(id=part)
    assert last["hx-trigger"] == "refresh"
    assert last["data-announce"] == f"“{backup.name}”: Failed"


def test_change_is_announced_to_screen_readers(shown, rental, owner):
    backup, page, part = shown
    said = part_of(owner, page, part)["data-announce"]
    assert said.startswith(f"“{backup.name}”: Packing and storing")
    others_of(backup).update(state=OperationState.QUEUED, phase="")
    assert "Waiting for a worker" in part_of(owner, page, part)["data-announce"]


def test_a_restore_that_succeeded_is_over_for_the_page(rental, owner):
    backup = rental.stored()
    Backup.objects.filter(id=backup.id).update(status="restoring")
    running = OperationFactory(order=rental.order, kind=kinds.RESTORE.name, state="running", subject=backup)
    assert asks_again(owner, rental.page, "backups")
    assert operation_finish(operation=running, state=OperationState.SUCCEEDED)
    Backup.objects.filter(id=backup.id).update(status="ready")
    assert not asks_again(owner, rental.page, "backups")
    row = read(owner.get(rental.page)).one(id=f"backup-{backup.id}")
    assert "Restored" in row.text


def test_the_part_of_a_backup_that_was_deleted_leads_to_its_order(rental, owner):
    backup = rental.stored()
    part = part_of(owner, rental.at(backup), "backup")
    backup_delete(user=rental.owner, backup=backup)
    gone = polled(owner, part)
    assert (gone.status_code, gone["HX-Redirect"], gone.content) == (200, rental.page, b"")
