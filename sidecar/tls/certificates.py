"""Keys, requests and certificates (X.509, ECDSA P-256) in the encodings of files and wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


class CertificateError(Exception):
    """A key, a certificate or their files cannot be used; the message never quotes a key."""


@dataclass(frozen=True, slots=True)
class Identity:
    """This sidecar's key and certificate, and the authorities of its callers, all PEM; `name` is the certificate's."""

    name: str
    key: bytes = field(repr=False)
    certificate: bytes
    authorities: bytes


def key_make() -> bytes:
    """Generate a private key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def request_make(key: bytes) -> bytes:
    """A request for a certificate of that key, PKCS #10, DER. It holds no name: the portal knows the requester."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(_key(key), SHA256()).public_bytes(Encoding.DER)


def key_fits(*, key: bytes, certificate: bytes) -> bool:
    """Whether the certificate belongs to that key. Raises `CertificateError`."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _key(key).public_key().public_bytes(*form) == _certificate(certificate).public_key().public_bytes(*form)


def certificate_name(certificate: bytes) -> str:
    """The one name in a currently valid certificate. Raises `CertificateError`."""
    parsed = _certificate(certificate)
    now = datetime.now(UTC)
    if now >= parsed.not_valid_after_utc:
        raise CertificateError(f"the certificate expired on {parsed.not_valid_after_utc:%Y-%m-%d}")
    if now < parsed.not_valid_before_utc:
        raise CertificateError("the certificate is not valid yet: is the clock right?")
    try:
        alternatives = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (name,) = alternatives.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        raise CertificateError("the certificate does not name one sidecar") from None
    return name


def authorities_check(authorities: bytes) -> None:
    """Raise `CertificateError` unless these are certificates."""
    _authorities(authorities)


def signer_require(*, certificate: bytes, authorities: bytes) -> None:
    """Raise `CertificateError` unless one of the authorities signed the certificate."""
    parsed = _certificate(certificate)
    for authority in _authorities(authorities):
        try:
            parsed.verify_directly_issued_by(authority)
        except Exception:  # noqa: BLE001, S112 - of several kinds, all meaning that another authority signed it
            continue
        return
    raise CertificateError("the certificate was signed by none of the authorities")


def _key(key: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        parsed = load_pem_private_key(key, None)
    except (ValueError, TypeError):
        # The parser's message could quote the key.
        raise CertificateError("the key is damaged") from None
    if not isinstance(parsed, ec.EllipticCurvePrivateKey):
        raise CertificateError("the key has an unsupported type")
    return parsed


def _certificate(certificate: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate)
    except ValueError:
        raise CertificateError("the certificate is damaged") from None


def _authorities(authorities: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(authorities)
    except ValueError:
        raise CertificateError("the authorities are damaged") from None
