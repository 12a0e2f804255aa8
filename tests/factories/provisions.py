"""Game servers and sidecars."""

import hashlib
from datetime import timedelta

import factory
from django.utils import timezone

from provisions.certificates import FOR_SIDECARS, SIDECAR_LIFE, authority_make, certificate_sign, key_make
from provisions.models import Provision, ProvisionKind, SidecarAuthority, SidecarCertificate, SidecarEnrolment
from provisions.services.sidecar_authority import authority_issuer
from tests.factories.orders import OrderFactory


class ProvisionFactory(factory.django.DjangoModelFactory):
    """The primary deployment of an order; `sidecar=True` also creates its sidecar."""

    class Meta:
        model = Provision

    class Params:
        sidecar = factory.Trait(
            kind=ProvisionKind.SIDECAR, name="Agent", is_primary=False, address="127.0.0.1:9", token="sidecar-secret"
        )

    order = factory.SubFactory(OrderFactory)
    kind = ProvisionKind.DEPLOYMENT
    name = "World"
    is_primary = True


class SidecarAuthorityFactory(factory.django.DjangoModelFactory):
    """A real, trusted authority; `signs=True` makes it the signing one."""

    class Meta:
        model = SidecarAuthority

    class Params:
        made = factory.LazyFunction(authority_make)

    certificate = factory.LazyAttribute(lambda row: row.made[0].certificate)
    key = factory.LazyAttribute(lambda row: row.made[0].key)
    expires_at = factory.LazyAttribute(lambda row: row.made[1])


class SidecarCertificateFactory(factory.django.DjangoModelFactory):
    """A sidecar's certificate."""

    class Meta:
        model = SidecarCertificate

    class Params:
        signed = factory.LazyAttribute(
            lambda row: certificate_sign(
                issuer=authority_issuer(row.authority),
                public_key=key_make().public_key(),
                name=f"{row.provision.id}.sidecar.savepoint",
                usage=FOR_SIDECARS,
                life=SIDECAR_LIFE,
            )
        )

    provision = factory.SubFactory(ProvisionFactory, sidecar=True)
    authority = factory.SubFactory(SidecarAuthorityFactory)
    certificate = factory.LazyAttribute(lambda row: row.signed.certificate)
    fingerprint = factory.LazyAttribute(lambda row: row.signed.fingerprint)
    expires_at = factory.LazyAttribute(lambda row: row.signed.expires_at)
    renew_at = factory.LazyAttribute(lambda row: row.signed.expires_at - SIDECAR_LIFE / 3)
    installed_at = factory.LazyFunction(timezone.now)


class SidecarEnrolmentFactory(factory.django.DjangoModelFactory):
    """A valid token with the secret `secret`."""

    class Meta:
        model = SidecarEnrolment

    class Params:
        secret = factory.Sequence(lambda number: f"svpe_secret-{number}")

    provision = factory.SubFactory(ProvisionFactory, sidecar=True)
    digest = factory.LazyAttribute(lambda row: hashlib.sha256(row.secret.encode()).hexdigest())
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=24))
