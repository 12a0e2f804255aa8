"""Signing in and out with a password."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from tests.factories import UserFactory
from tests.factories.accounts import PASSWORD
from tests.web.accounts.pages import ACCOUNT, LOGIN, sign_in, signed_in

WRONG = "do not belong together"


@pytest.mark.parametrize("login", ["Maria", "maria", "Maria@example.com", "maria@EXAMPLE.com", " Maria "])
def test_the_user_name_or_the_address_signs_in_however_it_is_spelled(login, user, browser):
    response = sign_in(browser, login)
    assert (response.status_code, response["Location"]) == (302, "/")
    assert signed_in(browser)


@pytest.mark.parametrize("login", ["Maria", "maria@example.com", "nobody", "nobody@example.com"])
def test_wrong_password_has_one_message_and_keeps_the_name(login, user, browser):
    response = sign_in(browser, login, "wrong")
    page = response.content.decode()
    assert response.status_code == 200
    assert WRONG in page
    assert f'value="{login}"' in page
    assert 'value="wrong"' not in page
    assert not signed_in(browser)


def test_address_never_opens_an_account_that_has_it_as_a_name(user, browser):
    UserFactory(username="maria@example.com", email="other@example.com", password="another-password")
    sign_in(browser, "maria@example.com")
    assert str(user.pk) == browser.session["_auth_user_id"]


def test_deactivated_user_is_told_so_only_with_the_right_password(user, browser):
    user.is_active = False
    user.save()
    assert WRONG in sign_in(browser, "Maria", "wrong").content.decode()
    response = sign_in(browser, "Maria")
    assert response["Location"] == "/accounts/inactive/"
    assert browser.get(response["Location"]).status_code == 200
    assert not signed_in(browser)


def test_session_ends_with_the_browser_unless_remembered(user, settings):
    forgotten, remembered = Client(), Client()
    sign_in(forgotten, "Maria")
    sign_in(remembered, "Maria", remember="on")
    assert forgotten.cookies["savepoint"]["max-age"] == ""
    assert remembered.cookies["savepoint"]["max-age"] == settings.SESSION_COOKIE_AGE


def test_signing_out_takes_a_post(user, inside):
    page = inside.get("/accounts/logout/")
    assert page.status_code == 200
    assert signed_in(inside)
    response = inside.post("/accounts/logout/")
    assert (response.status_code, response["Location"]) == (302, LOGIN)
    assert not signed_in(inside)


def test_signing_out_takes_our_own_page(user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert client.post("/accounts/logout/").status_code == 403
    assert signed_in(client)


def test_sign_in_returns_to_the_requested_page(user, browser):
    response = browser.get("/account/tokens/")
    assert response["Location"] == f"{LOGIN}?next=/account/tokens/"
    page = browser.get(response["Location"]).content.decode()
    assert '<input type="hidden" name="next" value="/account/tokens/">' in page
    assert sign_in(browser, "Maria", next="/account/tokens/")["Location"] == "/account/tokens/"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example",
        "https://evil.example/",
        "///evil.example",
        "/\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        # Valid names of this portal, but not the requested one.
        "http://localhost/",
    ],
)
def test_sign_in_never_redirects_to_another_host(elsewhere, user, browser):
    assert sign_in(browser, "Maria", next=elsewhere)["Location"] == "/"
    assert browser.get(LOGIN, {"next": elsewhere})["Location"] == "/"
    assert browser.post("/accounts/logout/", {"next": elsewhere})["Location"] == LOGIN


def test_registration_is_closed(browser):
    for name in ("account_signup", "account_email", "account_set_password", "account_confirm_email"):
        with pytest.raises(NoReverseMatch):
            reverse(name)
    assert browser.get("/accounts/signup/").status_code == 404
    assert browser.post("/accounts/signup/", {"username": "x", "password1": PASSWORD}).status_code == 404


def test_a_program_that_asks_for_json_gets_the_page(user, browser):
    response = browser.post(LOGIN, {"login": "Maria", "password": "wrong"}, HTTP_X_REQUESTED_WITH="XMLHttpRequest")
    assert response["Content-Type"].startswith("text/html")


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(user, inside):
    other = Client()
    other.force_login(user)
    fields = {"oldpassword": PASSWORD, "password1": "new-roof-lantern", "password2": "new-roof-lantern"}
    response = inside.post("/accounts/password/change/", fields)
    assert response["Location"] == ACCOUNT
    assert "Your password was changed" in inside.get(ACCOUNT).content.decode()
    assert not signed_in(other)
    assert sign_in(Client(), "Maria").status_code == 200
    assert sign_in(Client(), "Maria", "new-roof-lantern").status_code == 302


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("oldpassword", "wrong", "This is not your current password."),
        ("password1", "short", "too short"),
        ("password1", "Maria Lind", "similar"),
        ("password2", "other-roof-lantern", "This is not the same password."),
    ],
)
def test_a_new_password_that_will_not_do_says_why(field, value, said, user, inside):
    fields = {"oldpassword": PASSWORD, "password1": "new-roof-lantern", "password2": "new-roof-lantern"}
    page = inside.post("/accounts/password/change/", fields | {field: value}).content.decode()
    assert said in page
    assert "You must type" not in page
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_user_without_a_password_is_offered_the_mail_to_set_one(user, inside):
    user.set_unusable_password()
    user.save()
    inside.force_login(user)
    assert inside.get("/accounts/password/change/")["Location"] == "/accounts/password/reset/"
