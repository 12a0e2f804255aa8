"""Where data goes is part of reading it: only staff who may read it choose storage, encryption and sidecars."""

from __future__ import annotations

import pytest

from accounts.models import AuditEvent
from orders.rights import OrderRight
from provisions.models import Provision
from tests.api.admin_pages import messages_of, page
from tests.api.test_admin_changes import S3_OPTIONS, target_fields
from tests.api.test_admin_rights import browser_of, staff
from tests.factories import OrderFactory, OrderUserPermissionFactory, ProvisionFactory, StorageTargetFactory
from vault.models import StorageTarget

pytestmark = pytest.mark.django_db
TARGETS = ("view_storagetarget", "add_storagetarget", "change_storagetarget")
PROVISIONS = ("view_provision", "add_provision", "change_provision", "view_order")
READERS = ("view_all_orders", "read_customer_data")
TOO_FEW = [(), ("view_all_orders",), ("read_customer_data",)]
KEYS = '{"access_key": "canary-access", "secret_key": "canary-secret"}'
MOVES = [
    {"kind": "local", "local_root": "{root}"},
    {"s3_endpoint_url": "https://mine.example"},
    {"s3_region": "elsewhere"},
    {"s3_bucket": "mine"},
    {"s3_prefix": "mine"},
    {"s3_access_key": "canary-mine", "s3_secret_key": "canary-mine"},
    {"sealed": None},
    {"is_default": None},
]


@pytest.fixture
def target(settings, tmp_path):
    settings.SAVEPOINT_STORAGE_ROOTS = (tmp_path,)
    return StorageTargetFactory(
        name="T", kind="s3", options=S3_OPTIONS, secrets=KEYS, sealed=True, is_default=True, upkeep_hour=3
    )


def sent(changes, root):
    """The fields of a form; None is a box that is not ticked any more."""
    fields = {**target_fields(), "sealed": "on", "is_default": "on", "archive_format": "tar.gz", "upkeep_hour": "3"}
    fields |= {name: value and value.format(root=root) for name, value in changes.items()}
    return {name: value for name, value in fields.items() if value is not None}


def stored(model):
    return list(model.objects.order_by("pk").values())


@pytest.mark.parametrize("permissions", TOO_FEW, ids=str)
@pytest.mark.parametrize("changes", MOVES, ids=str)
def test_place_of_backups_is_chosen_by_those_who_read_them(changes, permissions, target, tmp_path):
    before = stored(StorageTarget)
    browser = browser_of(staff(*TARGETS, *permissions))
    answer = browser.post(page(StorageTarget, "change", target.pk), sent(changes, tmp_path), follow=True)
    assert "do not have yourself" in messages_of(answer)[0]
    assert stored(StorageTarget) == before
    assert not AuditEvent.objects.filter(action__startswith="target.").exists()


@pytest.mark.parametrize("changes", MOVES, ids=str)
def test_new_place_is_audited_with_the_old_one_and_without_secrets(changes, target, tmp_path):
    before = stored(StorageTarget)[0]
    clerk = staff(*TARGETS, *READERS)
    path = page(StorageTarget, "change", target.pk)
    assert browser_of(clerk).post(path, sent(changes, tmp_path)).status_code == 302
    after = stored(StorageTarget)[0]
    event = AuditEvent.objects.get(action="target.update")
    moved = {name for name in ("kind", "options", "sealed", "is_default") if before[name] != after[name]}
    assert moved or event.data["secrets_changed"]
    assert event.data["secrets_changed"] is (before["secrets"] != after["secrets"])
    for name in moved:
        assert (event.data[f"{name}_before"], event.data[name]) == (before[name], after[name])
    assert (event.actor, event.object_id) == (clerk, target.id)
    assert "canary" not in str(list(AuditEvent.objects.values()))


@pytest.mark.parametrize("permissions", TOO_FEW, ids=str)
def test_new_target_is_added_by_those_who_read_the_backups(permissions, target, tmp_path):
    target.delete()
    fields = sent({"s3_access_key": "a", "s3_secret_key": "b"}, tmp_path)
    browser_of(staff(*TARGETS, *permissions)).post(page(StorageTarget, "add"), fields)
    assert not StorageTarget.objects.exists()
    browser_of(staff(*TARGETS, *READERS)).post(page(StorageTarget, "add"), fields)
    assert AuditEvent.objects.get(action="target.create").data["options"] == StorageTarget.objects.get().options


