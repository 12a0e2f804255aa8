"""Writes of enrolments: an operator's one-time token, and the certificate that a sidecar gets for it."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.services.audit import audit_record
from common.errors import NotAuthenticated, ValidationError
from common.states import compare_and_set
from provisions.certificates import request_key
from provisions.errors import NotASidecar
from provisions.models import Provision, ProvisionKind, SidecarCertificate, SidecarEnrolment
from provisions.services.sidecar_authority import authorities_bundle, authority_signing, certificate_issue

PREFIX = "svpe_"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The result of an enrolment: certificate and trusted authorities (both PEM), and the id of the provision."""

    certificate: str
    authorities: str
    provision: str


def enrolment_create(*, sidecar: Provision, hours: int) -> str:
    """Return a token that enrols this sidecar once within so many hours; it is stored nowhere. Older ones end.

    Raises NotASidecar, NoSidecarAuthority.
    """
    if sidecar.kind != ProvisionKind.SIDECAR:
        raise NotASidecar
    token = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        authority_signing()
        enrolments_end(sidecar=sidecar)
        enrolment = SidecarEnrolment.objects.create(
            provision=sidecar, digest=_digest(token), expires_at=timezone.now() + timedelta(hours=hours)
        )
        audit_record(
            actor=None, action="sidecar.enrolment", order_id=sidecar.order_id, object_id=sidecar.id, token=enrolment.pk
        )
    return token


def enrolments_end(*, sidecar: Provision) -> None:
    """Invalidate earlier enrolment tokens of this sidecar."""
    now = timezone.now()
    SidecarEnrolment.objects.filter(provision=sidecar, used_at__isnull=True, expires_at__gt=now).update(expires_at=now)


def sidecar_enrol(*, token: str, request: str) -> Enrolled:
    """Use up the token and sign for its provision, whatever name the request has. Certificates before this one end.

    Raises ValidationError for a request without a good key (the token stays good), NotAuthenticated for a token that
    is wrong, used or too old, KeyUnavailable.
    """
    try:
        public_key = request_key(request.encode())
    except ValueError:
        raise ValidationError(errors={"request": [_("This is not a certificate request of a P-256 key.")]}) from None
    now = timezone.now()
    with transaction.atomic():
        enrolments = SidecarEnrolment.objects.filter(digest=_digest(token), used_at__isnull=True, expires_at__gt=now)
        enrolment = enrolments.select_related("provision").defer("provision__token").first()
        if enrolment is None or not compare_and_set(enrolments.filter(pk=enrolment.pk), used_at=now):
            raise NotAuthenticated
        sidecar = enrolment.provision
        SidecarCertificate.objects.filter(provision=sidecar, ended_at__isnull=True).update(ended_at=now)
        issued = certificate_issue(sidecar=sidecar, public_key=public_key)
        issued.installed_at = now
        issued.save(update_fields=["installed_at"])
        audit_record(
            actor=None,
            action="sidecar.enrol",
            order_id=sidecar.order_id,
            object_id=sidecar.id,
            fingerprint=issued.fingerprint,
        )
        return Enrolled(certificate=issued.certificate, authorities=authorities_bundle(), provision=str(sidecar.id))


def _digest(token: str) -> str:
    # A token has 256 random bits: a fast hash is enough, nobody can guess one.
    return hashlib.sha256(token.encode()).hexdigest()
