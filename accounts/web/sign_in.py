"""The pages of signing in, passwords, second factor and sessions: allauth's views where they differ here."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from allauth.account import views as account
from allauth.mfa.base import views as second_factor
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.usersessions import views as sessions
from allauth.usersessions.internal.flows.sessions import end_sessions
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.errors import MailNotSent
from accounts.selectors import sessions_of
from accounts.web.caller import caller_of
from accounts.web.devices import device_icon, device_name

TOO_MANY = "too_many_login_attempts"


class _SaysWhenThrottled:
    """The form says that there were too many attempts; the status says so to programs."""

    def form_invalid(self, form: Form) -> HttpResponse:
        """The page again, with the errors."""
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]  # of the view this is mixed into
        if any(error.code == TOO_MANY for errors in form.errors.as_data().values() for error in errors):
            response.status_code = HTTPStatus.TOO_MANY_REQUESTS
        return response


class LoginView(_SaysWhenThrottled, account.LoginView):  # type: ignore[misc]  # allauth has no types
    """Name and password."""


class AuthenticateView(_SaysWhenThrottled, second_factor.AuthenticateView):  # type: ignore[misc]  # allauth has no types
    """The second factor."""


class PasswordChangeView(account.PasswordChangeView):  # type: ignore[misc]  # allauth has no types
    """A new password in place of the current one."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A user without a password sets one through a mail."""
        if request.user.is_authenticated and not request.user.has_usable_password():
            return redirect("account_reset_password")
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response


class PasswordResetView(account.PasswordResetView):  # type: ignore[misc]  # allauth has no types
    """The page that requests the mail for a lost password."""

    def form_valid(self, form: Form) -> HttpResponse:
        """Send the mail; when it cannot be sent, say so for every address."""
        try:
            response: HttpResponse = super().form_valid(form)
        except MailNotSent as error:
            form.add_error(None, error.detail)
            response = self.form_invalid(form)
            response.status_code = error.status
        return response


class ActivateTOTPView(totp.ActivateTOTPView):  # type: ignore[misc]  # allauth has no types
    """Setting up an authenticator app; a form sent twice does it once, and both lead to where it is on."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer the request. allauth fails for a twin that comes at once, and leads a later one to turning it off."""
        try:
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        except IntegrityError:
            return redirect("mfa_index")
        led_away = response.headers.get("Location") == reverse("mfa_deactivate_totp")
        return redirect("mfa_index") if led_away else response


class DownloadRecoveryCodesView(recovery_codes.DownloadRecoveryCodesView):  # type: ignore[misc]  # allauth has no types
    """The recovery codes as a file."""

    content_type = "text/plain; charset=utf-8"


class SessionsView(sessions.ListUserSessionsView):  # type: ignore[misc]  # allauth has no types
    """Where the account is signed in; the button ends all others."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The sessions, with their devices in words."""
        shown = [
            {"session": session, "device": device_name(session.user_agent), "icon": device_icon(session.user_agent)}
            for session in sessions_of(caller_of(self.request))
        ]
        return {**super(sessions.ListUserSessionsView, self).get_context_data(**kwargs), "sessions": shown}


@login_required
@require_POST
def session_end(request: HttpRequest, session: int) -> HttpResponse:
    """End one session. An expired session or one of another user is no error: the list does not have it afterwards."""
    ended = list(UserSession.objects.filter(pk=session, user=caller_of(request)))
    end_sessions(request, ended)
    if ended:
        messages.success(request, _("The session was ended. The device has to sign in again."))
    return redirect("usersessions_list")
