"""Authorities and certificates: X.509, ECDSA P-256, PEM. Each certificate names one worker or sidecar."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

AUTHORITY_LIFE = timedelta(days=3650)
SIDECAR_LIFE = timedelta(days=90)
WORKER_LIFE = timedelta(days=7)
CLOCKS_APART = timedelta(hours=1)
"""A certificate is valid from a little before now: the clocks of hosts disagree."""

FOR_SIDECARS = ExtendedKeyUsageOID.SERVER_AUTH
FOR_WORKERS = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority that can sign: its certificate and key, PEM."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate, PEM; the SHA-256 of its DER in hexadecimal; until when it is valid."""

    certificate: str
    fingerprint: str
    expires_at: datetime


def key_make() -> ec.EllipticCurvePrivateKey:
    """A new private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """The key in plain PEM: for a sealed column or this process's memory only."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def authority_make() -> tuple[Issuer, datetime]:
    """A new authority, and until when it is valid. It may sign certificates of ends, never of another authority."""
    key, now, serial = key_make(), datetime.now(UTC), x509.random_serial_number()
    # Two authorities with one name could be confused during a rotation.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Savepoint sidecars {serial:040x}")])
    expires_at = _whole_seconds(now + AUTHORITY_LIFE)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - CLOCKS_APART)
        .not_valid_after(expires_at)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return Issuer(certificate=_pem(certificate), key=key_pem(key)), expires_at


def certificate_sign(
    *,
    issuer: Issuer,
    public_key: ec.EllipticCurvePublicKey,
    name: str,
    usage: ObjectIdentifier,
    life: timedelta,
) -> Signed:
    """A certificate for that name and use (`FOR_SIDECARS`, `FOR_WORKERS`), which ends no later than its issuer."""
    authority = x509.load_pem_x509_certificate(issuer.certificate.encode())
    key = load_pem_private_key(issuer.key.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("an authority's key is of another kind")
    now = datetime.now(UTC)
    expires_at = min(_whole_seconds(now + life), authority.not_valid_after_utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_APART)
        .not_valid_after(expires_at)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return Signed(
        certificate=_pem(certificate), fingerprint=certificate.fingerprint(SHA256()).hex(), expires_at=expires_at
    )


def request_key(request: bytes) -> ec.EllipticCurvePublicKey:
    """The key in a request (PKCS #10, PEM or DER) that its sender has shown to hold. Raises ValueError.

    Other fields of the request, above all its name, are ignored.
    """
    load = x509.load_pem_x509_csr if request.startswith(b"-----") else x509.load_der_x509_csr
    try:
        read = load(request)
        key = read.public_key()
        shown = read.is_signature_valid
    except (UnsupportedAlgorithm, InvalidSignature, TypeError) as error:
        raise ValueError("a request with a key of another kind") from error
    if not shown or not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("a request without a signature by its key, or with a key of another kind")
    return key


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _whole_seconds(at: datetime) -> datetime:
    """In the precision of a certificate."""
    return at.replace(microsecond=0)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
