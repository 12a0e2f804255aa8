"""The admin site. It has no sign-in of its own, so that nobody bypasses the second factor."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode


class StaffSite(AdminSite):
    """Django's admin without its own pages for sign-in and password change."""

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002  # Django's signature
        """Redirect to the sign-in and back; refuse a signed-in user without staff rights.

        Another sign-in would not help. Django's own form is never used: it knows no second factor.
        """
        index = reverse("admin:index", current_app=self.name)
        if self.has_permission(request):
            return redirect(index)
        if request.user.is_authenticated:
            raise PermissionDenied
        # Where it may lead is checked when it is followed.
        back = request.GET.get(REDIRECT_FIELD_NAME) or index
        return redirect(f"{resolve_url('account_login')}?{urlencode({REDIRECT_FIELD_NAME: back})}")

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:  # noqa: ARG002  # Django's signature
        """Redirect to the page that notifies the owner by mail."""
        return redirect("account_change_password")  # type: ignore[return-value]  # the stubs know only Django's own page
