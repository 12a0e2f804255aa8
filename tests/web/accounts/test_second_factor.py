"""The second factor: an authenticator app, recovery codes, and no way around them."""

from __future__ import annotations

import json

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client

from accounts.models import AuditEvent
from accounts.services.second_factor import secret_unwrap
from common.errors import KeyUnavailable
from common.keyring import Keyring, kek_generate
from tests.factories import UserFactory
from tests.factories.accounts import PASSWORD
from tests.web.accounts.pages import (
    ACTIVATE,
    LOGIN,
    SECOND_FACTOR,
    app_secret,
    code_of,
    confirm,
    recovery_codes,
    second_factor_turn_on,
    sign_in,
    signed_in,
)

AUTHENTICATE = "/accounts/2fa/authenticate/"
CODES = "/accounts/2fa/recovery-codes/"
TURN_OFF = "/accounts/2fa/totp/deactivate/"


@pytest.fixture
def committed(transactional_db):
    """Commit transactions as in production, with on_commit callbacks; the cache is not a table that tests empty."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def secret(inside) -> str:
    """The key of the user's authenticator app."""
    return second_factor_turn_on(inside)


def enter(client, code):
    return client.post(AUTHENTICATE, {"code": code})


def test_key_is_shown_as_picture_and_text_and_never_cached(user, inside):
    confirm(inside)
    response = inside.get(ACTIVATE)
    page = response.content.decode()
    assert '<img class="qr" src="data:image/svg+xml;base64,' in page
    assert "<svg xmlns" not in page
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("path", [ACTIVATE, CODES, f"{CODES}generate/", f"{CODES}download/", TURN_OFF])
def test_every_change_asks_once_more_for_the_password(path, secret, user):
    client = Client()
    sign_in(client, "Maria")
    enter(client, code_of(secret, 1))
    assert signed_in(client)
    assert client.get(path)["Location"].startswith("/accounts/reauthenticate/?next=")
    refused = client.post(path)
    assert refused.status_code == 405 or refused["Location"].startswith("/accounts/reauthenticate/?next=")


def test_a_wrong_code_turns_nothing_on_and_keeps_the_key(user, inside):
    confirm(inside)
    first = inside.get(ACTIVATE).content.decode()
    response = inside.post(ACTIVATE, {"code": "000000"})
    page = response.content.decode()
    assert "This code is not right" in page
    key = first.partition('id="totp-secret" dir="ltr">')[2].partition("<")[0]
    assert key in page
    assert not Authenticator.objects.exists()


def test_signing_in_takes_password_and_code(secret, user, browser):
    response = sign_in(browser, "Maria", next="/account/tokens/")
    assert response["Location"] == AUTHENTICATE
    assert not signed_in(browser)
    assert browser.get(AUTHENTICATE).status_code == 200
    response = enter(browser, code_of(secret, 1))
    assert response["Location"] == "/account/tokens/"
    assert signed_in(browser)


def test_without_the_password_no_code_helps(secret, browser):
    assert enter(browser, code_of(secret))["Location"] == LOGIN
    assert browser.get(AUTHENTICATE)["Location"] == LOGIN
    assert not signed_in(browser)


def test_a_code_signs_in_once(secret, user, monkeypatch):
    import time

    first, second, third = Client(), Client(), Client()
    for client in (first, second, third):
        sign_in(client, "Maria")
    code = code_of(secret, 1)
    assert enter(first, code).status_code == 302
    assert "This code is not right" in enter(second, code).content.decode()
    # Clocks may differ, so it is still valid half a minute later; but it was used.
    later = time.time() + 31
    monkeypatch.setattr(time, "time", lambda: later)
    assert "This code is not right" in enter(third, f" {code[:3]} {code[3:]}").content.decode()


def test_codes_half_a_minute_off_are_valid_and_older_ones_are_not(secret, user):
    for step, right in ((-3, False), (3, False), (-1, True), (1, True)):
        client = Client()
        sign_in(client, "Maria")
        enter(client, code_of(secret, step))
        assert signed_in(client) is right, step


