"""A user's own settings, in effect from the next page on."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from accounts.models import AuditEvent, User
from accounts.services.users import user_update
from common.errors import ValidationError
from tests.factories import UserFactory
from tests.web.accounts.pages import ACCOUNT

SETTINGS = {"name": "Maria Lind", "language": "", "time_zone": "", "theme": "auto"}


def store(client, **fields):
    return client.post(ACCOUNT, SETTINGS | fields)


def test_language_direction_and_colours_change_with_the_next_page(user, inside):
    before = inside.get(ACCOUNT).content.decode()
    assert '<html lang="en" dir="ltr" data-theme="auto">' in before
    response = store(inside, language="ar", theme="dark")
    assert response["Location"] == ACCOUNT
    after = inside.get(ACCOUNT)
    assert '<html lang="ar" dir="rtl" data-theme="dark">' in after.content.decode()
    assert after["Content-Language"] == "ar"


def test_the_message_is_in_the_new_language(user, inside, german):
    german(**{"Your settings were saved.": "Die Einstellungen sind gespeichert."})
    store(inside, language="de")
    assert "Die Einstellungen sind gespeichert." in inside.get(ACCOUNT).content.decode()


def test_everything_is_stored_and_shown_again_and_noted(user, inside):
    store(inside, name=" Mia ", language="pt-br", time_zone="Europe/Berlin", theme="light")
    user.refresh_from_db()
    assert (user.name, user.language, user.time_zone, user.theme) == ("Mia", "pt-br", "Europe/Berlin", "light")
    page = inside.get(ACCOUNT).content.decode()
    for chosen in ("pt-br", "Europe/Berlin", "light"):
        assert f'<option value="{chosen}" selected' in page
    event = AuditEvent.objects.get(action="user.update")
    assert (event.actor, event.data) == (user, {"fields": ["language", "name", "theme", "time_zone"]})


def test_nothing_is_noted_when_nothing_changed(user, inside):
    store(inside)
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "x" * 151), ("name", "a\x07b"), ("language", "tlh"), ("time_zone", "Mars/Base"), ("theme", "pink")],
)
def test_invalid_value_is_shown_at_its_field_and_changes_nothing(field, value, user, inside):
    response = store(inside, **{"name": "New", field: value})
    assert response.status_code == 200
    assert 'class="error"' in response.content.decode()
    user.refresh_from_db()
    assert user.name == "Maria Lind"
    wanted = SETTINGS | {"name": "New", field: value}
    with pytest.raises(ValidationError) as caught:
        user_update(user=user, **wanted)
    assert set(caught.value.errors) == {field}


def test_a_zone_from_elsewhere_stays_when_the_form_is_saved(user, inside):
    user.time_zone = "US/Eastern"
    user.save()
    assert '<option value="US/Eastern" selected' in inside.get(ACCOUNT).content.decode()
    store(inside, time_zone="US/Eastern", name="New")
    user.refresh_from_db()
    assert (user.time_zone, user.name) == ("US/Eastern", "New")


def test_account_needs_a_sign_in(browser):
    assert browser.get(ACCOUNT)["Location"] == f"/accounts/login/?next={ACCOUNT}"


def test_an_address_belongs_to_one_account_however_it_is_spelled(user):
    with pytest.raises(IntegrityError), transaction.atomic():
        UserFactory(email="MARIA@example.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        UserFactory(username="mARIA")
    UserFactory(email="")
    UserFactory(email="")


def test_an_address_is_stored_and_found_in_lower_case(db):
    made = UserFactory(email="Ann@Example.COM")
    assert made.email == "ann@example.com"
    assert User.objects.get(email="ANN@example.com") == made
    User.objects.filter(pk=made.pk).update(email="ANN@elsewhere.example")
    made.refresh_from_db()
    assert made.email == "ann@elsewhere.example"


@pytest.mark.parametrize(("column", "value"), [("language", "tlh"), ("theme", "pink")])
def test_the_database_takes_no_other_values(column, value, user):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=user.pk).update(**{column: value})


def test_user_without_a_name_is_shown_by_user_name(db):
    assert UserFactory(username="ann", name="").get_full_name() == "ann"
    assert UserFactory(name="Ann Lee").get_short_name() == "Ann Lee"


def test_staff_change_it_in_the_admin_by_the_same_rules(user, admin_client):
    path = f"/admin/accounts/user/{user.pk}/change/"
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "12:00:00"}
    fields = {**SETTINGS, **dates, "username": "Maria", "email": user.email, "is_active": "on"}
    wrong = admin_client.post(path, fields | {"time_zone": "Mars/Base"})
    assert "There is no time zone of this name." in wrong.content.decode()
    UserFactory(email="taken@example.com")
    twice = admin_client.post(path, fields | {"email": "TAKEN@example.com"})
    assert "Another user has this e-mail address." in twice.content.decode()
    assert admin_client.post(path, fields | {"name": "Mia", "time_zone": "Europe/Berlin"}).status_code == 302
    user.refresh_from_db()
    assert (user.name, user.time_zone, user.is_active) == ("Mia", "Europe/Berlin", True)


def test_staff_make_users_in_the_admin(admin_client):
    password = {"password1": "new-roof-lantern", "password2": "new-roof-lantern", "usable_password": "true"}
    fields = {"username": "ann", "name": "Ann", "email": "Ann@example.com", **password}
    response = admin_client.post("/admin/accounts/user/add/", fields)
    assert response.status_code == 302, response.content.decode()
    made = User.objects.get(username="ann")
    assert (made.name, made.email, made.check_password("new-roof-lantern")) == ("Ann", "ann@example.com", True)
