"""The staff's pages of provisions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from common.admin import ReadOnlyAdmin, ServiceDeletes
from provisions.models import Provision, ProvisionKind, SidecarAuthority, SidecarCertificate, SidecarEnrolment
from provisions.services.provisions import provision_create, provision_delete, provision_update


class ProvisionForm(forms.ModelForm):  # type: ignore[type-arg]  # not a generic when it runs
    """A provision, and a place to write a sidecar's token that never shows one."""

    new_token = forms.CharField(
        label=_("token"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("The secret that a sidecar shares with the portal. It is never shown; empty keeps what is there."),
    )

    class Meta:
        model = Provision
        fields = ["order", "kind", "name", "is_primary", "address", "exclude"]


@admin.register(Provision)
class ProvisionAdmin(ServiceDeletes):
    """Provisions of orders."""

    form = ProvisionForm
    list_display = ["name", "kind", "id", "is_primary", "order", "address", "created_at"]
    list_select_related = ["order"]
    list_filter = ["kind"]
    search_fields = ["name", "=id", "=order__id"]
    fields = ["order", "kind", "name", "is_primary", "address", "new_token", "exclude"]
    autocomplete_fields = ["order"]
    ordering = ["-created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provision]:
        """Rows without their secret: a page that does not need it does not decrypt it."""
        return super().get_queryset(request).defer("token")

    def get_readonly_fields(self, request: HttpRequest, obj: Provision | None = None) -> list[str]:  # noqa: ARG002  # Django's signature
        """Kind and order of a provision are set when it is created, and never changed."""
        return ["order", "kind"] if obj else []

    def save_model(self, request: HttpRequest, obj: Provision, form: forms.Form, change: bool) -> None:  # noqa: FBT001  # Django's signature
        """Add the provision, or change it; the token only when one was written."""
        actor: Any = request.user
        token = form.cleaned_data["new_token"] or None
        if not change:
            created = provision_create(
                order=obj.order,
                kind=ProvisionKind(obj.kind),
                name=obj.name,
                is_primary=obj.is_primary,
                address=obj.address,
                token=token,
                exclude=obj.exclude,
                actor=actor,
            )
            obj.pk = created.pk
            return
        provision_update(provision=obj, token=token, actor=actor)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """As for every row; of a volume, also what becomes of its files."""
        rows, *rest = super().get_deleted_objects(objs, request)
        volumes = [
            _("All files of the volume %(id)s. Its sidecar removes them within the hour.") % {"id": row.pk}
            for row in objs
            if row.kind == ProvisionKind.VOLUME
        ]
        return [*rows, *volumes], *rest

    def delete_by_service(self, request: HttpRequest, obj: Provision) -> None:
        """Remove the provision, unless it has backups or an operation is active on its order."""
        actor: Any = request.user
        provision_delete(provision=obj, actor=actor)


@admin.register(SidecarAuthority)
class SidecarAuthorityAdmin(ReadOnlyAdmin):
    """The authorities that sign for workers and sidecars, without their keys."""

    list_display = ["id", "signs", "created_at", "expires_at", "retired_at"]
    fields = ["signs", "created_at", "expires_at", "retired_at", "certificate"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SidecarAuthority]:
        """Rows without their key."""
        return super().get_queryset(request).defer("key")


@admin.register(SidecarCertificate)
class SidecarCertificateAdmin(ReadOnlyAdmin):
    """The certificates of sidecars."""

    list_display = ["fingerprint", "provision", "authority", "installed_at", "expires_at", "ended_at"]
    list_select_related = ["provision", "authority"]
    search_fields = ["fingerprint", "=provision__id", "=provision__order__id"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SidecarCertificate]:
        """Rows without the secrets of their related rows."""
        return super().get_queryset(request).defer("provision__token", "authority__key")


@admin.register(SidecarEnrolment)
class SidecarEnrolmentAdmin(ReadOnlyAdmin):
    """Enrolments of sidecars, used or open, without their tokens."""

    list_display = ["created_at", "provision", "expires_at", "used_at"]
    list_select_related = ["provision"]
    search_fields = ["=provision__id"]
    fields = ["provision", "created_at", "expires_at", "used_at"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SidecarEnrolment]:
        """Rows without the secret of their provision."""
        return super().get_queryset(request).defer("provision__token")
