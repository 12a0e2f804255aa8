"""Writes of authorities and of the certificates that they sign."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.services.audit import audit_record
from common.errors import KeyUnavailable
from provisions.certificates import FOR_SIDECARS, SIDECAR_LIFE, Issuer, authority_make, certificate_sign
from provisions.errors import NoSidecarAuthority, SidecarAuthorityExists, SidecarAuthorityNeeded
from provisions.models import Provision, SidecarAuthority, SidecarCertificate
from wire.contract import sidecar_name


def authority_create() -> SidecarAuthority:
    """Make the portal's first authority. Raises SidecarAuthorityExists."""
    issuer, expires_at = authority_make()
    try:
        with transaction.atomic():
            authority = SidecarAuthority.objects.create(
                certificate=issuer.certificate, key=issuer.key, signs=True, expires_at=expires_at
            )
            audit_record(actor=None, action="sidecar_authority.create", authority=authority.pk)
    except IntegrityError:
        raise SidecarAuthorityExists from None
    return authority


def authority_rotate() -> SidecarAuthority:
    """Create a new authority, which signs from now on; earlier ones stay trusted. Raises NoSidecarAuthority."""
    issuer, expires_at = authority_make()
    with transaction.atomic():
        if not SidecarAuthority.objects.filter(signs=True).update(signs=False):
            raise NoSidecarAuthority
        authority = SidecarAuthority.objects.create(
            certificate=issuer.certificate, key=issuer.key, signs=True, expires_at=expires_at
        )
        audit_record(actor=None, action="sidecar_authority.rotate", authority=authority.pk)
    return authority


def authorities_retire() -> int:
    """Trust only the signing authority from now on, and destroy the keys of the others; return how many.

    Raises SidecarAuthorityNeeded while a sidecar has a certificate of one of them.
    """
    with transaction.atomic():
        old = SidecarAuthority.objects.filter(signs=False, retired_at__isnull=True)
        using = SidecarCertificate.objects.filter(authority__in=old, installed_at__isnull=False, ended_at__isnull=True)
        if sidecars := using.count():
            raise SidecarAuthorityNeeded(sidecars=sidecars)
        # Certificates that were signed and perhaps never arrived.
        SidecarCertificate.objects.filter(authority__in=old, ended_at__isnull=True).update(ended_at=timezone.now())
        retired = old.update(retired_at=timezone.now(), key=None)
        if retired:
            # Sidecars trust the authorities of their last renewal: a renewal tells them the list without these.
            SidecarCertificate.objects.filter(ended_at__isnull=True).update(renew_at=timezone.now())
            audit_record(actor=None, action="sidecar_authority.retire", authorities=retired)
    return retired


def authority_signing() -> SidecarAuthority:
    """The authority that signs now. Raises NoSidecarAuthority, KeyUnavailable."""
    authority = SidecarAuthority.objects.filter(signs=True).first()
    if authority is None:
        raise NoSidecarAuthority
    return authority


def authorities_bundle() -> str:
    """The certificates of all trusted authorities, PEM, newest first."""
    believed = SidecarAuthority.objects.filter(retired_at__isnull=True).order_by("-id")
    return "".join(believed.values_list("certificate", flat=True))


def authority_issuer(authority: SidecarAuthority) -> Issuer:
    """The authority with its key, to sign with. Raises KeyUnavailable when it was retired meanwhile."""
    if authority.key is None:
        raise KeyUnavailable
    return Issuer(certificate=authority.certificate, key=authority.key)


def certificate_issue(*, sidecar: Provision, public_key: ec.EllipticCurvePublicKey) -> SidecarCertificate:
    """Sign a certificate for a sidecar, and trust it from now on. Raises NoSidecarAuthority, KeyUnavailable."""
    authority = authority_signing()
    signed = certificate_sign(
        issuer=authority_issuer(authority),
        public_key=public_key,
        name=sidecar_name(str(sidecar.id)),
        usage=FOR_SIDECARS,
        life=SIDECAR_LIFE,
    )
    return SidecarCertificate.objects.create(
        provision=sidecar,
        authority=authority,
        certificate=signed.certificate,
        fingerprint=signed.fingerprint,
        # A renewal is due after two thirds of its life, which leaves time to repair the cause of a failed one.
        renew_at=signed.expires_at - SIDECAR_LIFE / 3,
        expires_at=signed.expires_at,
    )
