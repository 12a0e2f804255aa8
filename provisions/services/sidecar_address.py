"""The address of a sidecar, with the credentials of worker and sidecar."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from provisions.certificates import FOR_WORKERS, WORKER_LIFE, certificate_sign, key_make, key_pem
from provisions.models import Provision, SidecarAuthority, SidecarCertificate
from provisions.services.sidecar_authority import authority_issuer
from sidecar_client.errors import Refused
from sidecar_client.values import Address, TlsIdentity
from wire.contract import WORKER_NAME, sidecar_name


def sidecar_address(sidecar: Provision) -> Address:
    """Where and how to reach a sidecar. Raises sidecar_client.errors.Refused, KeyUnavailable.

    One that ever had a certificate is reached over TLS only: a revocation must not lead back to plain text. The worker
    trusts exactly the certificates that the portal signed for it and that have not ended. A revoked one is refused
    although its signature is valid.
    """
    signed = SidecarCertificate.objects.filter(provision=sidecar)
    believed = list(signed.filter(ended_at__isnull=True).select_related("authority").defer("authority__key"))
    if not believed and not signed.exists():
        return Address(target=sidecar.address, token=sidecar.token or "")
    installed = next((row for row in believed if row.installed_at is not None), None)
    if installed is None:
        raise Refused("The sidecar's certificate was revoked, and it has not been enrolled again.")
    own = _worker_own(installed.authority)
    tls = TlsIdentity(
        server_name=sidecar_name(str(sidecar.id)),
        authorities="".join(row.certificate for row in believed).encode(),
        certificate=own.certificate.encode(),
        key=own.key.encode(),
    )
    return Address(target=sidecar.address, token="", tls=tls)


@dataclass(frozen=True, slots=True)
class _Own:
    certificate: str
    key: str
    renew_at: datetime

    def __repr__(self) -> str:
        return "<a worker's certificate and key>"


_own: dict[str, _Own] = {}
_own_lock = threading.Lock()


def _worker_own(authority: SidecarAuthority) -> _Own:
    """This process's certificate of that authority and its key, which is in memory only and renewed in time.

    It is of the authority that signed for the sidecar, which that sidecar is certain to trust, also during a rotation.
    """
    with _own_lock:
        own = _own.get(authority.certificate)
        if own is None or timezone.now() >= own.renew_at or authority.retired_at is not None:
            own = _own[authority.certificate] = _worker_certificate(authority)
        return own


def _worker_certificate(authority: SidecarAuthority) -> _Own:
    key = key_make()
    signed = certificate_sign(
        issuer=authority_issuer(authority),
        public_key=key.public_key(),
        name=WORKER_NAME,
        usage=FOR_WORKERS,
        life=WORKER_LIFE,
    )
    return _Own(certificate=signed.certificate, key=key_pem(key), renew_at=signed.expires_at - WORKER_LIFE / 3)
