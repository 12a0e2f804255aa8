"""Before and after a restore: the preview, the safety backup, and the undo."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from backups import kinds
from backups.models import Backup, BackupStatus, OperationRole
from backups.services import sidecars
from operations.models import Operation, OperationState
from orders.models import Plan
from orders.rights import OrderRight
from provisions.models import Provision
from sidecar_client.errors import SidecarUnavailable
from sidecar_client.values import Change, RestorePreview
from tests.factories import (
    AuditEventFactory,
    BackupFactory,
    OperationBackupFactory,
    OperationFactory,
    OrderUserPermissionFactory,
)
from tests.web.backups.reading import read
from tests.world.clients import browser_of
from wire.enums import ChangeKind

HTMX = {"HX-Request": "true"}
NOTHING = RestorePreview(added=0, changed=0, removed=0, bytes=0, changes=(), more=False)
SOMETHING = RestorePreview(
    added=1,
    changed=2,
    removed=3,
    bytes=4096,
    changes=(Change(ChangeKind.CHANGED, b"world/\xff<b>.dat", 4096), Change(ChangeKind.REMOVED, b"grief", 0)),
    more=True,
)


class Answers:
    """A sidecar that answers every preview request with the same preview."""

    def __init__(self, preview, monkeypatch):
        self._preview = preview
        self.asked: list[dict[str, object]] = []
        monkeypatch.setattr(sidecars, "SidecarClient", lambda **_: self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def restore_preview(self, *, listing, **asked):
        self.asked.append({**asked, "listing": b"".join(listing)})
        if isinstance(self._preview, Exception):
            raise self._preview
        return self._preview


@pytest.fixture
def listed(rental):
    """A ready backup with a stored listing."""
    backup = rental.stored(name="Nightly", listing_bytes=7)
    (rental.root / f"{backup.asset.key}.listing").write_bytes(b"listing")
    return backup


def restored(rental, **operation):
    """A backup right after its restore, and the safety backup of that restore."""
    backup = rental.stored(name="Nightly")
    work = OperationFactory(order=rental.order, kind=kinds.RESTORE.name, subject=backup, **operation)
    safety = BackupFactory(
        provision=rental.server, name="Kept", is_safety=True, expires_at=timezone.now() + timedelta(hours=48)
    )
    OperationBackupFactory(operation=work, backup=safety, role=OperationRole.SAFETY)
    return backup, safety


def test_preview_lists_added_changed_and_removed_files(rental, owner, listed, monkeypatch):
    sidecar = Answers(SOMETHING, monkeypatch)
    page = read(owner.get(rental.at(listed, "restore/preview/?mode=replace"), headers=HTMX))
    assert [value.text for value in page.all("dd")] == ["1", "2", "3", "4 KiB"]
    assert [code.text for code in page.all("code")] == ["world/%FF<b>.dat", "grief"]
    assert "The first 2 are listed." in page.text
    assert (sidecar.asked[0]["mode"], sidecar.asked[0]["listing"]) == ("replace", b"listing")


@pytest.mark.parametrize("removed", [0, 3])
def test_overlay_names_files_lost_with_a_replaced_folder(removed, rental, owner, listed, monkeypatch):
    Answers(replace(SOMETHING, removed=removed), monkeypatch)
    page = read(owner.get(rental.at(listed, "restore/preview/?mode=overlay"), headers=HTMX))
    assert ("Removed" in [term.text for term in page.all("dt")]) == bool(removed)


def test_without_scripts_it_is_a_page_with_both_ways(rental, owner, listed, monkeypatch):
    Answers(NOTHING, monkeypatch)
    page = read(owner.get(rental.at(listed, "restore/preview/?mode=replace")))
    assert page.one("h1").text == "What a restore would change"
    assert "Nothing would change" in page.one(id="preview").text
    assert page.has("a", href="?mode=overlay")
    assert page.has("a", href=rental.at(listed, "restore/"))


@pytest.mark.parametrize("error", [SidecarUnavailable("away"), None])
def test_a_preview_that_cannot_be_made_is_no_error_of_the_page(error, rental, owner, listed, monkeypatch):
    Answers(error or SOMETHING, monkeypatch)
    if error is None:
        Backup.objects.update(listing_bytes=None)
    answer = owner.get(rental.at(listed, "restore/preview/"), headers=HTMX)
    said = "could not be reached" if error else "without a list of its files"
    assert (answer.status_code, said in read(answer).one(id="preview").text) == (200, True)


def test_preview_without_the_read_right_shows_only_numbers(rental, listed, monkeypatch):
    right = OrderUserPermissionFactory(content_object=rental.order, right=OrderRight.RESTORE.value)
    sidecar = Answers(RestorePreview(added=1, changed=0, removed=0, bytes=1, changes=(), more=True), monkeypatch)
    page = read(browser_of(right.user).get(rental.at(listed, "restore/preview/"), headers=HTMX))
    assert sidecar.asked[0]["paths_limit"] == 0
    assert "Your rights do not include seeing which files these are." in page.text


def test_the_restore_page_loads_the_preview_and_promises_the_way_back(rental, owner, listed):
    page = read(owner.get(rental.at(listed, "restore/")))
    assert page.has(hx_get=rental.at(listed, "restore/preview/"))
    assert "kept for 48 hours" in page.text
    assert "Stop the game server first if you can" in page.text
    assert not page.has("input", name="leave_running")


def test_a_plan_without_safety_backups_promises_nothing(rental, owner, listed):
    Plan.objects.update(safety_hours=0)
    page = read(owner.get(rental.at(listed, "restore/")))
    assert "You can take it back." not in page.text
    assert not page.has("input", name="without_safety")


def test_a_server_that_can_be_stopped_is(rental, owner, listed):
    Provision.objects.filter(kind="sidecar").update(can_stop=True)
    page = read(owner.get(rental.at(listed, "restore/")))
    assert "The game server is stopped while files are exchanged, and started again." in page.text
    owner.post(rental.at(listed, "restore/"), {"mode": "overlay", "leave_running": "on", "without_safety": "on"})
    assert Operation.objects.get().params == {"mode": "overlay", "safety": False, "server": "leave"}


def test_the_last_restore_can_be_taken_back_from_the_list(rental, owner):
    backup, safety = restored(rental)
    page = read(owner.get(rental.page))
    link = page.one("a", id=f"undo-{backup.id}")
    assert link["href"] == rental.at(backup, "undo/")
    asked = read(owner.get(link["href"]))
    assert "“Nightly” was restored" in asked.text
    assert "nothing is lost" in asked.text
    answer = owner.post(link["href"])
    assert (answer.status_code, answer["Location"]) == (302, rental.page)
    work = Operation.objects.get(kind=kinds.UNDO.name)
    assert dict(work.roles.values_list("role", "backup")) == {"subject": backup.id, "source": safety.id}
    after = read(owner.get(rental.page))
    assert after.one(id="messages").text.startswith("The restore of “Nightly” is being taken back.")
    assert "Waiting for a worker" in after.one(id=f"backup-{backup.id}").text


def test_impossible_undo_is_not_offered(rental, owner):
    backup, safety = restored(rental)
    Backup.objects.filter(id=safety.id).update(deleted_at=timezone.now())
    assert not read(owner.get(rental.page)).has("a", id=f"undo-{backup.id}")
    refused = owner.post(rental.at(backup, "undo/"))
    assert refused.status_code == 409
    assert "There is no restore of this backup that can be taken back" in read(refused).text


def test_while_something_runs_the_button_says_why_not(rental, owner):
    backup, _ = restored(rental)
    OperationFactory(order=rental.order, kind=kinds.CREATE.name, state=OperationState.RUNNING)
    row = read(owner.get(rental.page)).one(id=f"backup-{backup.id}")
    assert "A backup is being created. This is possible again when it has ended." in row.text


def test_safety_backup_shows_its_purpose_and_expiry(rental, owner):
    _, safety = restored(rental)
    row = read(owner.get(rental.page)).one(id=f"backup-{safety.id}")
    assert "Safety backup, goes in 2 days" in row.text
    Backup.objects.filter(id=safety.id).update(locked=True)
    row = read(owner.get(rental.page)).one(id=f"backup-{safety.id}")
    assert "goes" not in row.one("ul", class_="marks").text


def test_the_page_of_a_safety_backup_says_where_it_comes_from(rental, owner):
    _, safety = restored(rental)
    done = read(owner.get(rental.at(safety))).one("ol", class_="timeline")
    assert "Kept before the data was exchanged · Ready" in done.text
    assert "Restore" not in done.text


def test_activity_names_the_restored_backup_not_the_safety_backup(rental, owner):
    backup, _ = restored(rental)
    AuditEventFactory(
        action="restore.failed", order_id=rental.order.id, object_id=backup.operation_id, data={"code": "storage_full"}
    )
    assert "Nightly: Storage full" in read(owner.get(f"{rental.page}activity/")).text


@pytest.mark.parametrize(
    ("state", "code", "said"),
    [
        (OperationState.FAILED, "storage_full", "The undo failed"),
        (OperationState.CANCELLED, "cancelled", "The undo was cancelled"),
        (OperationState.SUCCEEDED, "", "Restore undone"),
    ],
)
def test_undo_is_reported_on_the_page_of_the_backup(state, code, said, rental, owner):
    backup = rental.stored()
    OperationFactory(order=rental.order, kind=kinds.UNDO.name, state=state, error_code=code, subject=backup)
    page = read(owner.get(rental.at(backup)))
    assert said in page.text
    assert "Undo of the restore" in page.text
    assert Backup.objects.get(id=backup.id).status == BackupStatus.READY
