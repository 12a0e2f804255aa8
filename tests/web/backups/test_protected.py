"""Reassuring texts are true: only a good backup makes a server protected, and only a good one looks like one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import Backup, BackupStatus
from orders.models import Plan
from provisions.models import Provision
from tests.factories import OperationFactory, ProvisionFactory
from tests.web.backups.reading import read
from tests.world.clients import browser_of

PROTECTED = "Protected: "


def health(answer):
    return read(answer).one(class_="protection")


def said(answer):
    return health(answer).one(id="protection-sentence").text.replace("\xa0", " ")


def row(answer):
    return read(answer).one("td", data_label="Protection").text.replace("\xa0", " ")


def of_another_server(rental):
    """Attach the backups to a new server, as after a reinstallation."""
    rental.stored()
    Provision.objects.filter(id=rental.server.id).update(is_primary=False)
    ProvisionFactory(order=rental.order, name="New")


NO_GOOD_ONE = {
    "safety": lambda rental: rental.stored(is_safety=True),
    "locked safety": lambda rental: rental.stored(is_safety=True, locked=True),
    "safety being restored": lambda rental: rental.stored(is_safety=True, status=BackupStatus.RESTORING),
    "failed": lambda rental: rental.failed(),
    "creating": lambda rental: rental.begun(),
    "degraded": lambda rental: rental.stored(degraded=True),
    "degraded and verified before": lambda rental: rental.stored(degraded=True, verified_at=timezone.now()),
    "collapsed": lambda rental: rental.stored(collapsed=True),
    "deleted": lambda rental: rental.stored(deleted_at=timezone.now()),
    "of another server": of_another_server,
}


@pytest.mark.parametrize("case", NO_GOOD_ONE)
def test_no_good_backup_is_never_called_protected(case, rental, owner):
    NO_GOOD_ONE[case](rental)
    card = health(owner.get(rental.page))
    assert "bad" in card.one(id="protection-sentence")["class"]
    assert card.one(id="protection-sentence").text.startswith("Not protected")
    assert not card.has("time")
    assert row(owner.get("/")).startswith("Not protected Not protected")


@pytest.mark.parametrize("case", sorted(NO_GOOD_ONE.keys() - {"of another server"}))
def test_age_of_the_last_good_backup_is_said_beside_newer_ones(case, rental, owner):
    good = rental.stored()
    NO_GOOD_ONE[case](rental)
    Backup.objects.filter(id=good.id).update(completed_at=timezone.now() - timedelta(hours=3, minutes=5))
    answer = owner.get(rental.page)
    assert health(answer).text.replace("\xa0", " ").count("Last good backup 3 hours ago") == 1
    assert said(answer).startswith(PROTECTED) is not case.startswith(("collapsed", "degraded"))
    assert "Last good backup 3 hours ago" in row(owner.get("/"))


def test_safety_backup_of_a_broken_state_does_not_protect(reconciled):
    backup = reconciled.backup()
    Backup.objects.filter(id=backup.id).update(completed_at=timezone.now() - timedelta(days=8))
    reconciled.restore(backup)
    safety = Backup.objects.get(is_safety=True)
    assert timezone.now() - safety.completed_at < timedelta(minutes=5)
    owner = browser_of(reconciled.owner)
    assert said(owner.get(f"/orders/{reconciled.order.id}/")) == "At risk: the last good backup is old, 1 week ago."
    assert "Last good backup 1 week ago" in row(owner.get("/"))


@pytest.mark.parametrize(
    ("values", "label", "tone"),
    [
        ({"degraded": True}, "Damaged", "bad"),
        ({"degraded": True, "collapsed": True}, "Damaged", "bad"),
        ({"collapsed": True}, "Ready", "warn"),
        ({}, "Ready", "ok"),
    ],
)
def test_backup_that_is_not_good_does_not_look_like_one(values, label, tone, rental, owner):
    backup = rental.stored(verified_at=timezone.now(), **values)
    for answer in (owner.get(rental.page), owner.get(rental.at(backup))):
        page = read(answer)
        badge = page.one("tr", id=f"backup-{backup.id}").one(class_="badge") if page.has("tr") else None
        badge = badge or page.one("h1").within()[0].one(class_="badge")
        assert (badge.text, tone in badge["class"].split()) == (label, True)
        marks = [mark.text for mark in page.all("li", class_="mark")]
        assert any(mark.startswith("Verified") for mark in marks) is not values.get("degraded", False)


@pytest.mark.parametrize("hours", [0, 48])
def test_undo_promises_a_copy_only_when_one_is_made(hours, rental, owner):
    Plan.objects.update(safety_hours=hours)
    backup = rental.stored()
    OperationFactory(order=rental.order, subject=backup, kind="restore")
    said = read(owner.get(rental.at(backup, "undo/"))).text
    assert ("so nothing is lost" in said) is bool(hours)
    assert ("is replaced for good" in said) is not bool(hours)
