"""Requests that no browser sends are refused or ignored, and cause no error."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp import views as totp
from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.services.second_factor import secret_wrap
from backups.models import Backup
from backups.web import overview
from config.wsgi import application
from tests.factories import BackupFactory, UserFactory
from tests.web.accounts.pages import ACTIVATE, LOGIN, SECOND_FACTOR, code_of, confirm
from tests.web.backups.reading import read
from tests.world.clients import browser_of

NOT_UNDERSTOOD = "This request could not be understood"
FORM = "application/x-www-form-urlencoded"
PART = b'--x\r\nContent-Disposition: form-data; name="login"\r\n\r\na\xff\r\n--x--\r\n'


def answered(request, **environ):
    """Send a raw request to the application; returns the status."""
    statuses = []
    response = application(request.environ | environ, lambda status, _headers: statuses.append(status))
    response.close()
    return statuses[0]


@pytest.mark.parametrize("address", ["http://[", "http://[::1", "//[", "%00", "http://x:99999/"])
@pytest.mark.parametrize("encoded", ["true", "false"])
def test_an_open_page_that_is_no_address_is_none(address, encoded, rental, owner):
    backup = BackupFactory(provision=rental.server)
    headers = {"HX-Request": "true", "HX-Current-URL": address, "HX-Current-URL-URI-AutoEncoded": encoded}
    for path, form in ((rental.at(backup, "lock/"), {}), (rental.at(backup, "rename/"), {"name": "other"})):
        response = owner.post(path, form, headers=headers)
        assert (response.status_code, response["HX-Redirect"]) == (200, rental.page)
    backup.refresh_from_db()
    assert (backup.name, backup.locked) == ("other", True)


def test_an_open_page_of_another_host_is_the_page_by_its_path_alone(rental, owner):
    backup = BackupFactory(provision=rental.server)
    headers = {"HX-Request": "true", "HX-Current-URL": f"https://elsewhere.example{rental.at(backup)}?x=1"}
    response = owner.post(rental.at(backup, "lock/"), headers=headers)
    assert response["HX-Redirect"] == rental.at(backup)


def test_filter_of_a_list_survives_a_button(rental, owner):
    old = BackupFactory(provision=rental.server, name="old")
    failed = rental.failed(name="failed")
    open_page = {
        "HX-Request": "true",
        "HX-Target": "backups",
        "HX-Current-URL": f"http://testserver{rental.page}?status=ready",
    }
    part = read(owner.post(rental.at(old, "lock/"), headers=open_page))
    assert [row["id"] for row in part.one("tbody").all("tr")] == [f"backup-{old.id}"]
    assert "status=ready" in part.one(id="backups")["hx-get"]
    assert not part.has(id=f"backup-{failed.id}")


def test_deleting_the_last_row_of_a_later_page_leads_to_the_first(rental, owner, monkeypatch):
    monkeypatch.setattr(overview, "PAGE_SIZE", 1)
    old, new = BackupFactory(provision=rental.server, name="old"), BackupFactory(provision=rental.server, name="new")
    older = read(owner.get(rental.page)).one(id="older")["href"]
    assert read(owner.get(older)).has(id=f"backup-{old.id}")
    open_page = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{older}"}
    part = read(owner.post(rental.at(old, "delete/"), headers=open_page))
    assert part.has(id=f"backup-{new.id}")
    assert not part.has(class_="empty")
    assert part.one(id="backups")["hx-get"].startswith(f"{rental.region}?version=")
    assert read(owner.get(older)).has(id=f"backup-{new.id}")


def test_an_order_that_will_be_suspended_is_not_yet(rental, owner):
    rental.order.suspended_at = timezone.now() + timedelta(hours=1)
    rental.order.save()
    for path in ("/", rental.page):
        assert "Suspended" not in owner.get(path).content.decode()
    rental.suspend()
    for path in ("/", rental.page):
        assert "Suspended" in owner.get(path).content.decode()


@pytest.mark.parametrize("key", [r"12345678\000", r"\303\244" * 16, "../../../../../etc/passwd", "%00" * 11])
def test_a_session_that_can_be_none_is_not_even_looked_for(key, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = Client().get("/", headers={"cookie": f'{settings.SESSION_COOKIE_NAME}="{key}"'})
    assert response["Location"] == f"{LOGIN}?next=/"


@pytest.mark.parametrize("path", [LOGIN, "/", "/livez", "/nothing/", "/admin/"])
def test_a_file_that_is_too_large_is_refused_unread(path, db, monkeypatch):
    monkeypatch.setattr("django.http.multipartparser.MultiPartParser.parse", lambda *_: pytest.fail("it was read"))
    file = SimpleUploadedFile("large", b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    response = Client(enforce_csrf_checks=True).post(path, {"file": file})
    assert response.status_code == 413
    assert NOT_UNDERSTOOD in response.content.decode()


def test_a_form_just_below_that_is_read(user_of_the_admin):
    file = SimpleUploadedFile("small", b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE - 1000))
    response = browser_of(user_of_the_admin).post("/account/tokens/", {"name": "mine", "days": "7", "file": file})
    assert "svp_" in response.content.decode()


@pytest.mark.parametrize("codec", ["utf-16", "rot13", "hex", "idna", "undefined", "utf-7"])
@pytest.mark.parametrize("kind", [FORM, "multipart/form-data; boundary=x"])
def test_request_is_utf_8_for_any_declared_charset(kind, codec, db):
    said = {"CONTENT_TYPE": f"{kind}; charset={codec}"}
    assert answered(RequestFactory().get(f"{LOGIN}?next=/%C3%A9"), **said) == "200 OK"
    assert answered(RequestFactory().post(LOGIN, PART, kind), **said) == "403 Forbidden"


def test_a_form_for_the_dialog_is_not_taken_for_the_page_by_a_cache(rental, owner):
    for response in (owner.get(rental.create_page), owner.get(rental.create_page, headers={"HX-Request": "true"})):
        assert {"HX-Request", "HX-Target"} <= set(response["Vary"].split(", "))


def test_a_page_that_is_only_a_button_is_a_page_that_says_so(rental, owner):
    for path in (rental.at(BackupFactory(provision=rental.server), "lock/"), reverse("usersessions_end", args=[1])):
        response = owner.get(path)
        assert (response.status_code, response["Allow"]) == (405, "POST")
        assert NOT_UNDERSTOOD in response.content.decode()
    assert not Backup.objects.get().locked


def test_users_are_shown_by_their_chosen_name(rental, owner):
    rental.owner.name = "Maria Lind"
    rental.owner.save()
    owner.post(rental.create_page, {"name": "named"})
    assert "Maria Lind" in owner.get(f"{rental.page}activity/").content.decode()
    assert "by <bdi>Maria Lind</bdi>" in owner.get(rental.at(Backup.objects.get())).content.decode()


@pytest.mark.django_db(transaction=True)
def test_an_authenticator_app_that_a_twin_has_just_turned_on_is_on(monkeypatch):
    user = UserFactory()
    browser = browser_of(user)
    confirm(browser)
    browser.get(ACTIVATE)
    secret = browser.session["mfa.totp.secret"]
    monkeypatch.setattr(totp, "is_mfa_enabled", lambda *_: False)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": secret_wrap(secret)})
    response = browser.post(ACTIVATE, {"code": code_of(secret)})
    assert (response.status_code, response["Location"]) == (302, SECOND_FACTOR)
    assert Authenticator.objects.filter(user=user).count() == 1
    monkeypatch.undo()
    assert browser.post(ACTIVATE, {"code": code_of(secret)})["Location"] == SECOND_FACTOR


@pytest.fixture
def user_of_the_admin(db) -> User:
    """A staff user who may change users."""
    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user", "delete_user"]))
    return clerk


def test_user_admin_grants_no_rights_not_even_their_own(user_of_the_admin):
    clerk = user_of_the_admin
    fields = {
        "username": clerk.username,
        "name": "Clerk",
        "email": clerk.email,
        "theme": "auto",
        "is_active": "on",
        "is_superuser": "on",
        "user_permissions": [str(Permission.objects.get(codename="view_all_orders").pk)],
        "date_joined_0": "2026-01-01",
        "date_joined_1": "12:00:00",
    }
    response = browser_of(clerk).post(f"/admin/accounts/user/{clerk.pk}/change/", fields)
    assert response.status_code == 302
    clerk = User.objects.get(pk=clerk.pk)
    assert (clerk.name, clerk.is_staff, clerk.is_superuser) == ("Clerk", True, False)
    assert not clerk.has_perm("orders.view_all_orders")


def test_superusers_are_changed_by_superusers_only(user_of_the_admin):
    root = UserFactory(is_staff=True, is_superuser=True)
    browser = browser_of(user_of_the_admin)
    for rest in ("change", "password", "delete"):
        path = f"/admin/accounts/user/{root.pk}/{rest}/"
        answer = browser.post(path, {"password1": "new-roof-lantern", "password2": "new-roof-lantern", "post": "yes"})
        assert answer.status_code == 403
    assert browser_of(root).get(f"/admin/accounts/user/{root.pk}/password/").status_code == 200
    assert User.objects.get(pk=root.pk).password == root.password
