"""Adapters of allauth: sign-in, redirects, messages, mails and the storage of secrets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import qrcode  # type: ignore[import-untyped]  # nobody has written its types
from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from qrcode.image.svg import SvgPathFillImage  # type: ignore[import-untyped]  # as above

from accounts.errors import MailNotSent
from accounts.models import User
from accounts.preferences import time_zone_find
from accounts.selectors import user_by_login
from accounts.services.second_factor import secret_unwrap, secret_wrap
from accounts.web.addresses import client_address
from accounts.web.devices import device_name
from accounts.web.mailing import mail_hand_over

logger = logging.getLogger(__name__)

_WRONG_PASSWORD = _("The name and the password do not belong together. Please check both and try again.")
_TOO_MANY = _("There were too many failed attempts. Please wait five minutes and try again.")
_WRONG_CODE = _("This code is not right. Codes change every 30 seconds: please enter the newest one.")
_TOO_FAST = _("That was too often in a short time. Please wait a minute and try again.")


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """The host creates accounts; users sign in, change their password, and reset it by mail."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": _("This account is closed."),
        "username_password_mismatch": _WRONG_PASSWORD,
        "email_password_mismatch": _WRONG_PASSWORD,
        "invalid_login": _WRONG_PASSWORD,
        "too_many_login_attempts": _TOO_MANY,
        "rate_limited": _TOO_FAST,
        "incorrect_password": _("This is not your password."),
        "enter_current_password": _("This is not your current password."),
        "incorrect_code": _WRONG_CODE,
        "invalid_password_reset": _("This link does not work (any more)."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  # allauth's signature
        """Registration is closed: accounts come from the host's billing."""
        return False

    def is_ajax(self, request: HttpRequest) -> bool:  # noqa: ARG002  # allauth's signature
        """Pages are pages; the API is elsewhere."""
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Whether a redirect may lead there: only to the host that was asked."""
        request = self.request
        return url_has_allowed_host_and_scheme(
            url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        )

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that throttles count and sessions show."""
        return client_address(request)

    def get_login_stages(self) -> list[str]:
        """Stages of the sign-in after the password: the second factor, for users who have one."""
        return ["allauth.mfa.stages.AuthenticateStage"]

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002  # allauth's signature
        """Back to the account, where the message stands."""
        return reverse("account")

    def get_reset_password_from_key_url(self, key: str) -> str:
        """The address in a mail: of the portal as it is configured, never of the host that a request names."""
        user, _dash, token = key.partition("-")
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": user, "key": token})
        return f"{settings.SAVEPOINT_URL}{path}"

    def get_reauthentication_methods(self, user: AbstractBaseUser | AnonymousUser) -> list[dict[str, Any]]:
        """The methods of reauthentication, each with its address and the text of its link."""
        described = {
            "reauthenticate": _("Use the password"),
            "mfa_reauthenticate": _("Use a code of the second factor"),
        }
        methods = super().get_reauthentication_methods(user)
        return [{**method, "description": described[method["id"]]} for method in methods if method["id"] in described]

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Store a new password, and clear the failed attempts with the old one."""
        super().set_password(user, password)
        self._delete_login_attempts_cached_email(self.request, username=user.get_username())

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:  # noqa: ARG002  # allauth's signature
        # Counted for the account. Theirs counts for the host name and the spelling: each other one gave five more.
        login = credentials.get("email") or credentials.get("username", "")
        user = user_by_login(login)
        return f"user:{user.pk}" if user else f"nobody:{login.lower()}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Write a mail in the active language, and leave sending it to others. Raises MailNotSent."""
        told = {"request": self.request, "email": email, "portal_url": settings.SAVEPOINT_URL, **context}
        mail_hand_over(self.render_mail(template_prefix, email, told), about=template_prefix)

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """Send the link that sets a new password, in its reader's language. Raises MailNotSent."""
        with _as_read_by(user):
            hours = settings.PASSWORD_RESET_TIMEOUT // 3600
            super().send_password_reset_mail(user, email, {"reader": user, "hours": hours, **context})

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Notify a user about a change to their account, in their language; a mail that fails is only logged."""
        with _as_read_by(user):
            device = device_name(self.get_http_user_agent(self.request))
            told = {"reader": user, "device": device, **(context or {})}
            try:
                super().send_notification_mail(template_prefix, user, told, email)
            except MailNotSent:
                # The change that the mail reports has already been made.
                logger.warning("user %s was not told by mail: %s", user.pk, template_prefix)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """The second factor, its secrets encrypted under the portal's keys."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _WRONG_CODE,
        "cannot_delete_authenticator": _("The second factor of this account cannot be turned off."),
        "cannot_generate_recovery_codes": _("There are recovery codes only together with an authenticator app."),
    }

    def encrypt(self, text: str) -> str:
        """The encrypted form of a secret, as stored."""
        return secret_wrap(text)

    def build_totp_svg(self, url: str) -> str:
        """The QR code on a ground of its own, so that it can be scanned in dark colours as well."""
        picture = qrcode.make(url, image_factory=SvgPathFillImage)
        return str(picture.to_string(encoding="unicode"))

    def decrypt(self, encrypted_text: str) -> str:
        """The secret again. Raises KeyUnavailable."""
        return secret_unwrap(encrypted_text)


@contextmanager
def _as_read_by(user: User) -> Iterator[None]:
    """Within the block, texts use the user's language and times their zone, as far as they chose one."""
    zone = time_zone_find(user.time_zone) or timezone.get_current_timezone()
    with translation.override(user.language or translation.get_language()), timezone.override(zone):
        yield
