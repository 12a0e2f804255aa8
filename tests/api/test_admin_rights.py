"""Staff neither grant, remove nor gain a right that they lack; each change is in the audit trail."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.models import ApiToken, AuditEvent, Customer, User
from accounts.services.tokens import token_create
from orders.models import OrderUserPermission, Plan
from tests.api.admin_pages import delete, messages_of, page
from tests.factories import (
    CustomerFactory,
    OrderFactory,
    OrderUserPermissionFactory,
    PlanFactory,
    StorageTargetFactory,
    UserFactory,
)
from tests.factories.accounts import AuthenticatorFactory
from tests.factories.orders import GroupFactory
from vault.models import StorageTarget

pytestmark = pytest.mark.django_db
NEW = {"password1": "new-roof-lantern", "password2": "new-roof-lantern"}


def staff(*codenames):
    user = UserFactory(is_staff=True)
    found = Permission.objects.filter(codename__in=codenames)
    assert found.count() >= len(codenames)
    user.user_permissions.set(found)
    return user


def browser_of(user):
    client = Client()
    client.force_login(user)
    return client


def director():
    """A colleague with more rights, through a group; active and deactivated ones are protected alike."""
    user = UserFactory(is_staff=True)
    group = Group.objects.create(name="Directors")
    group.permissions.set(Permission.objects.filter(codename="read_customer_data"))
    user.groups.add(group)
    return user


def user_fields(user, **changes):
    fields = {"username": user.username, "name": user.name, "email": user.email, "theme": "auto", "is_active": "on"}
    return {**fields, "date_joined_0": "2026-01-01", "date_joined_1": "12:00:00", **changes}


@pytest.mark.parametrize("verb", ["add", "change", "delete"])
def test_groups_are_written_by_superusers_only(verb, admin_client):
    clerk = staff("add_group", "change_group", "delete_group", "view_group")
    group = GroupFactory()
    clerk.groups.add(group)
    rights = {"name": "Raised", "permissions": [Permission.objects.get(codename="read_customer_data").pk]}
    path = page(Group, verb, *([] if verb == "add" else [group.pk]))
    assert browser_of(clerk).post(path, {**rights, "post": "yes"}).status_code == 403
    assert not User.objects.get(pk=clerk.pk).has_perm("backups.read_customer_data")
    assert admin_client.post(path, {**rights, "post": "yes"}).status_code == 302


@pytest.mark.parametrize("make", [director, lambda: CustomerFactory().owner, UserFactory])
@pytest.mark.parametrize("field", ["username", "email"])
def test_ways_to_sign_in_are_set_by_superusers_only(field, make, admin_client):
    user = make()
    clerk = staff("view_user", "change_user")
    taken = user_fields(user, **{field: "taken@example.com"})
    browser_of(clerk).post(page(User, "change", user.pk), taken)
    assert getattr(User.objects.get(pk=user.pk), field) == getattr(user, field)
    assert admin_client.post(page(User, "change", user.pk), taken).status_code == 302
    assert getattr(User.objects.get(pk=user.pk), field) == "taken@example.com"


@pytest.mark.parametrize("make", [director, lambda: CustomerFactory().owner, UserFactory])
def test_passwords_of_others_are_set_by_superusers_only(make, admin_client):
    user = make()
    path = f"/admin/accounts/user/{user.pk}/password/"
    clerk = browser_of(staff("view_user", "change_user"))
    assert clerk.get(path).status_code == clerk.post(path, NEW).status_code == 403
    assert User.objects.get(pk=user.pk).password == user.password
    assert admin_client.post(path, NEW).status_code == 302
    assert User.objects.get(pk=user.pk).check_password(NEW["password1"])


@pytest.mark.parametrize("active", [True, False])
def test_colleague_with_more_rights_is_not_changed_or_deleted(active):
    user = director()
    User.objects.filter(pk=user.pk).update(is_active=active)
    browser = browser_of(staff("view_user", "change_user", "delete_user"))
    assert browser.post(page(User, "change", user.pk), user_fields(user, is_active="")).status_code == 403
    assert delete(browser, user).status_code == 403
    assert User.objects.get(pk=user.pk).is_active is active


def test_customer_can_be_renamed_and_deactivated_by_staff():
    user = UserFactory()
    fields = user_fields(user, name="New name")
    del fields["is_active"]
    assert browser_of(staff("view_user", "change_user")).post(page(User, "change", user.pk), fields).status_code == 302
    changed = User.objects.get(pk=user.pk)
    assert (changed.name, changed.is_active) == ("New name", False)


def test_owner_of_a_customer_is_named_by_superusers_only(admin_client, admin_user):
    customer = CustomerFactory()
    clerk = staff("view_customer", "change_customer")
    path = page(Customer, "change", customer.pk)
    assert browser_of(clerk).post(path, {"name": "Mine", "owner": clerk.pk}).status_code == 302
    kept = Customer.objects.get()
    assert (kept.name, kept.owner) == ("Mine", customer.owner)
    new = UserFactory()
    admin_client.post(path, {"name": "Moved", "owner": new.pk})
    assert Customer.objects.get().owner == new
    event = AuditEvent.objects.filter(action="customer.update").latest("id")
    assert (event.actor, event.object_id) == (admin_user, customer.id)
    assert (event.data["owner_before"], event.data["owner"]) == (str(customer.owner.pk), str(new.pk))


@pytest.mark.parametrize("right", ["download_backup", "manage_members", "manage_schedules", "create_backup"])
def test_right_on_an_order_is_granted_only_by_its_holder(right):
    order = OrderFactory()
    clerk = staff("add_orderuserpermission", "view_orderuserpermission", "view_order", "view_user", "view_all_orders")
    fields = {"content_object": order.pk, "user": clerk.pk, "right": right}
    answer = browser_of(clerk).post(page(OrderUserPermission, "add"), fields)
    # Staff who see every order may create backups there, but neither download nor manage.
    assert OrderUserPermission.objects.exists() is (right == "create_backup")
    assert answer.status_code == (302 if right == "create_backup" else 200)
    if answer.status_code == 200:
        assert "rights that you do not have yourself" in answer.content.decode()


def test_right_on_an_order_is_withdrawn_only_by_its_holder():
    given = OrderUserPermissionFactory()
    clerk = staff("delete_orderuserpermission", "view_orderuserpermission")
    assert "do not have yourself" in messages_of(delete(browser_of(clerk), given))[0]
    assert OrderUserPermission.objects.filter(pk=given.pk).exists()
    clerk.user_permissions.add(Permission.objects.get(codename="view_all_orders"))
    delete(browser_of(clerk), given)
    assert not OrderUserPermission.objects.filter(pk=given.pk).exists()


@pytest.mark.parametrize("make", [director, lambda: UserFactory(is_staff=True, is_superuser=True)])
def test_second_factor_of_a_user_with_more_rights_stays(make):
    row = AuthenticatorFactory(user=make())
    browser = browser_of(staff("view_authenticator", "delete_authenticator"))
    chosen = {"action": "remove", "_selected_action": [row.pk]}
    response = browser.post(page(Authenticator, "changelist"), chosen, follow=True)
    assert "do not have yourself" in messages_of(response)[0]
    assert Authenticator.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("make", [director, lambda: UserFactory(is_superuser=True)])
def test_token_of_a_user_with_more_rights_stays(make):
    token, _secret = token_create(user=make(), name="bot")
    browser = browser_of(staff("view_apitoken", "change_apitoken"))
    response = browser.post(
        page(ApiToken, "changelist"), {"action": "revoke", "_selected_action": [token.pk]}, follow=True
    )
    assert "do not have yourself" in messages_of(response)[0]
    token.refresh_from_db()
    assert token.revoked_at is None


@pytest.mark.parametrize("root", ["/etc", "{home}", "{home}/secrets", "{allowed}/../secrets", "{allowed}/link", "/"])
def test_local_target_stays_in_the_folders_set_aside(root, admin_client, tmp_path, settings):
    allowed = tmp_path / "storage"
    (tmp_path / "secrets").mkdir()
    allowed.mkdir()
    (allowed / "link").symlink_to(tmp_path / "secrets")
    settings.SAVEPOINT_STORAGE_ROOTS = (allowed,)
    fields = {"name": "T", "kind": "local"}
    named = root.format(home=tmp_path, allowed=allowed)
    response = admin_client.post(page(StorageTarget, "add"), {**fields, "local_root": named})
    assert "SAVEPOINT_STORAGE_ROOTS" in str(response.context["adminform"].form.errors["local_root"])
    assert not StorageTarget.objects.exists()
    inside = str(allowed / "one")
    assert admin_client.post(page(StorageTarget, "add"), {**fields, "local_root": inside}).status_code == 302
    assert StorageTarget.objects.get().options == {"root": str(allowed / "one")}


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        (StorageTarget, "secrets__startswith=x"),
        (Customer, "tenant_key__isnull=1"),
        (Customer, "owner__password__startswith=x"),
        (User, "email__startswith=x"),
        (User, "password__startswith=x"),
        (User, "is_staff__exact__startswith=x"),
        (ApiToken, "digest__startswith=x"),
        (Authenticator, "data__contains=x"),
        (Plan, "backup_limit__gt=1"),
    ],
)
def test_address_filters_by_listed_filters_only(model, lookup, admin_client):
    assert admin_client.get(f"{page(model, 'changelist')}?{lookup}").status_code == 400


@pytest.mark.parametrize(
    ("model", "lookup"),
    [(User, "is_staff__exact=1"), (OrderUserPermission, "permission__id__exact=1"), (Plan, "id__exact=1")],
)
def test_address_filters_by_listed_filters_still(model, lookup, admin_client):
    assert admin_client.get(f"{page(model, 'changelist')}?{lookup}").status_code == 200


def test_each_change_in_the_admin_is_in_the_audit_trail(admin_client, admin_user):
    plan, target = PlanFactory(), StorageTargetFactory()
    changed = {
        "name": "Large",
        "has_backups": "on",
        "backup_limit": 3,
        "safety_hours": 24,
        "collapse_percent": 50,
        "volume_limit": 3,
        "backup_format": "archive",
    }
    assert admin_client.post(page(Plan, "change", plan.pk), changed).status_code == 302
    delete(admin_client, target)
    admin_client.post(page(Group, "add"), {"name": "Support"})
    events = list(AuditEvent.objects.filter(action__startswith="admin.").order_by("id"))
    assert [(event.action, event.data["model"], event.actor) for event in events] == [
        ("admin.change", "orders.plan", admin_user),
        ("admin.delete", "vault.storagetarget", admin_user),
        ("admin.add", "auth.group", admin_user),
    ]
    assert events[0].data["key"] == str(plan.pk)
