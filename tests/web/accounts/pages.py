"""Actions of users on the pages."""

from __future__ import annotations

import re
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.test import Client

from accounts.models import User
from accounts.services.second_factor import secret_unwrap
from tests.factories.accounts import PASSWORD

LOGIN = "/accounts/login/"
ACCOUNT = "/account/"
RESET = "/accounts/password/reset/"
ACTIVATE = "/accounts/2fa/totp/activate/"
SECOND_FACTOR = "/accounts/2fa/"


def sign_in(client: Client, login: str, password: str = PASSWORD, **extra: Any) -> Any:
    """Submit the sign-in form; in `extra`, a name starting with a capital is a header, every other a field."""
    headers = {name: extra.pop(name) for name in list(extra) if name.isupper()}
    return client.post(LOGIN, {"login": login, "password": password, **extra}, **headers)


def signed_in(client: Client) -> bool:
    """Whether the browser may open the account's page."""
    return bool(client.get(ACCOUNT).status_code == 200)


def confirm(client: Client) -> None:
    """Enter the password again, as the pages of the second factor require."""
    response = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert response.status_code == 302, response.content


def code_of(secret: str, step: int = 0) -> str:
    """The code of an authenticator app `step` times 30 seconds from now."""
    counters = list(yield_hotp_counters_from_time())
    return format_hotp_value(hotp_value(secret, counters[len(counters) // 2] + step))


def app_secret(user: User) -> str:
    """The key in the user's authenticator app."""
    return secret_unwrap(Authenticator.objects.get(user=user, type="totp").data["secret"])


def second_factor_turn_on(client: Client) -> str:
    """Set up an authenticator app on the pages; returns its key."""
    confirm(client)
    page = client.get(ACTIVATE).content.decode()
    secret = re.search(r'id="totp-secret"[^>]*>([A-Z2-7]+)<', page)
    assert secret, page
    response = client.post(ACTIVATE, {"code": code_of(secret[1])})
    assert response.status_code == 302, response.content
    return secret[1]


def recovery_codes(client: Client) -> list[str]:
    """The codes in the downloaded file."""
    lines = client.get("/accounts/2fa/recovery-codes/download/").content.decode().splitlines()
    return [line for line in lines if line.isdecimal()]
