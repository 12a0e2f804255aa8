"""Authorities, certificates of sidecars, and enrolment tokens."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.fields import EncryptedTextField
from provisions.models.provision import Provision


class SidecarAuthority(models.Model):
    """An authority of this portal, for its own workers and sidecars only.

    certificate: PEM. key: PEM, sealed; gone when it was retired. Exactly one signs new certificates; during a rotation
    the previous one is trusted too, until it is retired.
    """

    certificate = models.TextField(editable=False)
    key = EncryptedTextField(null=True, editable=False)
    signs = models.BooleanField(_("signs"), default=False, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires at"), editable=False)
    retired_at = models.DateTimeField(_("retired at"), null=True, editable=False)

    class Meta:
        verbose_name = _("sidecar authority")
        verbose_name_plural = _("sidecar authorities")
        constraints = [
            models.UniqueConstraint(name="sidecar_authority_one_signs", fields=["signs"], condition=Q(signs=True)),
            models.CheckConstraint(
                name="sidecar_authority_retired_has_no_key",
                condition=Q(retired_at__isnull=True, key__isnull=False)
                | Q(retired_at__isnull=False, key__isnull=True, signs=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


class SidecarCertificate(models.Model):
    """A certificate of a sidecar. Workers trust only certificates that have not ended.

    installed_at: when the sidecar confirmed it. ended_at: when a newer one replaced it, or it was revoked.
    """

    provision = models.ForeignKey(Provision, on_delete=models.CASCADE, related_name="certificates")
    authority = models.ForeignKey(SidecarAuthority, on_delete=models.PROTECT, related_name="certificates")
    certificate = models.TextField(editable=False)
    fingerprint = models.CharField(_("fingerprint"), max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    renew_at = models.DateTimeField(_("renew at"), editable=False)
    expires_at = models.DateTimeField(_("expires at"), editable=False)
    tried_at = models.DateTimeField(null=True, editable=False)
    installed_at = models.DateTimeField(_("installed at"), null=True, editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)

    class Meta:
        verbose_name = _("sidecar certificate")
        verbose_name_plural = _("sidecar certificates")
        constraints = [
            models.UniqueConstraint(
                name="sidecar_certificate_one_in_use",
                fields=["provision"],
                condition=Q(installed_at__isnull=False, ended_at__isnull=True),
            ),
            models.CheckConstraint(
                name="sidecar_certificate_fingerprint_is_sha256", condition=Q(fingerprint__regex=r"^[0-9a-f]{64}$")
            ),
        ]
        indexes = [
            models.Index(
                name="sidecar_certificate_due",
                fields=["tried_at"],
                condition=Q(installed_at__isnull=False, ended_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.fingerprint[:16]


class SidecarEnrolment(models.Model):
    """An enrolment token, for one use. `digest` is the SHA-256 of the token, which was shown once."""

    provision = models.ForeignKey(Provision, on_delete=models.CASCADE, related_name="enrolments")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires at"), editable=False)
    used_at = models.DateTimeField(_("used at"), null=True, editable=False)

    class Meta:
        verbose_name = _("sidecar enrolment")
        verbose_name_plural = _("sidecar enrolments")
        constraints = [
            models.CheckConstraint(
                name="sidecar_enrolment_digest_is_sha256", condition=Q(digest__regex=r"^[0-9a-f]{64}$")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provision_id} {self.expires_at:%Y-%m-%d %H:%M}"
