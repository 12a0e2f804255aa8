"""The admin pages of targets, keys and stored objects."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from common.admin import FleetAdmin, ReadOnlyAdmin
from common.errors import ApplicationError
from targets.kinds import Option, TargetKind
from targets.registry import KINDS, kind_named
from vault.errors import TargetOptionsInvalid, TargetRootRefused
from vault.models import Asset, AssetExport, DataKey, StorageTarget, StoredObject
from vault.services.targets import target_check, target_save


def _field(option: Option) -> forms.Field:
    """The form field of an option. None is required: the kind reports a missing option."""
    label, help_text = capfirst(_(option.label)), _(option.help) if option.help else ""
    if option.secret:
        written = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        help_text = _("Never shown. If all secrets are empty, those that are there stay.")
        return forms.CharField(label=label, required=False, widget=written, help_text=help_text)
    if option.type is bool:
        return forms.BooleanField(label=label, required=False, initial=option.default, help_text=help_text)
    return forms.CharField(label=label, required=False, initial=option.default, help_text=help_text)


def _fields_of(kind: TargetKind) -> dict[str, Option]:
    """The options of a kind by the names of their form fields."""
    return {f"{kind.name}_{option.name}": option for option in kind.options}


class StorageTargetForm(forms.ModelForm):  # type: ignore[type-arg]  # not a generic when it runs
    """A target, with a field for each option of each kind; only the fields of the selected kind are read."""

    class Meta:
        model = StorageTarget
        fields = ["name", "kind", "sealed", "is_default", "archive_format", "upkeep_hour"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.fields.keys() & {"archive_format", "upkeep_hour"}:
            self.fields[name].required = False  # one that a program does not send has its default
        if self.instance.kind:
            for name, option in _fields_of(kind_named(self.instance.kind)).items():
                if option.name in self.instance.options and not option.secret:
                    self.initial[name] = self.instance.options[option.name]

    def clean(self) -> dict[str, Any]:
        """The fields, if a target could be opened with them; no connection is made."""
        cleaned = super().clean() or self.cleaned_data
        if "kind" not in cleaned:
            return cleaned
        kind = kind_named(cleaned["kind"])
        # An empty field means that the option was not given.
        given = {option.name: cleaned[name] for name, option in _fields_of(kind).items() if cleaned.get(name, "") != ""}
        secrets = {option.name for option in kind.options if option.secret}
        if secrets & given.keys():
            self.instance.secrets = json.dumps({name: given[name] for name in secrets & given.keys()})
        elif self.instance.kind != kind.name:
            self.instance.secrets = None
        defaults = {option.name: option.default for option in kind.options if not option.required}
        self.instance.options = {name: value for name, value in (defaults | given).items() if name not in secrets}
        self._openable(kind)
        return cleaned

    def _openable(self, kind: TargetKind) -> None:
        options, secrets = self.instance.options, self.instance.secrets
        try:
            target_check(target=StorageTarget(kind=kind.name, options=options, secrets=secrets))
        except TargetRootRefused as error:
            self._refuse(kind, error, error.detail)
        except TargetOptionsInvalid as error:
            self._refuse(kind, error, _(error.reason))

    def _refuse(self, kind: TargetKind, error: ApplicationError, reason: str | Promise) -> None:
        name = f"{kind.name}_{error.params['option']}"
        # An unknown option that is stored has no field.
        self.add_error(*((name, reason) if name in self.fields else (None, error.detail)))


# The admin reads the declared fields of the class; those of the kinds are not known before now.
StorageTargetForm.declared_fields.update(
    {name: _field(option) for kind in KINDS for name, option in _fields_of(kind).items()}
)


def _section(kind: TargetKind, target: StorageTarget | None) -> tuple[Any, dict[str, Any]]:
    own = target is not None and target.kind == kind.name
    return capfirst(_(kind.label)), {"fields": list(_fields_of(kind)), "classes": [] if own else ["collapse"]}


@admin.register(StorageTarget)
class StorageTargetAdmin(FleetAdmin):
    """Places for backups. The database keeps a target that holds anything."""

    form = StorageTargetForm
    list_display = ["name", "kind", "sealed", "is_default", "created_at"]
    ordering = ["name"]

    def get_fieldsets(self, request: HttpRequest, obj: StorageTarget | None = None) -> Any:
        """A section for each kind, open for the target's own; the stored JSON for staff who may only view."""
        target = ["name", "kind", "sealed", "is_default", "archive_format", "upkeep_hour"]
        if obj is not None and not self.has_change_permission(request, obj):
            return [(None, {"fields": [*target, "options"]})]
        return [(None, {"fields": target}), *(_section(kind, obj) for kind in KINDS)]

    def save_model(self, request: HttpRequest, obj: StorageTarget, form: forms.Form, change: bool) -> None:  # noqa: ARG002, FBT001  # Django's signature
        """Store the target."""
        actor: Any = request.user
        target_save(target=obj, actor=actor)

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


@admin.register(AssetExport)
class AssetExportAdmin(ReadOnlyAdmin):
    """Downloads that are made on the fly, as far as known; their restart points are not shown."""

    list_display = ["asset", "format", "size_bytes", "edition", "created_at"]
    list_select_related = ["asset"]
    fields = ["asset", "format", "choice", "edition", "size_bytes", "sha256", "created_at"]
    search_fields = ["=asset__id", "=sha256"]
    ordering = ["-created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AssetExport]:
        """Rows without their points, of which an archive of a million files has megabytes."""
        return super().get_queryset(request).defer("points")
