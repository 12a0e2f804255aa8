"""A user with an account, their browser, and a test's own translation."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import BoundedSemaphore
from types import SimpleNamespace

import pytest
from allauth.mfa import app_settings
from allauth.mfa.totp.internal import auth as totp
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from django.test import Client

from accounts.models import User
from accounts.web import mailing
from tests.factories import UserFactory


@pytest.fixture
def user(db) -> User:
    return UserFactory(username="Maria", name="Maria Lind")


@pytest.fixture
def browser(db) -> Client:
    return Client()


@pytest.fixture
def inside(user) -> Client:
    """The user's browser, signed in."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def german(tmp_path, settings) -> Callable[..., None]:
    """Set German texts; all other texts stay English."""

    def said(**texts: str) -> None:
        catalog = Catalog(locale="de")
        for english, translated in texts.items():
            catalog.add(english, translated)
        folder = Path(tmp_path, "locale/de/LC_MESSAGES")
        folder.mkdir(parents=True)
        with (folder / "django.mo").open("wb") as file:
            write_mo(file, catalog)
        # This assignment makes Django discard the catalogs that it has read.
        settings.LOCALE_PATHS = [tmp_path / "locale"]

    return said


class _AtOnce:
    """Sends a mail within the request, so that a test finds it when the answer is there."""

    def submit(self, send, *arguments):
        send(*arguments)


@pytest.fixture(autouse=True)
def codes_begin(monkeypatch):
    """Let each test begin with a new code of authenticator apps, which holds for 30 seconds."""
    elapsed = time.time() % app_settings.TOTP_PERIOD
    monkeypatch.setattr(totp, "time", SimpleNamespace(time=lambda: time.time() - elapsed))


@pytest.fixture(autouse=True)
def mails_at_once(request, monkeypatch):
    """Send mails without threads, except in tests that use `mails_beside`."""
    if "mails_beside" not in request.fixturenames:
        room = BoundedSemaphore(mailing.WAITING_MAX)
        monkeypatch.setattr(mailing, "_senders", lambda _process: (_AtOnce(), room))


@pytest.fixture
def mails_beside():
    """Send mails by threads, as in production."""
