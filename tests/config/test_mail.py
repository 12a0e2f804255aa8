"""The mail server: every valid URL has one meaning; every other is refused without showing its password."""

from __future__ import annotations

import pytest

from config.env import EnvironmentInvalid, environment_read
from tests.config.test_env import RIGHT

FROM = {"SAVEPOINT_MAIL_FROM": "Backups <backups@example.com>"}


def read(url, **more):
    return environment_read({**RIGHT, **FROM, "SAVEPOINT_MAIL_URL": url, **more})


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "password", "tls_at_once"),
    [
        ("smtp://u:p@mail.example.com:2525", "mail.example.com", 2525, "u", "p", False),
        ("smtp://mail.example.com", "mail.example.com", 587, "", "", False),
        ("smtps://mail.example.com/", "mail.example.com", 465, "", "", True),
        ("smtps://u%40example.com:p%2Fw%3A@[::1]", "::1", 465, "u@example.com", "p/w:", True),
    ],
)
def test_a_server_is_taken_apart(url, host, port, user, password, tls_at_once):
    server = read(url).mail_server
    assert (server.host, server.port, server.user, server.password) == (host, port, user, password)
    assert server.tls_at_once is tls_at_once


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "http://u:hidden@mail.example.com",
        "smtp://",
        "smtp://u:hidden@mail.example.com:99999",
        "smtp://u:hidden@mail.example.com:0",
        "smtp://u:hidden@mail.example.com?tls=no",
        "smtp://u:hidden@mail.example.com/inbox",
        "smtp://u:hidden@mail.example.com#x",
        "smtp://u@mail.example.com",
        "smtp://:hidden@mail.example.com",
    ],
)
def test_invalid_mail_url_is_refused_in_one_line_without_the_password(url):
    with pytest.raises(EnvironmentInvalid) as caught:
        read(url)
    assert str(caught.value).startswith("SAVEPOINT_MAIL_URL ")
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_the_url_may_lie_in_a_file_or_in_the_home(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/SAVEPOINT_MAIL_URL").write_text("smtp://home.example.com\n")
    (tmp_path / "url").write_text("smtp://file.example.com\n")
    home = {**RIGHT, **FROM, "SAVEPOINT_HOME": str(tmp_path)}
    assert environment_read(home).mail_server.host == "home.example.com"
    named = {**home, "SAVEPOINT_MAIL_URL_FILE": str(tmp_path / "url")}
    assert environment_read(named).mail_server.host == "file.example.com"
    assert (
        environment_read({**named, "SAVEPOINT_MAIL_URL": "smtp://own.example.com"}).mail_server.host
        == "own.example.com"
    )


def test_nothing_about_the_server_is_shown_by_accident():
    server = read("smtp://u:hidden@mail.example.com").mail_server
    assert "hidden" not in repr(server)


def test_without_a_server_mails_come_from_the_portals_own_host():
    found = environment_read({**RIGHT, "SAVEPOINT_URL": "https://backups.example.com"})
    assert found.mail_server is None
    assert found.mail_from == "savepoint@backups.example.com"


def test_with_a_server_the_sender_must_be_said():
    with pytest.raises(EnvironmentInvalid, match="SAVEPOINT_MAIL_FROM is missing"):
        read("smtp://mail.example.com", SAVEPOINT_MAIL_FROM="")


@pytest.mark.parametrize("sender", ["backups@example.com", "Größte Sicherung <backups@example.com>"])
def test_a_sender_is_an_address_with_or_without_a_name(sender):
    assert read("smtp://mail.example.com", SAVEPOINT_MAIL_FROM=sender).mail_from == sender


@pytest.mark.parametrize(
    "sender",
    ["backups", "@example.com", "a@b@c", "a@b, c@d", "x <a@b> y", "a@b\nBcc: c@d", "<a@b>", "a b@example.com"],
)
def test_invalid_sender_is_refused(sender):
    with pytest.raises(EnvironmentInvalid, match="SAVEPOINT_MAIL_FROM must look like"):
        read("smtp://mail.example.com", SAVEPOINT_MAIL_FROM=sender)
