"""The base of every page for signed-in users, and the one way in which pages show errors."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views import View
from django_htmx.http import HttpResponseClientRedirect, reswap
from django_htmx.middleware import HtmxDetails

from accounts.models import User
from common.api.problems import request_id_of
from common.errors import ApplicationError

SIGN_IN = 'Cookie realm="Savepoint"'
"""The scheme that a 401 names: no browser asks for a password because of it."""

DIALOG = "dialog-body"
"""The element into which forms are loaded, so that they open as a dialog over the page."""


class PageView(View):
    """A thin adapter: reads a request, calls one service or selector, renders a template.

    user: the signed-in user. Errors of the product that a method raises are answered here: as a page, inside the
    dialog, or as a message above the page that is already there.
    """

    http_method_names = ["get", "head", "post"]
    user: User

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer a signed-in user; redirect others to the sign-in."""
        if not isinstance(request.user, User):
            # A part of a page that is loaded later must not become the sign-in form: the script reports the sign-out.
            if self.htmx:
                return HttpResponse(status=HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": SIGN_IN})
            return redirect_to_login(request.get_full_path())
        self.user = request.user
        try:
            response = self.answer(request, *args, **kwargs)
        except ApplicationError as error:
            response = self.refuse(error)
        # A browser that goes back takes the page out of its cache, and must not take a form for the dialog for it.
        patch_vary_headers(response, ["HX-Request", "HX-Target"])
        return response

    def answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Call the method. Pages override this to look up objects that all their methods need."""
        return super().dispatch(request, *args, **kwargs)

    @property
    def htmx(self) -> HtmxDetails:
        """True for a request of the page's script, false for a plain request of the browser."""
        return cast(HtmxDetails, self.request.htmx)  # type: ignore[attr-defined]  # set by django-htmx's middleware

    @property
    def in_dialog(self) -> bool:
        """Whether the answer goes into the dialog of the page that is open."""
        return bool(self.htmx) and self.htmx.target == DIALOG

    @property
    def open_page(self) -> SplitResult:
        """The address of the page in which the script asks; an empty one for a plain request, and when it is none."""
        try:
            return urlsplit(self.htmx.current_url or "" if self.htmx else "")
        except ValueError:
            return urlsplit("")

    def home(self) -> str:
        """Where to go on from an error, and after something was done."""
        return reverse("home")

    def form(
        self, template: str, context: dict[str, Any], *, title: Any, status: int = HTTPStatus.OK
    ) -> HttpResponseBase:
        """A form: alone for the dialog, else as a page of its own. Both are the same template."""
        if self.in_dialog:
            return render(self.request, template, context, status=status)
        page = {"template": template, "title": title, "home": self.home()}
        return render(self.request, "form_page.html", context | page, status=status)

    def done(self, message: str = "", *, to: str | None = None) -> HttpResponseBase:
        """After something was done: on to `to`, or to the page's home, where the message is shown."""
        if message:
            messages.success(self.request, message)
        place = to or self.home()
        return HttpResponseClientRedirect(place) if self.htmx else redirect(place)

    def refuse(self, error: ApplicationError) -> HttpResponseBase:
        """Show the error."""
        context = {"error": error, "request_id": request_id_of(self.request), "home": self.home()}
        if self.in_dialog:
            return render(self.request, "components/refusal.html", context, status=error.status)
        if self.request.method == "POST" and (self.htmx or error.status == HTTPStatus.CONFLICT):
            return self.complain(error)
        if self.htmx:
            return HttpResponse(status=error.status)
        return render(self.request, "error.html", context, status=error.status)

    def complain(self, error: ApplicationError) -> HttpResponseBase:
        """Show above the page why a button did nothing."""
        messages.error(self.request, error.detail)
        if not self.htmx:
            return redirect(self.home())
        shown = render(self.request, "components/messages.html", {"oob": True}, status=error.status)
        return reswap(shown, "none")
