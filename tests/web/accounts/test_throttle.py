"""Password guessing is throttled by account and by address."""

from __future__ import annotations

import time

import pytest
from django.test import Client

from tests.factories import UserFactory
from tests.factories.accounts import PASSWORD
from tests.web.accounts.pages import LOGIN, RESET, sign_in, signed_in

TOO_MANY = "too many failed attempts"


def guess(times, login="Maria", **extra):
    return [sign_in(Client(), login, "wrong", **extra).status_code for _ in range(times)]


def test_five_wrong_passwords_block_the_right_one_for_a_while(user, browser):
    assert guess(5) == [200] * 5
    response = sign_in(browser, "Maria")
    assert response.status_code == 429
    assert TOO_MANY in response.content.decode()
    assert 'value="Maria"' in response.content.decode()
    assert not signed_in(browser)


def test_the_while_is_over_after_five_minutes(user, browser, monkeypatch):
    guess(5)
    later = time.time() + 301
    monkeypatch.setattr(time, "time", lambda: later)
    assert sign_in(browser, "Maria").status_code == 302


def test_another_account_from_another_address_is_not_affected(user, browser):
    guess(6)
    UserFactory(username="Ann")
    assert sign_in(browser, "Ann", REMOTE_ADDR="203.0.113.9").status_code == 302


def test_each_name_of_an_account_and_each_host_counts_for_the_same_account(user, browser):
    for login, host in (("Maria", "localhost"), ("MARIA", "127.0.0.1"), ("maria@example.com", "localhost")):
        guess(1, login, HTTP_HOST=host)
    guess(2, "maria")
    assert sign_in(browser, "Maria@Example.com").status_code == 429


def test_right_passwords_do_not_count(user):
    assert [sign_in(Client(), "Maria").status_code for _ in range(8)] == [302] * 8


def test_a_new_password_lets_its_owner_in_at_once(user, browser):
    other = Client()
    other.force_login(user)
    guess(6)
    fields = {"oldpassword": PASSWORD, "password1": "new-roof-lantern", "password2": "new-roof-lantern"}
    assert other.post("/accounts/password/change/", fields).status_code == 302
    assert sign_in(browser, "Maria", "new-roof-lantern", REMOTE_ADDR="203.0.113.9").status_code == 302


def test_one_address_tries_ten_wrong_passwords_a_minute(db):
    for number in range(10):
        assert guess(1, f"nobody-{number}", HTTP_X_FORWARDED_FOR=f"198.51.100.{number}") == [200]
    assert guess(1, "nobody-10", HTTP_X_FORWARDED_FOR="198.51.100.10") == [429]


def test_only_the_address_set_by_the_proxy_counts(db, settings):
    settings.SAVEPOINT_TRUSTED_PROXIES = 1
    for number in range(10):
        assert guess(1, f"nobody-{number}", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}, 198.51.100.1") == [200]
    assert guess(1, "nobody-10", HTTP_X_FORWARDED_FOR="192.0.2.10, 198.51.100.1") == [429]
    assert guess(1, "nobody-11", HTTP_X_FORWARDED_FOR="198.51.100.2") == [200]


@pytest.mark.parametrize("told", ["nonsense", "", ",", "1.2.3.4:80"])
def test_a_proxy_that_tells_nonsense_breaks_nothing(told, user, browser, settings):
    settings.SAVEPOINT_TRUSTED_PROXIES = 2
    assert sign_in(browser, "Maria", HTTP_X_FORWARDED_FOR=told, REMOTE_ADDR="").status_code == 302


def test_too_many_forms_from_one_address_get_the_error_page(user):
    client = Client()
    for _ in range(30):
        assert client.post(LOGIN, {}).status_code == 200
    response = client.post(LOGIN, {})
    assert response.status_code == 429
    assert response["Content-Type"].startswith("text/html")
    assert client.get(LOGIN).status_code == 200


def test_mails_to_one_address_are_bounded_whether_or_not_it_has_an_account(user, mailoutbox):
    for address in ("maria@example.com", "nobody@example.com"):
        statuses = [Client().post(RESET, {"email": address}).status_code for _ in range(6)]
        assert statuses == [302] * 5 + [429], address
    assert len(mailoutbox) == 10
