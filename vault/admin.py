"""The admin pages of targets, keys and stored objects."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from common.admin import FleetAdmin, ReadOnlyAdmin
from vault.errors import TargetOptionsInvalid, TargetRootRefused
from vault.models import Asset, DataKey, StorageTarget, StoredObject, TargetKind
from vault.services.targets import target_check, target_save


def _secret_field(label: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Never shown. Both empty keeps what is there."),
    )


class StorageTargetForm(forms.ModelForm):  # type: ignore[type-arg]  # not a generic when it runs
    """A target, and places to write its secrets that never show them."""

    access_key = _secret_field(_("access key"))
    secret_key = _secret_field(_("secret key"))

    class Meta:
        model = StorageTarget
        fields = ["name", "kind", "options", "sealed", "is_default"]

    def clean(self) -> dict[str, Any]:
        """The fields, if a target could be opened with them; no connection is made."""
        cleaned = super().clean() or self.cleaned_data
        written = {name: cleaned[name] for name in ("access_key", "secret_key") if cleaned.get(name)}
        if len(written) == 1:
            raise forms.ValidationError(_("Write both keys, or none."))
        if written:
            self.instance.secrets = json.dumps(written)
        if "kind" in cleaned and "options" in cleaned:
            self._openable(cleaned["kind"], cleaned["options"])
        return cleaned

    def _openable(self, kind: str, options: Any) -> None:
        try:
            target_check(target=StorageTarget(kind=kind, options=options, secrets=self.instance.secrets))
        except TargetRootRefused as error:
            raise forms.ValidationError({"options": error.detail}) from None
        except TargetOptionsInvalid:
            expected = (
                _("A local folder needs the option “root”, an absolute path.")
                if kind == TargetKind.LOCAL
                else _(
                    "S3 needs both keys and the options bucket, endpoint_url, region, prefix, path_style and "
                    "conditional_writes, and no others."
                )
            )
            raise forms.ValidationError({"options": expected}) from None


@admin.register(StorageTarget)
class StorageTargetAdmin(FleetAdmin):
    """Places for backups. The database keeps a target that holds anything."""

    form = StorageTargetForm
    list_display = ["name", "kind", "sealed", "is_default", "created_at"]
    fields = ["name", "kind", "options", "access_key", "secret_key", "sealed", "is_default"]
    ordering = ["name"]

    def save_model(self, request: HttpRequest, obj: StorageTarget, form: forms.Form, change: bool) -> None:  # noqa: ARG002, FBT001  # Django's signature
        """Store the target."""
        target_save(target=obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StorageTarget]:
        """Rows without their secrets: a list decrypts no secret."""
        return super().get_queryset(request).defer("secrets")


@admin.register(Asset)
class AssetAdmin(ReadOnlyAdmin):
    """The files that customers can download."""

    list_display = ["key", "customer", "target", "size_bytes", "stored_bytes", "sealed", "created_at"]
    list_select_related = ["customer", "target"]
    search_fields = ["=id", "=key"]
    ordering = ["-created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Asset]:
        """Rows without the secrets of their targets."""
        return super().get_queryset(request).defer("target__secrets")


@admin.register(DataKey)
class DataKeyAdmin(ReadOnlyAdmin):
    """Which tenants have a key on which target. The keys themselves are not shown, wrapped or not."""

    list_display = ["customer", "target", "copied_version"]
    list_select_related = ["customer", "target"]
    fields = ["customer", "target", "copied_version"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataKey]:
        """Rows without keys and secrets."""
        return super().get_queryset(request).defer("wrapped", "customer__tenant_key", "target__secrets")


@admin.register(StoredObject)
class StoredObjectAdmin(ReadOnlyAdmin):
    """Objects that are, or may be, in storage."""

    list_display = ["key", "target", "backup_id", "condemned_at", "created_at"]
    list_select_related = ["target"]
    search_fields = ["=key", "=backup_id"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredObject]:
        """Rows without the secrets of their targets."""
        return super().get_queryset(request).defer("target__secrets")
