"""The pages of one's own account: settings and API tokens."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers
from django_htmx.middleware import HtmxDetails

from accounts.errors import TokenNotFound
from accounts.models import ApiToken, User
from accounts.selectors import token_of, tokens_of
from accounts.services.tokens import token_create, token_revoke
from accounts.services.users import user_update
from accounts.web.account_forms import SCOPES, ProfileForm, TokenForm
from accounts.web.caller import caller_of
from common.errors import ValidationError


class HtmxRequest(HttpRequest):
    """A request, and whether htmx made it."""

    htmx: HtmxDetails


_page = require_http_methods(["GET", "HEAD", "POST"])


@login_required
@_page
def profile(request: HttpRequest) -> HttpResponse:
    """Name, language, time zone and colours of the user."""
    user = caller_of(request)
    form = ProfileForm(request.POST or None, user=user)
    if form.is_valid() and _profile_store(form, user):
        # The next page shows the message, already in the new language.
        with translation.override(user.language or translation.get_language()):
            messages.success(request, _("Your settings were saved."))
        return redirect("account")
    return render(request, "accounts/profile.html", {"form": form})


def _profile_store(form: ProfileForm, user: User) -> bool:
    try:
        user_update(user=user, **form.cleaned_data)
    except ValidationError as error:
        for field, mistakes in error.errors.items():
            form.add_error(field, mistakes)
    return form.is_valid()


@login_required
@_page
def tokens(request: HttpRequest) -> HttpResponse:
    """The API tokens; a new one is shown in the answer to its own form and never again."""
    user = caller_of(request)
    form = TokenForm(request.POST or None)
    secret = ""
    if form.is_valid():
        _token, secret = token_create(
            user=user, name=form.cleaned_data["name"], scopes=form.cleaned_data["scopes"], expires_at=form.expiry()
        )
        form = TokenForm()
    shown = [_shown(token) for token in tokens_of(user)]
    response = render(request, "accounts/tokens.html", {"form": form, "tokens": shown, "secret": secret})
    response.headers["Cache-Control"] = "no-store"
    return response


def _shown(token: ApiToken) -> dict[str, object]:
    return {
        "token": token,
        "scopes": [label for scope, label in SCOPES.items() if scope in token.scopes],
        "expired": token.expires_at is not None and token.expires_at <= timezone.now(),
    }


@login_required
@_page
@vary_on_headers("HX-Request")
def token_revoke_page(request: HtmxRequest, token: UUID) -> HttpResponse:
    """Asks whether a token should end, and ends it."""
    user = caller_of(request)
    try:
        found = token_of(user, token)
    except TokenNotFound as error:
        raise Http404 from error
    if request.method == "POST":
        token_revoke(token=found, actor=user)
        said = _("The token %(name)s was revoked. It is refused from now on.") % {"name": found.name}
        messages.success(request, said)
        return redirect("account-tokens")
    template = "accounts/token_revoke_form.html" if request.htmx else "accounts/token_revoke.html"
    return render(request, template, {"token": found})
