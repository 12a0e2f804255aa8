"""The forms of signing in, passwords and the second factor: allauth's rules, our words."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as account
from allauth.account.adapter import get_adapter
from allauth.mfa import app_settings as second_factor_settings
from allauth.mfa.adapter import get_adapter as get_second_factor_adapter
from allauth.mfa.base import forms as second_factor
from allauth.mfa.totp import forms as totp
from django import forms
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

NEW_PASSWORD_HINT = _(
    "At least 8 characters. Not a common password, and not much like your name or your e-mail address."
)
LOGIN_LENGTH_MAX = 254


class LoginForm(account.LoginForm):  # type: ignore[misc]  # allauth has no types
    """User name or e-mail address, password, and whether the device is one's own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        self.fields["login"] = forms.CharField(
            label=_("User name or e-mail address"), max_length=LOGIN_LENGTH_MAX, widget=forms.TextInput(attrs=names)
        )
        _reword(self.fields["password"], _("Password"))
        _reword(self.fields["remember"], _("Keep me signed in on this device"))


class ReauthenticateForm(account.ReauthenticateForm):  # type: ignore[misc]  # allauth has no types
    """The password once more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _reword(self.fields["password"], _("Password"))


class ResetPasswordForm(account.ResetPasswordForm):  # type: ignore[misc]  # allauth has no types
    """The address that the mail goes to.

    The owner of it gets a mail either way: nothing reveals whether there is an account.

    Both mails are sent in the background, so that the time of the answer reveals nothing either.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _reword(self.fields["email"], _("E-mail address"))

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Send the mail; return the address. Raises MailNotSent."""
        if self.users:
            return str(super().save(request, **kwargs))
        email = str(self.cleaned_data["email"])
        get_adapter().send_mail("account/email/unknown_account", email, {})
        return email


class _NewPassword(forms.Form):
    """Both entries of a new password must be the same."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _reword(self.fields["password1"], _("New password"), NEW_PASSWORD_HINT)
        _reword(self.fields["password2"], _("New password once more"))

    def clean(self) -> dict[str, Any] | None:
        """Said here, so that allauth finds nothing to say."""
        first, second = self.cleaned_data.get("password1"), self.cleaned_data.get("password2")
        if first and second and first != second:
            self.add_error("password2", _("This is not the same password. Please enter it once more."))
        return super().clean()


class ChangePasswordForm(_NewPassword, account.ChangePasswordForm):  # type: ignore[misc]  # allauth has no types
    """A new password in place of the current one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _reword(self.fields["oldpassword"], _("Current password"))


class ResetPasswordKeyForm(_NewPassword, account.ResetPasswordKeyForm):  # type: ignore[misc]  # allauth has no types
    """A new password, by the link out of the mail."""


class _Code(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _reword(self.fields["code"], _("Code"))
        self.fields["code"].widget.attrs |= {"inputmode": "numeric", "spellcheck": "false"}


class _CodeOnce(_Code):
    """A code proves something once.

    allauth forgets a used code after 30 seconds, while its tolerance lets it be valid for 90.
    """

    user: Any

    def clean_code(self) -> str:
        """The code. Raises Django's ValidationError for a wrong one, and for one that was used."""
        code = str(super().clean_code())  # type: ignore[misc]  # of the class that this one is mixed into
        steps = 2 * second_factor_settings.TOTP_TOLERANCE + 1
        key = f"second-factor-used:{self.user.pk}:{''.join(filter(str.isalnum, code))}"
        if not cache.add(key, True, timeout=steps * second_factor_settings.TOTP_PERIOD):
            raise get_second_factor_adapter().validation_error("incorrect_code")
        return code


class AuthenticateForm(_CodeOnce, second_factor.AuthenticateForm):  # type: ignore[misc]  # allauth has no types
    """The second factor when signing in."""


class ReauthenticateByCodeForm(_CodeOnce, second_factor.ReauthenticateForm):  # type: ignore[misc]  # allauth has no types
    """The second factor once more."""


class ActivateTOTPForm(_Code, totp.ActivateTOTPForm):  # type: ignore[misc]  # allauth has no types
    """The first code of a new authenticator app: it shows that the app has the secret."""


def _reword(field: forms.Field, label: Any, hint: Any = "") -> None:
    """Give a field of allauth's our words; a placeholder would only say the label again."""
    field.label, field.help_text = label, hint
    field.widget.attrs.pop("placeholder", None)