@pytest.mark.parametrize("options", [S3_OPTIONS, {"region": "x", "bucket": "b", "endpoint_url": "https://s3.example"}])
@pytest.mark.parametrize("changes", [{"name": "New"}, {"archive_format": "tar.zst"}, {"upkeep_hour": "9"}], ids=str)
def test_harmless_fields_of_a_target_are_free(changes, options, target, tmp_path):
    """Also where a default was never stored."""
    StorageTarget.objects.update(options=options)
    fields = sent(changes, tmp_path)
    answer = browser_of(staff(*TARGETS)).post(page(StorageTarget, "change", target.pk), fields, follow=True)
    assert "changed successfully" in messages_of(answer)[0]
    assert all(str(getattr(StorageTarget.objects.get(), name)) == value for name, value in changes.items())


def sidecar_fields(**changes):
    return {"name": "Agent", "address": "127.0.0.1:9", "new_token": "", "exclude": "", **changes}


CHANGES = [
    {"address": "127.0.0.1:6666"},
    {"new_token": "canary-" * 6},
    {"address": "unix:/mine", "new_token": "canary"},
]


@pytest.mark.parametrize("permissions", TOO_FEW, ids=str)
@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_way_to_a_server_is_chosen_by_those_who_read_its_data(changes, permissions):
    sidecar = ProvisionFactory(sidecar=True)
    before = stored(Provision)
    browser = browser_of(staff(*PROVISIONS, *permissions))
    answer = browser.post(page(Provision, "change", sidecar.pk), sidecar_fields(**changes), follow=True)
    assert "do not have yourself" in messages_of(answer)[0]
    assert stored(Provision) == before


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_new_way_is_audited_with_the_old_one_and_without_secrets(changes):
    sidecar = ProvisionFactory(sidecar=True)
    clerk = staff(*PROVISIONS, *READERS)
    path = page(Provision, "change", sidecar.pk)
    assert browser_of(clerk).post(path, sidecar_fields(**changes)).status_code == 302
    event = AuditEvent.objects.get(action="provision.update")
    assert (event.actor, event.order_id, event.object_id) == (clerk, sidecar.order_id, sidecar.id)
    assert event.data["token_changed"] is ("new_token" in changes)
    if "address" in changes:
        assert (event.data["address_before"], event.data["address"]) == (sidecar.address, changes["address"])
    assert "canary" not in str(list(AuditEvent.objects.values()))


def test_primary_server_is_chosen_by_those_who_read_its_data():
    first = ProvisionFactory()
    path = page(Provision, "change", first.pk)
    browser_of(staff(*PROVISIONS)).post(path, {"name": "World", "exclude": ""})
    assert Provision.objects.get().is_primary
    browser_of(staff(*PROVISIONS, *READERS)).post(path, {"name": "World", "exclude": ""})
    assert not Provision.objects.get().is_primary
    assert AuditEvent.objects.get(action="provision.update").data["is_primary_before"] is True


@pytest.mark.parametrize("kind", ["sidecar", "deployment"])
def test_new_provision_is_added_by_those_who_read_its_data(kind):
    order = OrderFactory()
    new = {"order": order.pk, "kind": kind, **sidecar_fields()}
    if kind == "deployment":
        new |= {"address": "", "is_primary": "on"}
    for permissions in TOO_FEW:
        answer = browser_of(staff(*PROVISIONS, *permissions)).post(page(Provision, "add"), new, follow=True)
        assert "do not have yourself" in messages_of(answer)[0]
    assert not Provision.objects.exists()
    assert browser_of(staff(*PROVISIONS, *READERS)).post(page(Provision, "add"), new).status_code == 302
    assert AuditEvent.objects.get(action="provision.create").actor is not None


def test_patterns_are_written_by_those_who_may_delete_backups():
    server = ProvisionFactory()
    path = page(Provision, "change", server.pk)
    fields = {"name": "World", "is_primary": "on", "exclude": "*"}
    clerk = staff(*PROVISIONS)
    browser_of(clerk).post(path, fields)
    assert Provision.objects.get().exclude == ""
    OrderUserPermissionFactory(user=clerk, content_object=server.order, right=OrderRight.DELETE)
    browser_of(clerk).post(path, fields)
    assert Provision.objects.get().exclude == "*"


def test_harmless_fields_of_a_provision_are_free():
    sidecar = ProvisionFactory(sidecar=True)
    browser_of(staff(*PROVISIONS)).post(page(Provision, "change", sidecar.pk), sidecar_fields(name="New"))
    changed = Provision.objects.get()
    assert (changed.name, changed.token) == ("New", sidecar.token)
