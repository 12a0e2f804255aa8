"""Django's settings for given environments, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config.test_env import RIGHT

ROOT = Path(__file__).resolve().parents[2]
PRINT = (
    "import json; from config import settings as s; print(json.dumps({name: getattr(s, name, None) for name in %r}))"
)


def run(*arguments, **environ):
    secret = "".join(chr(ord("!") + number % 90) for number in range(60))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            **RIGHT,
            "SECRET_KEY": secret,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            **environ,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def settings_with(*names, **environ):
    done = run("-c", PRINT % (names,), **environ)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout).values())


@pytest.mark.parametrize(
    "mail", [{}, {"SAVEPOINT_MAIL_URL": "smtp://u:p@mail", "SAVEPOINT_MAIL_FROM": "a@example.com"}]
)
def test_djangos_own_check_of_a_deployment_finds_nothing(mail, tmp_path):
    done = run(
        "manage.py",
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        SAVEPOINT_URL="https://backups.example.com",
        SAVEPOINT_HOME=str(tmp_path),
        **mail,
    )
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_a_mail_server_is_spoken_to_encrypted_and_not_waited_for_long():
    names = "EMAIL_BACKEND", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS", "EMAIL_USE_SSL", "EMAIL_TIMEOUT"
    backend = "django.core.mail.backends.smtp.EmailBackend"
    sender = {"SAVEPOINT_MAIL_FROM": "a@example.com"}
    found = settings_with(*names, SAVEPOINT_MAIL_URL="smtp://u:p@mail", **sender)
    assert found == [backend, "mail", 587, True, False, 10]
    found = settings_with(*names, SAVEPOINT_MAIL_URL="smtps://u:p@mail", **sender)
    assert found == [backend, "mail", 465, False, True, 10]


def test_without_a_mail_server_mails_go_to_the_home():
    found = settings_with("EMAIL_BACKEND", "EMAIL_FILE_PATH", "DEFAULT_FROM_EMAIL")
    assert found == ["config.mail_folder.FolderBackend", "/nowhere/mail", "savepoint@127.0.0.1"]


def test_cookies_are_bound_to_https_where_there_is_https():
    names = "SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"
    assert settings_with(*names, SAVEPOINT_URL="https://backups.example.com") == ["__Host-savepoint", True, True]
    assert settings_with(*names) == ["savepoint", False, False]
