"""A portal with an authority, a sidecar without a certificate, and certificate requests."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from django.core.cache import cache

from provisions.models import Provision
from provisions.services.sidecar_authority import authority_create
from tests.factories import ProvisionFactory


@pytest.fixture(autouse=True)
def uncounted(db):
    """Reset throttles before each test."""
    cache.clear()


@pytest.fixture
def authority(db):
    return authority_create()


@pytest.fixture
def sidecar(authority) -> Provision:
    return ProvisionFactory(sidecar=True)


def request_pem(*, name: str = "", key=None) -> str:
    """A certificate request; any name in it must be ignored."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)] if name else [])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if name:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    request = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def names_of(certificate: str) -> list[str]:
    extensions = x509.load_pem_x509_certificate(certificate.encode()).extensions
    return extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
