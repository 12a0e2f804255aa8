"""Changes by staff go through the services: refusals are shown, secrets are not."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, AuditEvent, Customer
from accounts.services.customers import customer_key
from accounts.services.tokens import token_create
from backups import kinds
from backups.models import Backup
from operations.models import Operation, OperationState
from orders.models import Order, OrderUserPermission
from provisions.models import Provision
from tests.api.admin_pages import delete, messages_of, page
from tests.factories import (
    BackupFactory,
    CustomerFactory,
    OperationFactory,
    OrderFactory,
    OrderUserPermissionFactory,
    PlanFactory,
    ProvisionFactory,
    StorageTargetFactory,
    UserFactory,
)
from vault.errors import TargetOptionsInvalid
from vault.models import StorageTarget
from vault.services.targets import target_check


def test_a_customer_is_made_with_a_key_that_opens(admin_client):
    owner = UserFactory()
    admin_client.post(page(Customer, "add"), {"name": "Acme", "owner": owner.pk})
    customer = Customer.objects.get()
    assert (customer.name, customer.owner, len(customer_key(customer))) == ("Acme", owner, 32)


def test_a_customer_is_renamed_and_keeps_its_key(admin_client):
    customer = CustomerFactory()
    admin_client.post(page(Customer, "change", customer.pk), {"name": "New", "owner": customer.owner.pk})
    renamed = Customer.objects.get()
    assert (renamed.name, bytes(renamed.tenant_key)) == ("New", bytes(customer.tenant_key))
    assert admin_client.post(page(Customer, "delete", customer.pk), {"post": "yes"}).status_code == 403


def test_an_order_is_booked_suspended_and_renamed_on_the_record(admin_client, admin_user):
    customer, plan = CustomerFactory(), PlanFactory()
    fields = {"plan": plan.pk, "name": "Server", "suspended_at_0": "", "suspended_at_1": ""}
    admin_client.post(page(Order, "add"), {**fields, "customer": customer.pk})
    order = Order.objects.get()
    assert (order.customer, order.name, order.suspended_at) == (customer, "Server", None)
    other = CustomerFactory()
    changed = {**fields, "name": "New", "suspended_at_0": "2026-11-21", "suspended_at_1": "10:00", "customer": other.pk}
    admin_client.post(page(Order, "change", order.pk), changed)
    order.refresh_from_db()
    assert (order.customer, order.name, order.suspended_at.year) == (customer, "New", 2026)
    assert AuditEvent.objects.get(action="order.suspend").actor == admin_user


def test_an_order_goes_with_all_that_belongs_to_it(admin_client, admin_user):
    backup = BackupFactory()
    ProvisionFactory(order=backup.order, sidecar=True)
    delete(admin_client, backup.order)
    assert not Order.objects.exists()
    assert not Backup.objects.exists()
    assert AuditEvent.objects.get(action="order.delete").actor == admin_user


@pytest.mark.parametrize("what", ["order", "provision"])
def test_nothing_goes_while_an_operation_is_active(what, admin_client):
    backup = BackupFactory(creating=True)
    OperationFactory(order=backup.order, state=OperationState.RUNNING, subject=backup)
    response = delete(admin_client, getattr(backup, what))
    assert response.redirect_chain[-1][0].endswith("/change/")
    assert "An operation is running" in messages_of(response)[0]
    assert len(messages_of(response)) == 1
    assert Backup.objects.exists()
    assert not AuditEvent.objects.filter(action__endswith=".delete").exists()


def test_a_server_with_backups_stays(admin_client):
    provision = BackupFactory().provision
    response = delete(admin_client, provision)
    assert "still has backups" in messages_of(response)[0]
    assert Provision.objects.filter(pk=provision.pk).exists()


def test_a_server_without_backups_goes(admin_client):
    provision = ProvisionFactory()
    delete(admin_client, provision)
    assert not Provision.objects.exists()


def test_a_backup_is_deleted_as_its_customer_would(admin_client):
    backup = BackupFactory()
    delete(admin_client, backup)
    assert Backup.objects.get().deleted_at is not None
    assert Operation.objects.get().kind == kinds.DELETE.name
    assert delete(admin_client, backup).status_code == 403


def test_a_locked_backup_stays_and_the_reason_is_shown(admin_client):
    backup = BackupFactory(locked=True)
    assert "locked" in messages_of(delete(admin_client, backup))[0]
    assert Backup.objects.get().deleted_at is None


def test_a_sidecars_token_can_be_written_and_is_never_shown(admin_client):
    order = OrderFactory()
    fields = {"name": "Agent", "address": "127.0.0.1:5000"}
    new = {**fields, "order": order.pk, "kind": "sidecar", "new_token": "canary-token"}
    assert admin_client.post(page(Provision, "add"), new).status_code == 302
    sidecar = Provision.objects.get()
    assert sidecar.token == "canary-token"
    for path in (
        page(Provision, "change", sidecar.pk),
        page(Provision, "changelist"),
        page(Provision, "history", sidecar.pk),
    ):
        assert b"canary" not in admin_client.get(path).content
    admin_client.post(page(Provision, "change", sidecar.pk), {**fields, "name": "New", "new_token": ""})
    sidecar.refresh_from_db()
    assert (sidecar.name, sidecar.token) == ("New", "canary-token")
    admin_client.post(page(Provision, "change", sidecar.pk), {**fields, "new_token": "canary-2"})
    sidecar.refresh_from_db()
    assert sidecar.token == "canary-2"
    refused = admin_client.post(page(Provision, "change", sidecar.pk), {"name": "", "new_token": "canary-3"})
    assert b"canary" not in refused.content


S3_OPTIONS = {
    "endpoint_url": "https://s3.example",
    "region": "x",
    "bucket": "b",
    "prefix": "",
    "path_style": True,
    "conditional_writes": True,
}


def target_fields(**changes):
    """The fields that the form sends for S3: an unticked box is not sent."""
    options = {f"s3_{name}": value for name, value in S3_OPTIONS.items()}
    return {"name": "T", "kind": "s3", **options, "s3_access_key": "", "s3_secret_key": "", **changes}


def test_a_targets_secrets_can_be_written_and_are_never_shown(admin_client):
    written = target_fields(s3_access_key="canary-access", s3_secret_key="canary-secret")
    assert admin_client.post(page(StorageTarget, "add"), written).status_code == 302
    target = StorageTarget.objects.get()
    assert target.options == S3_OPTIONS
    assert json.loads(target.secrets) == {"access_key": "canary-access", "secret_key": "canary-secret"}
    for path in (page(StorageTarget, "change", target.pk), page(StorageTarget, "changelist")):
        assert b"canary" not in admin_client.get(path).content
    assert admin_client.post(page(StorageTarget, "change", target.pk), target_fields(name="New")).status_code == 302
    target.refresh_from_db()
    assert (target.name, json.loads(target.secrets)["secret_key"]) == ("New", "canary-secret")


KEYS = {"s3_access_key": "a", "s3_secret_key": "b"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, "s3_access_key"),
        ({"s3_access_key": "only-one"}, "s3_secret_key"),
        ({"s3_bucket": "", **KEYS}, "s3_bucket"),
        ({"s3_region": "", **KEYS}, "s3_region"),
        ({"s3_endpoint_url": "s3.example", **KEYS}, "s3_endpoint_url"),
        ({"s3_endpoint_url": "http://[127", **KEYS}, "s3_endpoint_url"),
        ({"s3_region": "eu west", **KEYS}, "s3_region"),
        ({"s3_prefix": "a folder", **KEYS}, "s3_prefix"),
        ({"kind": "local"}, "local_root"),
        ({"kind": "local", "local_root": "relative"}, "local_root"),
        ({"kind": "unheard"}, "kind"),
    ],
)
def test_a_target_that_could_not_be_opened_is_not_saved(changes, named, admin_client):
    response = admin_client.post(page(StorageTarget, "add"), target_fields(**changes))
    assert response.status_code == 200
    assert [*response.context["adminform"].form.errors] == [named]
    assert not StorageTarget.objects.exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "tape"}, "kind"),
        ({"options": []}, "options"),
        ({"secrets": "[]"}, "secrets"),
        ({"secrets": "{"}, "secrets"),
    ],
)
def test_a_target_of_another_shape_is_refused(changes, named):
    fields = {"kind": "s3", "options": S3_OPTIONS, "secrets": '{"access_key": "a", "secret_key": "b"}'}
    with pytest.raises(TargetOptionsInvalid) as caught:
        target_check(target=StorageTarget(**{**fields, **changes}))
    assert caught.value.params == {"option": named}


def test_defaults_of_a_target_are_stored(admin_client):
    fields = {"name": "T", "kind": "s3", "s3_bucket": "b", "s3_region": "x", **KEYS}
    assert admin_client.post(page(StorageTarget, "add"), fields).status_code == 302
    stored = {**S3_OPTIONS, "endpoint_url": None, "path_style": False, "conditional_writes": False}
    assert StorageTarget.objects.get().options == stored


def test_change_of_kind_removes_the_secrets(admin_client, settings, tmp_path):
    settings.SAVEPOINT_STORAGE_ROOTS = (tmp_path,)
    admin_client.post(page(StorageTarget, "add"), target_fields(**KEYS))
    target = StorageTarget.objects.get()
    fields = {"name": "T", "kind": "local", "local_root": str(tmp_path)}
    assert admin_client.post(page(StorageTarget, "change", target.pk), fields).status_code == 302
    target.refresh_from_db()
    assert (target.kind, target.options, target.secrets) == ("local", {"root": str(tmp_path)}, None)


def test_target_form_shows_the_stored_options(admin_client):
    target = StorageTargetFactory(kind="s3", options={**S3_OPTIONS, "path_style": False})
    form = admin_client.get(page(StorageTarget, "change", target.pk)).context["adminform"].form
    shown = {name: form[f"s3_{name}"].value() for name in S3_OPTIONS}
    assert shown == {**S3_OPTIONS, "path_style": False}


def test_staff_who_may_only_view_see_the_options_of_a_target(db):
    reader = UserFactory(is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename="view_storagetarget"))
    client = Client()
    client.force_login(reader)
    target = StorageTargetFactory(options={"root": "/seen/by/staff"})
    assert b"/seen/by/staff" in client.get(page(StorageTarget, "change", target.pk)).content


def test_a_target_that_holds_something_stays(admin_client):
    target = BackupFactory().asset.target
    delete(admin_client, target)
    assert StorageTarget.objects.filter(pk=target.pk).exists()
    empty = StorageTargetFactory()
    delete(admin_client, empty)
    assert not StorageTarget.objects.filter(pk=empty.pk).exists()


def test_a_right_is_granted_and_withdrawn_on_the_record(admin_client, admin_user):
    order, user = OrderFactory(), UserFactory()
    fields = {"content_object": order.pk, "user": user.pk, "right": "create_backup"}
    for _ in range(2):
        admin_client.post(page(OrderUserPermission, "add"), fields)
    given = OrderUserPermission.objects.get()
    assert (given.user, given.permission.codename) == (user, "create_backup")
    assert AuditEvent.objects.filter(action="member.grant").first().actor == admin_user
    delete(admin_client, given)
    assert not OrderUserPermission.objects.exists()
    assert AuditEvent.objects.get(action="member.withdraw").actor == admin_user


def test_tokens_are_revoked(admin_client, admin_user):
    token, secret = token_create(user=UserFactory(), name="lost")
    path = page(ApiToken, "changelist")
    assert secret.encode() not in admin_client.get(path).content
    response = admin_client.post(path, {"action": "revoke", "_selected_action": [token.pk]}, follow=True)
    assert messages_of(response) == [f"{token}: revoked"]
    token.refresh_from_db()
    assert token.revoked_at <= timezone.now()
    assert AuditEvent.objects.get(action="token.revoke").actor == admin_user


def test_operations_are_cancelled_and_refusals_shown(admin_client):
    over = OperationFactory()
    backup = BackupFactory(creating=True)
    running = OperationFactory(order=backup.order, state=OperationState.RUNNING, subject=backup)
    chosen = {"action": "cancel", "_selected_action": [over.pk, running.pk]}
    response = admin_client.post(page(Operation, "changelist"), chosen, follow=True)
    said = sorted(messages_of(response))
    assert len(said) == 2
    assert any("asked to stop" in line and str(running.pk) in line for line in said)
    assert any("cannot be done" in line and str(over.pk) in line for line in said)
    running.refresh_from_db()
    assert running.cancel_requested_at is not None


def test_read_only_staff_see_no_actions(db):
    reader = UserFactory(is_staff=True)
    reader.user_permissions.set(
        Permission.objects.filter(codename__in=["view_apitoken", "view_operation", "view_backup"])
    )
    client = Client()
    client.force_login(reader)
    token, _ = token_create(user=UserFactory(), name="x")
    client.post(page(ApiToken, "changelist"), {"action": "revoke", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert token.revoked_at is None
    assert delete(client, BackupFactory()).status_code == 403


def test_member_may_be_any_user_with_a_right_of_the_order(admin_client):
    fields = {"content_object": OrderFactory().pk, "user": UserFactory().pk, "right": "delete_user"}
    assert admin_client.post(page(OrderUserPermission, "add"), fields).status_code == 200
    assert not OrderUserPermission.objects.exists()
    assert OrderUserPermissionFactory().permission.codename == "view_order"
