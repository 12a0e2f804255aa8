"""The page of a restore into a new volume: where it is offered, what it says, and the id afterwards."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from backups import kinds
from backups.errors import LimitReached
from backups.models import BackupStatus
from backups.services.roles import backups_give_back
from backups.services.volumes import volume_add
from operations.models import ExchangeState, Operation, OperationState
from operations.services.operations import operation_finish
from provisions.models import Provision, ProvisionKind
from provisions.services.provisions import provision_delete
from tests.factories import OperationFactory, ProvisionFactory
from tests.web.backups.reading import read
from tests.world.clients import client_of

LINK = "Restore into a new volume"


@pytest.fixture
def offered(rental):
    rental.sidecar.can_make_volumes = True
    rental.sidecar.save()
    return rental


def made(rental, backup) -> str:
    """Let the newest restore have made its volume; return its id."""
    operation = Operation.objects.get(volume_id__isnull=False, state=OperationState.QUEUED)
    with transaction.atomic():
        operation_finish(operation=operation, state=OperationState.SUCCEEDED)
        backups_give_back(operation)
        volume_add(operation)
    return str(operation.volume_id)


def test_volume_is_offered_where_the_sidecar_makes_volumes(rental, owner):
    page = rental.at(rental.stored(), "restore/")
    assert LINK not in read(owner.get(page)).text
    rental.sidecar.can_make_volumes = True
    rental.sidecar.save()
    link = next(link for link in read(owner.get(f"{page}?path=a%2525b")).all("a") if link.text == LINK)
    asked = read(owner.get(link["href"])).one("form", class_="form")
    assert asked.one("input", name="path")["value"] == "a%25b"


def test_restore_begins_and_the_id_is_shown_when_it_has_ended(offered, owner):
    backup = offered.stored(name="one")
    path = offered.at(backup, "restore/volume/")
    page = read(owner.get(path))
    assert "Your server stays as it is." in page.text
    form = page.one("form", class_="form")
    assert not form.has("input", name="mode")
    key = form.one("input", name="key")["value"]
    answers = [owner.post(path, {"key": key, "path": "world"}) for _ in range(2)]
    assert [(answer.status_code, answer["Location"]) for answer in answers] == [(302, offered.page)] * 2
    operation = Operation.objects.get()
    assert (operation.kind, operation.server_id) == (kinds.RESTORE.name, None)
    assert operation.params == {"mode": "replace", "safety": False, "server": "leave", "paths": ["world"]}
    assert read(owner.get(offered.page)).one(id="messages").text.startswith("The restore of “one” was started.")

    volume = made(offered, backup)
    told = read(owner.get(offered.page)).one(id="messages").text
    assert f"The files are in the new volume {volume}." in told
    assert "Undo" not in told
    assert "Restored into a new volume" in read(owner.get(offered.page)).text
    assert f"The files are in the new volume {volume}." in read(owner.get(offered.at(backup))).text
    row = Provision.objects.get(id=volume)
    assert (row.kind, row.name, row.order) == (ProvisionKind.VOLUME, "Restored from one", offered.order)


def test_page_says_why_no_volume_can_be_made(rental, owner):
    backup = rental.stored()
    path = rental.at(backup, "restore/volume/")
    form = read(owner.get(path)).one("form", class_="form")
    assert "disabled" in form.one("button")
    assert form.one(class_="why").text.startswith("No new volume can be made beside this server.")
    assert owner.post(path, {}).status_code == 409
    assert not Operation.objects.exists()
    backup.refresh_from_db()
    assert backup.status == BackupStatus.READY


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"mode": "replace"}, "mode"), ({"server": "leave"}, "server"), ({"safety_backup": False}, "safety_backup"),
        ({"accept_collapsed": True}, "accept_collapsed"),
    ],
)  # fmt: skip
def test_parameter_without_a_meaning_is_refused(offered, sent, field):
    backup = offered.stored()
    path = f"/api/v1/orders/{offered.order.id}/provisions/{offered.server.id}/backups/{backup.id}/restore/"
    client = client_of(offered.owner)
    answer = client.post(path, {"destination": "new"} | sent, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    answer = client.post(path, {"destination": "newer"}, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["destination"])
    assert client.post(path, {"destination": "new"}, format="json").status_code == 202


def test_api_refuses_where_no_volume_is_offered(rental):
    backup = rental.stored()
    path = f"/api/v1/orders/{rental.order.id}/provisions/{rental.server.id}/backups/{backup.id}/restore/"
    answer = client_of(rental.owner).post(path, {"destination": "new"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "volumes_not_offered")


def test_plan_limits_how_many_volumes_an_order_keeps(offered, owner):
    offered.order.plan.volume_limit = 2
    offered.order.plan.save()
    backup = offered.stored()
    ProvisionFactory(order=offered.order, kind=ProvisionKind.VOLUME, is_primary=False)  # by staff: it does not count
    volumes = []
    for _ in range(2):
        offered.restore_ask(backup, new_volume=True)
        volumes.append(made(offered, backup))
    path = offered.at(backup, "restore/volume/")
    form = read(owner.get(path)).one("form", class_="form")
    assert form.one(class_="why").text.startswith("Your plan keeps 2 new volumes, and they all exist.")
    with pytest.raises(LimitReached):
        offered.restore_ask(backup, new_volume=True)
    assert owner.post(path, {}).status_code == 409
    backup.refresh_from_db()
    assert backup.status == BackupStatus.READY
    provision_delete(provision=Provision.objects.get(id=volumes[0]), actor=None)
    assert owner.post(path, {}).status_code == 302


def test_plan_without_volumes_offers_none(offered, owner):
    offered.order.plan.volume_limit = 0
    offered.order.plan.save()
    backup = offered.stored()
    assert LINK not in read(owner.get(offered.at(backup, "restore/"))).text
    assert owner.post(offered.at(backup, "restore/volume/"), {}).status_code == 409


def test_collapsed_backup_needs_no_consent_since_nothing_is_replaced(offered, owner):
    backup = offered.stored(collapsed=True)
    path = offered.at(backup, "restore/volume/")
    assert read(owner.get(path)).has(id="caution")
    assert owner.post(path, {}).status_code == 302


@pytest.mark.parametrize(
    "values",
    [
        {"volume_id": uuid4(), "server_id": uuid4()},
        {"exchange": ExchangeState.DISCARDED},
    ],
)
def test_database_refuses_an_operation_that_cannot_be(rental, values):
    with pytest.raises(IntegrityError), transaction.atomic():
        OperationFactory(order=rental.order, **values)


def test_database_refuses_a_volume_that_two_operations_make(rental):
    volume = uuid4()
    OperationFactory(order=rental.order, volume_id=volume)
    with pytest.raises(IntegrityError), transaction.atomic():
        OperationFactory(order=rental.order, volume_id=volume)


def test_staff_read_what_becomes_of_the_files_before_they_delete_a_volume(offered, admin_client):
    backup = offered.stored()
    offered.restore_ask(backup, new_volume=True)
    volume = made(offered, backup)
    address = f"/admin/provisions/provision/{volume}/delete/"
    assert f"All files of the volume {volume}." in admin_client.get(address).content.decode()
    admin_client.post(address, {"post": "yes"})
    assert not Provision.objects.filter(id=volume).exists()
    assert Operation.objects.get().exchange == ExchangeState.DISCARDED
