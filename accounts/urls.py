"""URLs of sign-in and of the user's own account.

They are listed one by one, because allauth's other pages (registration, e-mail addresses, codes by mail) are not
offered. allauth's views find each other by these names.
"""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as second_factor
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from django.urls import path, re_path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

import common.api.paths  # noqa: F401  # registers <id:…>
from accounts.web import sign_in, views

_sign_in = [
    path("accounts/login/", sign_in.LoginView.as_view(), name="account_login"),
    path("accounts/logout/", require_http_methods(["GET", "HEAD", "POST"])(account.logout), name="account_logout"),
    path("accounts/inactive/", account.account_inactive, name="account_inactive"),
    path("accounts/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
]

_password = [
    path("accounts/password/change/", sign_in.PasswordChangeView.as_view(), name="account_change_password"),
    path("accounts/password/reset/", sign_in.PasswordResetView.as_view(), name="account_reset_password"),
    path("accounts/password/reset/done/", account.password_reset_done, name="account_reset_password_done"),
    path(
        "accounts/password/reset/key/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        never_cache(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
]

# Pages that show a secret are never cached, not even by the browser.
_second_factor = [
    path("accounts/2fa/", second_factor.index, name="mfa_index"),
    path("accounts/2fa/authenticate/", sign_in.AuthenticateView.as_view(), name="mfa_authenticate"),
    path("accounts/2fa/reauthenticate/", second_factor.reauthenticate, name="mfa_reauthenticate"),
    path("accounts/2fa/totp/activate/", never_cache(sign_in.ActivateTOTPView.as_view()), name="mfa_activate_totp"),
    path("accounts/2fa/totp/deactivate/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path(
        "accounts/2fa/recovery-codes/", never_cache(recovery_codes.view_recovery_codes), name="mfa_view_recovery_codes"
    ),
    path(
        "accounts/2fa/recovery-codes/generate/",
        recovery_codes.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path(
        "accounts/2fa/recovery-codes/download/",
        sign_in.DownloadRecoveryCodesView.as_view(),
        name="mfa_download_recovery_codes",
    ),
]

_sessions = [
    path("accounts/sessions/", sign_in.SessionsView.as_view(), name="usersessions_list"),
    path("accounts/sessions/<int:session>/end/", sign_in.session_end, name="usersessions_end"),
]

_account = [
    path("account/", views.profile, name="account"),
    path("account/tokens/", views.tokens, name="account-tokens"),
    path("account/tokens/<id:token>/revoke/", views.token_revoke_page, name="account-token-revoke"),
]

web = [*_sign_in, *_password, *_second_factor, *_sessions, *_account]
