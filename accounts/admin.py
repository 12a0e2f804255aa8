"""The staff's pages of customers, users, tokens and the audit trail."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import ApiToken, AuditEvent, Customer, User
from accounts.services.customers import customer_create
from accounts.services.tokens import token_revoke
from common.admin import FleetAdmin, ReadOnlyAdmin, each_by_service


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]  # not a generic when it runs
    """People and bots that sign in."""

    fieldsets = (
        *(DjangoUserAdmin.fieldsets or ()),
        (gettext_lazy("Shown to them"), {"fields": ("language", "time_zone")}),
    )


@admin.register(Customer)
class CustomerAdmin(FleetAdmin):
    """Tenants. One is made with its key by the service, and never deleted here: its orders and its key hang on it."""

    list_display = ["name", "owner", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username", "=id"]
    fields = ["name", "owner"]
    autocomplete_fields = ["owner"]
    ordering = ["-created_at"]

    def save_model(self, request: HttpRequest, obj: Customer, form: Form, change: bool) -> None:  # noqa: ARG002, FBT001  # Django's signature
        """Make the tenant, or rename it and give it another owner."""
        if change:
            obj.save(update_fields=["name", "owner"])
        else:
            obj.pk = customer_create(name=obj.name, owner=obj.owner).pk

    def has_delete_permission(self, request: HttpRequest, obj: Customer | None = None) -> bool:  # noqa: ARG002  # Django's signature
        """Nobody deletes a tenant by hand."""
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """API tokens: what they may and when they were used. The tokens themselves are nowhere."""

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
        """Whoever may change tokens may revoke them."""
        return request.user.has_perm("accounts.change_apitoken")


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Who did what."""

    list_display = ["at", "actor", "action", "order_id", "object_id"]
    list_select_related = ["actor"]
    list_filter = ["action"]
    search_fields = ["actor__username", "=order_id", "=object_id"]
    fields = ["at", "actor", "action", "order_id", "object_id", "data"]