def test_guessing_codes_ends_after_five(secret, user, browser):
    sign_in(browser, "Maria")
    assert [enter(browser, "000000").status_code for _ in range(5)] == [200] * 5
    response = enter(browser, code_of(secret, 1))
    assert response.status_code == 429
    assert "too many failed attempts" in response.content.decode()
    assert not signed_in(browser)


def test_abandoned_second_factor_leaves_no_session(secret, user, browser):
    sign_in(browser, "Maria")
    assert browser.get(LOGIN)["Location"] == AUTHENTICATE
    browser.post("/accounts/logout/")
    assert browser.get(LOGIN).status_code == 200


def test_a_recovery_code_signs_in_once_and_the_others_still_do(secret, user, inside):
    codes = recovery_codes(inside)
    assert len(set(codes)) == 10
    for code, right in ((codes[0], True), (codes[0], False), (codes[9], True), ("00000000", False)):
        client = Client()
        sign_in(client, "Maria")
        enter(client, code)
        assert signed_in(client) is right, code
    assert codes[0] not in recovery_codes(inside)
    assert "8 codes left" in inside.get(SECOND_FACTOR).content.decode()


def test_the_codes_are_shown_once_the_app_is_on_and_no_cache_keeps_them(user, inside):
    confirm(inside)
    page = inside.get(ACTIVATE).content.decode()
    key = page.partition('id="totp-secret" dir="ltr">')[2].partition("<")[0]
    response = inside.post(ACTIVATE, {"code": code_of(key)})
    assert response["Location"] == CODES
    shown = inside.get(CODES)
    assert all(code in shown.content.decode() for code in recovery_codes(inside))
    assert "no-store" in shown["Cache-Control"]
    file = inside.get(f"{CODES}download/")
    assert file["Content-Disposition"].startswith("attachment")
    assert file["Content-Type"] == "text/plain; charset=utf-8"
    assert "no-store" in file["Cache-Control"]


def test_new_codes_end_the_old_ones(committed, secret, user, inside, mailoutbox):
    old = recovery_codes(inside)
    assert "10 codes" in inside.get(f"{CODES}generate/").content.decode()
    mailoutbox.clear()
    assert inside.post(f"{CODES}generate/")["Location"] == CODES
    assert set(recovery_codes(inside)).isdisjoint(old)
    client = Client()
    sign_in(client, "Maria")
    assert "This code is not right" in enter(client, old[0]).content.decode()
    assert [mail.subject for mail in mailoutbox] == ["[Savepoint] New recovery codes"]


def test_turning_it_off_takes_the_codes_along(secret, user, inside, mailoutbox):
    assert "Turn the second factor off?" in inside.get(TURN_OFF).content.decode()
    assert inside.post(TURN_OFF)["Location"] == SECOND_FACTOR
    assert not Authenticator.objects.exists()
    assert sign_in(Client(), "Maria")["Location"] == "/"
    (mail,) = mailoutbox
    assert mail.subject == "[Savepoint] The second factor is off"
    assert "If this was not you" in mail.body


def test_turning_it_on_is_told_in_the_owners_language_and_time_zone(committed, user, inside, mailoutbox, german):
    german(**{"The second factor is on": "Der zweite Faktor ist an"})
    user.language, user.time_zone = "de", "Asia/Tokyo"
    user.save()
    second_factor_turn_on(inside)
    (mail,) = mailoutbox
    assert mail.subject == "[Savepoint] Der zweite Faktor ist an"
    assert "(Asia/Tokyo)" in mail.body
    assert "127.0.0.1" in mail.body


def test_audit_trail_records_user_and_action(committed, user, inside):
    second_factor_turn_on(inside)
    inside.post(f"{CODES}generate/")
    inside.post(TURN_OFF)
    events = AuditEvent.objects.filter(actor=user, object_id=user.id).order_by("id")
    assert [event.action for event in events] == ["second_factor.add", "recovery_codes.make", "second_factor.remove"]


