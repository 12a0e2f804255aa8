"""Writes of sidecars' certificates: renewed over the wire before they end, and revoked."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.services.audit import audit_record
from common.errors import ApplicationError
from common.states import compare_and_set
from provisions.certificates import request_key
from provisions.models import Provision, SidecarCertificate
from provisions.services.sidecar_address import sidecar_address
from provisions.services.sidecar_authority import authorities_bundle, certificate_issue
from provisions.services.sidecar_enrolment import enrolments_end
from sidecar_client.client import SidecarClient, Ticket, Timeouts
from sidecar_client.errors import Refused, SidecarClientError

log = logging.getLogger(__name__)

BATCH = 50
TRY_EVERY = timedelta(hours=1)
PATIENCE = Timeouts(describe=5, reply=10)
"""A host that is away delays the renewals of the others no longer than this."""


def certificates_in_use() -> QuerySet[SidecarCertificate]:
    """The certificate that each sidecar has now."""
    return SidecarCertificate.objects.filter(installed_at__isnull=False, ended_at__isnull=True)


def sidecar_certificate_renew(*, sidecar: Provision) -> SidecarCertificate:
    """Give a sidecar a certificate of a new key, and the authorities of today. Returns the new one.

    An interruption leaves the sidecar reachable: both certificates are trusted until the new one was installed.
    Raises SidecarClientError, ApplicationError. Call it outside a transaction: it waits for the sidecar.
    """
    before = certificates_in_use().filter(provision=sidecar).first()
    if before is None:
        raise Refused("The sidecar has no certificate: enrol it first.")
    address = sidecar_address(sidecar)
    # No operation: the fence 0 is not stored.
    ticket = Ticket(operation=f"certificate-{uuid.uuid4()}", fence=0)
    with SidecarClient(address=address.target, token="", ticket=ticket, timeouts=PATIENCE, tls=address.tls) as client:
        try:
            public_key = request_key(client.certificate_request())
        except ValueError:
            raise Refused("The sidecar asked for a certificate in a way that the portal does not know.") from None
        # The portal trusts it from here on, so that the sidecar stays reachable if the next call is interrupted.
        issued = certificate_issue(sidecar=sidecar, public_key=public_key)
        client.certificate_install(chain=issued.certificate.encode(), authorities=authorities_bundle().encode())
    if not _install_note(issued=issued, before=before):
        raise Refused("The sidecar's certificate was revoked, or it was enrolled anew, while it was being renewed.")
    return issued


def sidecar_certificate_revoke(*, sidecar: Provision, actor: User | None = None) -> bool:
    """Revoke all certificates of this sidecar; it must be enrolled again. Return whether it had any."""
    with transaction.atomic():
        ended = SidecarCertificate.objects.filter(provision=sidecar, ended_at__isnull=True).update(
            ended_at=timezone.now()
        )
        enrolments_end(sidecar=sidecar)
        if ended:
            audit_record(actor=actor, action="sidecar.revoke", order_id=sidecar.order_id, object_id=sidecar.id)
    return bool(ended)


def sidecar_certificates_renew_due() -> int:
    """Renew certificates past two thirds of their life or of an older authority, a bounded batch; return how many."""
    now = timezone.now()
    due = certificates_in_use().filter(
        Q(renew_at__lte=now) | Q(authority__signs=False),
        Q(tried_at__isnull=True) | Q(tried_at__lte=now - TRY_EVERY),
        expires_at__gt=now,
    )
    # Failed ones go last: a host that is away does not block the others.
    rows = due.select_related("provision").defer("provision__token").order_by(F("tried_at").asc(nulls_first=True))
    renewed = 0
    for row in rows[:BATCH]:
        if not compare_and_set(due.filter(pk=row.pk), tried_at=now):
            # Another process does it.
            continue
        try:
            sidecar_certificate_renew(sidecar=row.provision)
        except (SidecarClientError, ApplicationError) as error:
            log.warning("the certificate of sidecar %s was not renewed: %s", row.provision_id, error)
            continue
        renewed += 1
    return renewed


def _install_note(*, issued: SidecarCertificate, before: SidecarCertificate) -> bool:
    """Record that the sidecar installed the certificate, and end the earlier ones.

    Return False, and end the new one too, when the previous one was revoked meanwhile: a renewal must not undo that.
    """
    now = timezone.now()
    with transaction.atomic():
        row = SidecarCertificate.objects.filter(pk=issued.pk)
        if not compare_and_set(certificates_in_use().filter(pk=before.pk), ended_at=now):
            row.update(ended_at=now)
            return False
        issued.installed_at = now
        row.update(installed_at=now)
        # Certificates of earlier, interrupted renewals.
        older = SidecarCertificate.objects.filter(provision_id=issued.provision_id, ended_at__isnull=True)
        older.exclude(pk=issued.pk).update(ended_at=now)
        audit_record(actor=None, action="sidecar.renew", object_id=issued.provision_id, fingerprint=issued.fingerprint)
    return True
