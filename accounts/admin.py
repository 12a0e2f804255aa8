"""The staff's pages of customers, users, tokens and the audit trail."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import ApiToken, AuditEvent, Customer, User
from accounts.selectors import user_within_reach
from accounts.services.customers import customer_create, customer_update
from accounts.services.second_factor import second_factor_remove
from accounts.services.tokens import token_revoke
from common.admin import FleetAdmin, ListedLookups, NamesChecked, ReadOnlyAdmin, each_by_service

WHO_MAY_WHAT = ("is_staff", "is_superuser", "groups", "user_permissions")
WAYS_IN = ("username", "email", "password")
"""A staff member who can change one of these can sign in as that user.

The mail for a new password goes to the address.
"""

# Addresses are columns of the user, and users manage their own sessions; a second factor has a page without its
# secrets.
for _model in (EmailAddress, Authenticator, UserSession, Group):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


@admin.register(User)
class UserAdmin(ListedLookups, NamesChecked, DjangoUserAdmin):  # type: ignore[type-arg]  # not a generic when it runs
    """People and bots that sign in."""

    list_display = ["username", "email", "name", "is_staff", "is_active"]
    search_fields = ["username", "email", "name"]
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (gettext_lazy("Person"), {"fields": ("name", "email", "language", "time_zone", "theme")}),
        (
            gettext_lazy("Permissions"),
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        (gettext_lazy("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        *DjangoUserAdmin.add_fieldsets,
        (gettext_lazy("Person"), {"classes": ("wide",), "fields": ("name", "email")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Only superusers change permissions and sign-in data; other staff could otherwise raise their own rights.

        A customer's password opens that customer's data, so this holds for customers as for staff.
        """
        fields = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return fields
        return [*fields, *WHO_MAY_WHAT, *(WAYS_IN if obj else ())]

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:  # noqa: A002  # Django's signature
        """The page that sets a new password, for superusers.

        Other staff have the portal send the user a mail instead.
        """
        if not request.user.is_superuser:
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Staff change only users whose rights they all have themselves: deactivating a colleague removes rights."""
        return super().has_change_permission(request, obj) and _within_reach(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Likewise."""
        return super().has_delete_permission(request, obj) and _within_reach(request, obj)


@admin.register(Group)
class GroupAdmin(ListedLookups, NamesChecked, DjangoGroupAdmin):
    """Groups of staff. Only superusers write them: every member has each permission of the group."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only superusers."""
        return _superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:  # noqa: ARG002  # Django's signature
        """Only superusers."""
        return _superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:  # noqa: ARG002  # Django's signature
        """Only superusers."""
        return _superuser(request)


@admin.register(Authenticator)
class SecondFactorAdmin(ReadOnlyAdmin):
    """Users with a second factor.

    Staff turn it off for a user who lost phone and codes and has proved their identity.
    """

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_select_related = ["user"]
    list_filter = ["type"]
    search_fields = ["user__username", "user__email"]
    fields = ["user", "type", "created_at", "last_used_at"]
    ordering = ["-created_at", "-pk"]
    actions = ["remove"]

    @admin.action(description=gettext_lazy("Turn off the second factor of the chosen users"), permissions=["remove"])
    def remove(self, request: HttpRequest, rows: QuerySet[Authenticator]) -> None:
        """Take app and recovery codes away at once, and tell the owner by mail."""
        actor: Any = request.user
        owners = User.objects.filter(pk__in=rows.values("user"))
        each_by_service(
            self, request, owners, service=lambda user: _second_factor_take(user, actor), done=_("turned off")
        )

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """The permission to delete these rows includes turning a second factor off."""
        return request.user.has_perm("mfa.delete_authenticator")


@admin.register(Customer)
class CustomerAdmin(FleetAdmin):
    """Tenants. The service creates each one with its key; none is deleted here, because orders and key depend on it."""

    list_display = ["name", "owner", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username", "=id"]
    fields = ["name", "owner"]
    autocomplete_fields = ["owner"]
    ordering = ["-created_at"]

    def save_model(self, request: HttpRequest, obj: Customer, form: Form, change: bool) -> None:  # noqa: ARG002, FBT001  # Django's signature
        """Create the tenant, or change its name and owner."""
        actor: Any = request.user
        if change:
            customer_update(customer=obj, name=obj.name, owner=obj.owner, actor=actor)
        else:
            obj.pk = customer_create(name=obj.name, owner=obj.owner, actor=actor).pk

    def get_readonly_fields(self, request: HttpRequest, obj: Customer | None = None) -> list[str]:
        """Only superusers change the owner, because an owner has every right on every order."""
        return ["owner"] if obj and not request.user.is_superuser else []

    def has_delete_permission(self, request: HttpRequest, obj: Customer | None = None) -> bool:  # noqa: ARG002  # Django's signature
        """Tenants are never deleted by hand."""
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """API tokens: their scopes and when they were last used. The secret is stored nowhere."""

    list_display = ["name", "user", "hint", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username", "hint"]
    fields = ["user", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]
    ordering = ["-created_at"]
    actions = ["revoke"]

    @admin.action(description=gettext_lazy("Revoke the chosen tokens"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        """End tokens at once."""
        actor: Any = request.user
        each_by_service(
            self, request, tokens, service=lambda token: token_revoke(token=token, actor=actor), done=_("revoked")
        )

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """The permission to change tokens includes revoking them."""
        return request.user.has_perm("accounts.change_apitoken")


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The audit trail, read only."""

    list_display = ["at", "actor", "action", "order_id", "object_id"]
    list_select_related = ["actor"]
    list_filter = ["action"]
    search_fields = ["actor__username", "=order_id", "=object_id"]
    fields = ["at", "actor", "action", "order_id", "object_id", "data"]


def _second_factor_take(user: User, actor: User) -> None:
    if second_factor_remove(user=user, actor=actor):
        get_adapter().send_notification_mail("mfa/email/totp_deactivated", user, {"by_support": True})


def _within_reach(request: HttpRequest, user: User | None) -> bool:
    actor: Any = request.user
    return user is None or user_within_reach(actor=actor, user=user)


def _superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)
