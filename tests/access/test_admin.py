"""Every page of the admin x every user without access."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import NoReverseMatch, reverse

from tests import factories
from tests.access.routes import routes
from tests.factories import CustomerFactory, UserFactory
from tests.factories.accounts import PASSWORD, AuthenticatorFactory
from tests.factories.orders import GroupFactory
from tests.web.accounts.pages import LOGIN, code_of, second_factor_turn_on, sign_in

OWN_PAGES = {"index", "login", "logout", "password_change", "password_change_done", "jsi18n"}
"""Pages of every staff member, whatever their permissions."""


@pytest.fixture
def pages(db):
    """Name and address of every page of the admin; pages of objects have an existing object."""
    made = [*(getattr(factories, name) for name in factories.__all__), GroupFactory, AuthenticatorFactory]
    rows = {f"admin:{made_of._meta.model._meta.label_lower.replace('.', '_')}_": made_of().pk for made_of in made}
    return [(route.name, address(route, rows)) for route in routes() if route.path.startswith("admin/")]


def address(route, rows):
    if route.name == "admin:None":
        # Two have no name: the old address of an object, and the catch-all for unknown pages.
        return "/admin/nothing/1/"
    row = next((pk for prefix, pk in rows.items() if route.name.startswith(prefix)), None)
    for arguments in (
        {},
        {"object_id": row},
        {"id": row},
        {"app_label": "backups"},
        {"content_type_id": "1", "object_id": "1"},
    ):
        try:
            return reverse(route.name, kwargs=arguments)
        except NoReverseMatch:
            continue
    raise AssertionError(f"{route} takes arguments that this test does not know")


def outsiders():
    staff_off = UserFactory(is_staff=False)
    staff_off.user_permissions.set(Permission.objects.all())
    return {"anonymous": None, "customer": CustomerFactory().owner, "no staff, all permissions": staff_off}


@pytest.mark.parametrize("who", ["anonymous", "customer", "no staff, all permissions"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_anonymous_user_is_sent_to_the_login(method, who, pages):
    client = Client()
    user = outsiders()[who]
    if user:
        client.force_login(user)
    seen = 0
    for name, path in pages:
        if name == "admin:login":
            continue
        response = getattr(client, method)(path)
        assert response.status_code == 302, (name, path)
        # Signing out redirects to the front page, which asks for the login.
        assert response["Location"].startswith(("/admin/login/?next=", "/admin/")), (name, response["Location"])
        seen += 1
    assert seen > 100


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_login_is_the_one_of_all_pages(method, db):
    response = getattr(Client(), method)("/admin/login/?next=/admin/accounts/user/")
    assert (response.status_code, response["Location"]) == (302, f"{LOGIN}?next=%2Fadmin%2Faccounts%2Fuser%2F")


@pytest.mark.parametrize("who", ["customer", "no staff, all permissions"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_signed_in_customer_is_refused_without_a_redirect(method, who, db):
    client = Client()
    client.force_login(outsiders()[who])
    assert getattr(client, method)("/admin/login/?next=/admin/").status_code == 403
    assert client.get("/admin/", follow=True).status_code == 403


def test_staff_come_in_by_password_and_second_factor(db):
    clerk = UserFactory(is_staff=True)
    prepared = Client()
    prepared.force_login(clerk)
    secret = second_factor_turn_on(prepared)
    client = Client()
    response = sign_in(client, clerk.username, next="/admin/")
    assert response["Location"] == "/accounts/2fa/authenticate/"
    assert client.get("/admin/").status_code == 302
    client.post(response["Location"], {"code": code_of(secret, 1)})
    assert client.get("/admin/").status_code == 200


def test_admin_form_signs_in_no_other_user(db):
    """A clerk with another user's password could otherwise sign in without that user's second factor."""
    clerk, other = UserFactory(is_staff=True), UserFactory(is_staff=True)
    client = Client()
    client.force_login(clerk)
    client.post("/admin/login/", {"username": other.username, "password": PASSWORD, "this_is_the_login_form": "1"})
    assert client.session["_auth_user_id"] == str(clerk.pk)
    assert client.get("/admin/password_change/")["Location"] == "/accounts/password/change/"


def test_staff_without_permissions_have_their_own_pages_and_no_others(pages):
    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_all_orders", "read_customer_data"]))
    client = Client()
    client.force_login(clerk)
    for name, path in pages:
        if name.removeprefix("admin:") in OWN_PAGES:
            continue
        for method in ("get", "post"):
            assert getattr(client, method)(path).status_code in (403, 404, 405), (method, name, path)


@pytest.mark.parametrize(("name", "made"), [("Night shift", True), ("Night\u202eshift", False), ("a\u200bb", False)])
def test_names_of_groups_follow_the_rule_of_all_names(name, made, db):
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    assert client.post("/admin/auth/group/add/", {"name": name}).status_code == (302 if made else 200)
    assert Group.objects.filter(name=name).exists() is made
