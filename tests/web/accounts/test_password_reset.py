"""A lost password is reset by mail, and no answer reveals an account."""

from __future__ import annotations

import re
import socket
from threading import BoundedSemaphore

import pytest
from django.test import Client

from accounts.web import mailing
from tests.factories import UserFactory
from tests.processes.waiting import wait_until
from tests.web.accounts.pages import RESET, sign_in, signed_in

DONE = "/accounts/password/reset/done/"
NEW = {"password1": "new-roof-lantern", "password2": "new-roof-lantern"}


def link_in(mail):
    (link,) = re.findall(r"http\S+/password/reset/key/\S+", mail.body)
    return link


def ask(address, **extra):
    return Client().post(RESET, {"email": address}, **extra)


def follow(client, link):
    """The page behind the link; it redirects away from the link's own address at once."""
    first = client.get(link.removeprefix("http://127.0.0.1:8000"))
    assert first.status_code == 302
    assert link.rpartition("-")[2] not in first["Location"]
    return first["Location"], client.get(first["Location"])


def test_a_german_customer_gets_a_german_mail_and_sets_a_new_password(user, browser, mailoutbox, german):
    german(**{"Set a new password": "Neues Passwort festlegen", "Hello %(name)s,": "Hallo %(name)s,"})
    user.language = "de"
    user.save()
    assert ask("Maria@Example.com", HTTP_ACCEPT_LANGUAGE="fr")["Location"] == DONE
    (mail,) = mailoutbox
    assert mail.subject == "[Savepoint] Neues Passwort festlegen"
    assert mail.body.startswith("Hallo Maria Lind,")
    assert mail.to == ["maria@example.com"]
    address, page = follow(browser, link_in(mail))
    assert page.status_code == 200
    response = browser.post(address, NEW)
    assert browser.get(response["Location"]).status_code == 200
    assert not signed_in(browser)
    assert sign_in(browser, "Maria", NEW["password1"]).status_code == 302
    assert "Neues Passwort festlegen" not in mailoutbox[1].subject


def test_a_link_works_once(user, browser, mailoutbox):
    ask("maria@example.com")
    link = link_in(mailoutbox[0])
    address, _page = follow(browser, link)
    browser.post(address, NEW)
    again = Client().get(link.removeprefix("http://127.0.0.1:8000"))
    assert again.status_code == 200
    assert "does not work" in again.content.decode()
    assert "Bad Token" not in again.content.decode()


@pytest.mark.parametrize("key", ["x-y", "0" * 32 + "-a-b", "zz-set-password"])
def test_a_link_that_is_none_says_so(key, browser, db):
    response = browser.get(f"/accounts/password/reset/key/{key}/")
    assert response.status_code == 200
    assert "does not work" in response.content.decode()


def test_a_link_is_too_old_after_a_day(user, browser, mailoutbox, settings, monkeypatch):
    ask("maria@example.com")
    settings.PASSWORD_RESET_TIMEOUT = -1
    page = browser.get(link_in(mailoutbox[0]).removeprefix("http://127.0.0.1:8000"))
    assert "does not work" in page.content.decode()


def test_a_reset_ends_every_session_and_tells_the_owner(user, inside, browser, mailoutbox):
    ask("maria@example.com")
    address, _page = follow(browser, link_in(mailoutbox[0]))
    browser.post(address, NEW)
    assert not signed_in(inside)
    assert mailoutbox[1].subject == "[Savepoint] Your password was set anew"
    assert "change the password of your mailbox" in mailoutbox[1].body


def test_an_old_address_gets_no_link_any_more(user, mailoutbox):
    ask("maria@example.com")
    user.email = "maria@elsewhere.example"
    user.save()
    ask("maria@example.com")
    assert [mail.subject for mail in mailoutbox][1] == "[Savepoint] There is no account with this address"


def test_a_stranger_and_a_customer_are_answered_alike(user, mailoutbox):
    UserFactory(username="closed", is_active=False)
    answers = [ask(address) for address in ("maria@example.com", "nobody@example.com", "closed@example.com")]
    assert {(answer.status_code, answer["Location"], answer.content) for answer in answers} == {(302, DONE, b"")}
    assert [len(re.findall("reset/key", mail.body)) for mail in mailoutbox] == [1, 0, 0]
    assert "Hello," in mailoutbox[1].body
    assert "nobody@example.com" in mailoutbox[1].body


def test_link_leads_to_the_portal_for_any_requested_host(user, mailoutbox, settings):
    settings.SAVEPOINT_URL = "https://backups.example.com"
    settings.ALLOWED_HOSTS = ["*"]
    ask("maria@example.com", HTTP_HOST="evil.example", HTTP_X_FORWARDED_HOST="evil.example")
    assert link_in(mailoutbox[0]).startswith("https://backups.example.com/accounts/password/reset/key/")
    assert "evil.example" not in str(mailoutbox[0].message())


def test_a_foreign_host_is_refused(user, mailoutbox):
    assert ask("maria@example.com", HTTP_HOST="evil.example").status_code == 400
    assert mailoutbox == []


def test_the_pages_of_a_link_tell_no_other_site_where_they_are(user, browser, mailoutbox):
    ask("maria@example.com")
    _address, page = follow(browser, link_in(mailoutbox[0]))
    assert page["Referrer-Policy"] == "same-origin"
    assert "no-store" in page["Cache-Control"]


@pytest.mark.parametrize("address", ["maria@example.com", "nobody@example.com"])
def test_missing_mail_server_is_logged_and_reveals_no_account(address, user, settings, caplog):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = closed.getsockname()
        assert ask(address)["Location"] == DONE
    (said,) = [record for record in caplog.records if record.name == "accounts.web.mailing"]
    assert "could not be sent" in said.getMessage()
    assert said.exc_info is None


@pytest.mark.parametrize("address", ["maria@example.com", "nobody@example.com"])
def test_silent_mail_server_holds_no_page_back(address, user, settings, caplog, mails_beside):
    assert settings.EMAIL_TIMEOUT == 10
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        # The answer comes although the mail server is silent until this test releases it.
        assert ask(address)["Location"] == DONE
        silent.settimeout(30)
        called, _ = silent.accept()
        assert caplog.records == []
        called.close()
        wait_until(lambda: caplog.records, seconds=30, what="the mail is given up")
    assert "could not be sent" in caplog.records[0].getMessage()


def test_undeliverable_mails_are_bounded(user, monkeypatch):
    full = BoundedSemaphore(1)
    full.acquire()
    monkeypatch.setattr(mailing, "_senders", lambda _process: (None, full))
    answers = [ask(address) for address in ("maria@example.com", "nobody@example.com")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert all("The mail could not be sent" in answer.content.decode() for answer in answers)


def test_a_password_changes_even_when_its_mail_cannot_be_sent(user, inside, settings):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = closed.getsockname()
        fields = {"oldpassword": "grass-roof-lantern", **NEW}
        assert inside.post("/accounts/password/change/", fields).status_code == 302
    user.refresh_from_db()
    assert user.check_password(NEW["password1"])


def test_mails_without_a_server_are_private_files(user, settings, tmp_path):
    settings.EMAIL_BACKEND = "config.mail_folder.FolderBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    ask("maria@example.com")
    (file,) = (tmp_path / "mail").iterdir()
    assert "/password/reset/key/" in file.read_text()
    assert (tmp_path / "mail").stat().st_mode & 0o777 == 0o700