def test_the_codes_of_others_are_nobodys_business(secret, db):
    stranger = Client()
    stranger.force_login(UserFactory())
    confirm(stranger)
    for path in (CODES, f"{CODES}download/", TURN_OFF):
        assert stranger.get(path).status_code == 404, path


def test_no_secret_can_be_read_in_the_database(secret, user, inside):
    codes = recovery_codes(inside)
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator ORDER BY type")
        stored = [str(row[0]) for row in cursor.fetchall()]
    assert len(stored) == 2
    sessions = json.dumps([session.get_decoded() for session in Session.objects.all()])
    for plain in (secret, *codes):
        assert plain not in "".join(stored)
        assert plain not in sessions


def test_a_secret_outlives_the_change_of_the_master_key(secret, user, inside, monkeypatch, capsys):
    codes = recovery_codes(inside)
    first = settings.ENVIRONMENT.master_keys
    second = f"2:{kek_generate()}"

    def use(ring):
        monkeypatch.setattr(settings, "ENVIRONMENT", type("Environment", (), {"master_keys": ring}))

    use(Keyring.parse(f"{second},1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="))
    call_command("rotate_keys")
    assert "2 columns" in capsys.readouterr().out
    call_command("rotate_keys")
    assert "0 columns" in capsys.readouterr().out
    use(Keyring.parse(second))
    assert app_secret(user) == secret
    assert recovery_codes(inside) == codes
    use(first)
    with pytest.raises(KeyUnavailable):
        app_secret(user)


@pytest.mark.parametrize("stored", ["", "not base64!", "AAAA", "A" * 120])
def test_a_secret_that_was_altered_opens_nothing(stored):
    with pytest.raises(KeyUnavailable):
        secret_unwrap(stored)


def test_support_turns_off_a_lost_second_factor(secret, user, admin_client, mailoutbox):
    page = "/admin/mfa/authenticator/"
    assert secret not in admin_client.get(page).content.decode()
    row = Authenticator.objects.get(type="totp")
    shown = admin_client.get(f"{page}{row.pk}/change/")
    assert row.data["secret"] not in shown.content.decode()
    admin_client.post(page, {"action": "remove", "_selected_action": [row.pk]})
    assert not Authenticator.objects.exists()
    assert AuditEvent.objects.filter(action="second_factor.remove", object_id=user.id).exists()
    (mail,) = mailoutbox
    assert mail.to == ["maria@example.com"]
    assert "the support of your host" in mail.body


def test_requested_page_follows_after_the_password(user, inside):
    asked = inside.get(ACTIVATE)["Location"]
    response = inside.post(asked, {"password": PASSWORD})
    assert response["Location"] == ACTIVATE


def test_a_wrong_password_confirms_nothing(user, inside):
    response = inside.post("/accounts/reauthenticate/", {"password": "wrong"})
    assert "This is not your password." in response.content.decode()
    assert inside.get(ACTIVATE)["Location"].startswith("/accounts/reauthenticate/")


def test_a_code_confirms_as_well_as_the_password(secret, user):
    client = Client()
    sign_in(client, "Maria")
    enter(client, code_of(secret, 1))
    page = client.get("/accounts/reauthenticate/").content.decode()
    assert "Use a code of the second factor" in page
    assert client.get("/accounts/2fa/reauthenticate/").status_code == 200
    assert client.post("/accounts/2fa/reauthenticate/", {"code": code_of(secret, -1)}).status_code == 302
    assert client.get(TURN_OFF).status_code == 200


def test_missing_key_is_reported_on_a_page(secret, user, monkeypatch):
    monkeypatch.setattr(
        "accounts.services.second_factor.portal_keyring", lambda: Keyring.parse(f"7:{kek_generate()}"), raising=True
    )
    browser = Client()
    sign_in(browser, user.username)
    response = enter(browser, code_of(secret))
    assert response.status_code == KeyUnavailable.status
    assert "Please contact support" in response.content.decode()
    assert not signed_in(browser)
