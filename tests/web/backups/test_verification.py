"""A customer verifies a backup: the form, its progress and cancel, and the proof or the damage afterwards."""

from __future__ import annotations

import pytest
from django.utils import timezone

from backups.models import Backup, Depth
from operations.models import Operation, OperationState
from operations.work.run import operation_answer
from orders.models import BackupFormat
from orders.rights import OrderRight
from tests.factories import OperationFactory, OrderUserPermissionFactory
from tests.web.backups.reading import read
from tests.world.clients import browser_of


def page_of(rental, backup, browser=None):
    return read((browser or browser_of(rental.owner)).get(rental.at(backup)))


def test_the_form_begins_it_and_the_page_shows_how_far_it_is(rental, owner):
    backup = rental.stored()
    assert page_of(rental, backup, owner).one(id=f"verify-{backup.id}")["href"] == rental.at(backup, "verify/")
    chosen = [box["value"] for box in read(owner.get(rental.at(backup, "verify/"))).all("input", checked="")]
    assert chosen == ["structure"]
    assert owner.post(rental.at(backup, "verify/"), {"depth": "data", "key": "once"}).status_code == 302
    operation = Operation.objects.get(kind="verify")
    assert (operation.state, operation.params["depth"], operation.exclusive) == ("queued", "data", False)
    page = page_of(rental, backup, owner)
    assert page.has(id=f"cancel-{backup.id}")
    assert not page.has(id=f"verify-{backup.id}")


def test_it_has_the_progress_of_other_work(rental, owner):
    backup = rental.stored()
    OperationFactory(
        order=rental.order, kind="verify", subject=backup, state=OperationState.RUNNING, phase="reading",
        bytes_done=50, bytes_total=200,
    )  # fmt: skip
    running = page_of(rental, backup, owner).one(class_="progress")
    assert (running.one("progress")["value"], "Verifying what is stored" in running.text) == ("25", True)


def test_a_form_that_is_sent_twice_begins_it_once(rental, owner):
    backup = rental.stored()
    for _ in range(2):
        assert owner.post(rental.at(backup, "verify/"), {"depth": "structure", "key": "same"}).status_code == 302
    assert Operation.objects.filter(kind="verify").count() == 1
    refused = owner.post(rental.at(backup, "verify/"), {"depth": "structure", "key": "other"})
    assert refused.status_code == 409


@pytest.mark.parametrize("depth", ["", "sample", "share", "everything"])
def test_another_depth_is_refused(depth, rental, owner):
    backup = rental.stored()
    assert owner.post(rental.at(backup, "verify/"), {"depth": depth}).status_code == 400
    assert not Operation.objects.filter(kind="verify").exists()


def test_who_may_not_create_has_no_button(rental):
    backup = rental.stored()
    guest = OrderUserPermissionFactory(content_object=rental.order, right=OrderRight.VIEW.value).user
    assert not page_of(rental, backup, browser_of(guest)).has(id=f"verify-{backup.id}")


@pytest.mark.parametrize("depth", list(Depth))
def test_the_page_says_when_and_what_was_checked(depth, rental, owner):
    counted = {"files": 1200} if depth is not Depth.DATA else {"read_bytes": 5}
    proof = {"depth": depth, "at": timezone.now().isoformat(), "seconds": 1.0, "counted": counted, "ok": True}
    said = page_of(rental, rental.stored(proof=proof), owner).one(id="proof").text
    assert ("whole" in said) == (depth is Depth.DATA)
    assert ("Part of its content was read" in said) == (depth in (Depth.SAMPLE, Depth.SHARE))
    assert ("1200 files were checked" in said) == (depth is not Depth.DATA)


def test_a_verification_that_failed_is_told_as_such(rental, owner):
    backup = rental.stored()
    OperationFactory(
        order=rental.order, kind="verify", subject=backup, state="failed", error_code="storage_unavailable"
    )
    notices = [notice.text for notice in page_of(rental, backup, owner).all("div", class_="bad")]
    assert any(notice.startswith("The verification did not come to its end") for notice in notices)
    assert not any("backup failed" in notice for notice in notices)


@pytest.mark.parametrize("depth", ["structure", "data"])
def test_a_whole_backup_is_proven(depth, stocked):
    backup, browser = stocked.keep(), browser_of(stocked.owner)
    browser.post(stocked.at(backup, "verify/"), {"depth": depth})
    operation_answer(Operation.objects.get(kind="verify").id)
    page = page_of(stocked, backup, browser)
    assert ("whole" in page.one(id="proof").text) == (depth == "data")
    assert not page.has(id="damaged")
    assert page.has(id=f"verify-{backup.id}")


def test_damage_is_found_named_and_told(stocked):
    backup, browser = stocked.keep(name="Nightly"), browser_of(stocked.owner)
    _spoil(stocked, backup)
    browser.post(stocked.at(backup, "verify/"), {"depth": "data"})
    operation_answer(Operation.objects.get(kind="verify").id)
    page = page_of(stocked, backup, browser)
    assert "Damage was found." in page.one(id="proof").text
    told = page.one(id="messages").one("div", class_="bad").text
    assert ("“Nightly” was verified." in told, "damaged" in told) == (True, True)
    assert Backup.objects.get(id=backup.id).degraded
    if stocked.format == BackupFormat.REPOSITORY:
        assert page.one(id="proof").one("a")["href"] == "#damaged"
        assert "world/region/r.0.0.mca" in page.one(id="damaged").text


def _spoil(stocked, backup):
    """Flip a bit in the middle of the largest object in storage."""
    stored = max((path for path in stocked.root.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes(content)
