"""The pages of a user's choices, and the end of mails by one click."""

from __future__ import annotations

from http import HTTPStatus

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.web.caller import caller_of
from common.errors import NotFound
from notices.models import Preference
from notices.selectors import preference_of
from notices.services.preferences import mails_end, preference_set, unsubscribe_user
from notices.web.forms import AccountChoiceForm

_page = require_http_methods(["GET", "HEAD", "POST"])


@login_required
@_page
def account_notices(request: HttpRequest) -> HttpResponse:
    """What a user is told of in all orders, and how often mails come."""
    user = caller_of(request)
    form = AccountChoiceForm(request.POST or None, initial=initial_of(preference_of(user=user)))
    if form.is_valid():
        preference_set(user=user, **form.cleaned_data)
        messages.success(request, _("Your choice was saved."))
        return redirect("account-notices")
    context = {"form": form, "mail_language": dict(settings.LANGUAGES).get(user.language or settings.LANGUAGE_CODE)}
    return render(request, "notices/account.html", context)


# A mail program that unsubscribes by RFC 8058 has neither a session nor a token for the form.
@csrf_exempt
@never_cache
@_page
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether mails to an address should end, and end them; the token of the mail is the permission."""
    try:
        user = unsubscribe_user(token)
    except NotFound as error:
        raise Http404 from error
    if request.method == "POST":
        mails_end(user=user)
    return render(request, "notices/unsubscribe.html", {"address": user.email, "ended": request.method == "POST"})


def initial_of(row: Preference | None) -> dict[str, object]:
    """The initial values of a form for a stored choice; empty for none, so that the defaults are shown."""
    return {"in_page": row.in_page, "mail": row.mail, "digest": row.digest} if row else {}


def form_status(form: Form) -> int:
    """The status of a page with a form: a form that was filled in wrongly is no success."""
    return HTTPStatus.BAD_REQUEST if form.is_bound and not form.is_valid() else HTTPStatus.OK
