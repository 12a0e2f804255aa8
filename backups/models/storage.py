"""Where bytes are: targets, the keys that seal them, the objects in them, and what can be downloaded."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer
from common.fields import EncryptedTextField


class TargetKind(models.TextChoices):
    """How a target is reached."""

    LOCAL = "local", _("local folder")
    S3 = "s3", _("S3")


class StorageTarget(models.Model):
    """A place for backups.

    options: of a local folder `{"root"}`; of S3 `{"bucket", "endpoint_url", "region", "prefix", "path_style",
    "conditional_writes"}`. secrets: encrypted JSON, of S3 `{"access_key", "secret_key"}`. sealed: archives are stored
    encrypted; a plain target holds the very bytes customers download.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    kind = models.CharField(_("kind"), max_length=16, choices=TargetKind.choices)
    options = models.JSONField(_("options"), default=dict)
    secrets = EncryptedTextField(null=True, blank=True, editable=False)
    sealed = models.BooleanField(_("encrypted"), default=True)
    is_default = models.BooleanField(_("default"), default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("storage target")
        verbose_name_plural = _("storage targets")
        constraints = [
            models.CheckConstraint(name="target_kind_known", condition=Q(kind__in=TargetKind.values)),
            models.UniqueConstraint(name="target_one_default", fields=["is_default"], condition=Q(is_default=True)),
        ]

    def __str__(self) -> str:
        return self.name


class DataKey(models.Model):
    """The key of one tenant on one target: 32 random bytes wrapped by the tenant key.

    copied_version: the KEK version that wraps the tenant key in the copy beside the objects, null before there is one.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="data_keys")
    target = models.ForeignKey(StorageTarget, on_delete=models.RESTRICT, related_name="data_keys")
    wrapped = models.BinaryField(editable=False)
    copied_version = models.PositiveIntegerField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="data_key_one_a_tenant_and_target", fields=["customer", "target"]),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} on {self.target_id}"


class StoredObject(models.Model):
    """An archive that is, or may be, in storage. The row is written before the first byte, and goes after the last.

    backup_id is not a foreign key on purpose: the row must outlive its backup until the object is gone. doomed_at:
    since then nothing needs the object; it and the manifest beside it are deleted, as often as it takes. swept_at:
    when they were; the row stays for a grace, in which a write that was late can still land, and is swept once more.
    """

    target = models.ForeignKey(StorageTarget, on_delete=models.RESTRICT, related_name="objects_stored")
    key = models.CharField(max_length=300)
    backup_id = models.UUIDField(db_index=True)
    doomed_at = models.DateTimeField(null=True, db_index=True)
    swept_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="stored_object_key_once", fields=["target", "key"])]

    def __str__(self) -> str:
        return self.key


class Asset(models.Model):
    """Something a customer can download.

    size_bytes and sha256 are of the bytes the customer gets; stored_bytes is what the object takes in storage.
    sealed: how this object was stored, whatever its target says today.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="assets")
    target = models.ForeignKey(StorageTarget, on_delete=models.RESTRICT, related_name="assets")
    key = models.CharField(max_length=300)
    sealed = models.BooleanField()
    size_bytes = models.PositiveBigIntegerField()
    stored_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    content_type = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="asset_key_once", fields=["target", "key"]),
            models.CheckConstraint(name="asset_sha256", condition=Q(sha256__regex=r"^[0-9a-f]{64}$")),
        ]

    def __str__(self) -> str:
        return self.key
