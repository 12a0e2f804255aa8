"""The authority: one signs, its key is sealed, it rotates without losing a sidecar, and it retires for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from common.errors import KeyUnavailable
from common.fields import EncryptedTextField
from provisions.certificates import FOR_WORKERS, Issuer, certificate_sign, key_make, request_key
from provisions.errors import NoSidecarAuthority, SidecarAuthorityExists, SidecarAuthorityNeeded
from provisions.models import SidecarAuthority
from provisions.services.sidecar_address import sidecar_address
from provisions.services.sidecar_authority import (
    authorities_bundle,
    authorities_retire,
    authority_create,
    authority_issuer,
    authority_rotate,
)
from provisions.services.sidecar_certificates import sidecar_certificate_revoke
from provisions.services.sidecar_enrolment import enrolment_create, sidecar_enrol
from sidecar_client.errors import Refused
from tests.factories import (
    ProvisionFactory,
    SidecarAuthorityFactory,
    SidecarCertificateFactory,
    SidecarEnrolmentFactory,
)
from tests.provisions.conftest import names_of, request_pem
from vault.services.key_rotation import ENCRYPTED_COLUMNS

pytestmark = pytest.mark.django_db


def enrol(sidecar):
    return sidecar_enrol(token=enrolment_create(sidecar=sidecar, hours=1), request=request_pem())


def parsed(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def test_an_authority_signs_for_ends_only_and_ten_years(authority):
    certificate = parsed(authority.certificate)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    assert timedelta(days=3649) < certificate.not_valid_after_utc - datetime.now(UTC) <= timedelta(days=3650)


def test_sidecar_certificate_is_for_serving_one_name_for_ninety_days(sidecar):
    certificate = parsed(enrol(sidecar).certificate)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).critical
    assert timedelta(days=89) < certificate.not_valid_after_utc - datetime.now(UTC) <= timedelta(days=90)


def test_worker_certificate_is_for_calling_under_one_name_for_seven_days(sidecar):
    enrol(sidecar)
    tls = sidecar_address(sidecar).tls
    certificate = parsed(tls.certificate.decode())
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert names_of(tls.certificate.decode()) == ["worker.savepoint"]
    assert timedelta(days=6) < certificate.not_valid_after_utc - datetime.now(UTC) <= timedelta(days=7)
    assert tls.key.decode() not in repr(tls)
    assert "PRIVATE" not in repr(sidecar_address(sidecar))


def test_no_certificate_outlives_its_authority(authority):
    signed = certificate_sign(
        issuer=authority_issuer(authority),
        public_key=key_make().public_key(),
        name="worker.savepoint",
        usage=FOR_WORKERS,
        life=timedelta(days=36_500),
    )
    assert parsed(signed.certificate).not_valid_after_utc == parsed(authority.certificate).not_valid_after_utc


def test_the_key_is_sealed_in_the_database(authority):
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM provisions_sidecarauthority")
        (stored,) = cursor.fetchone()
    assert b"PRIVATE" not in bytes(stored)
    assert len(bytes(stored)) > 200
    assert SidecarAuthority.objects.get().key.startswith("-----BEGIN PRIVATE KEY-----")


def test_there_is_one_that_signs(authority):
    with pytest.raises(SidecarAuthorityExists):
        authority_create()
    authority_rotate()
    assert SidecarAuthority.objects.filter(signs=True).count() == 1
    assert SidecarAuthority.objects.count() == 2


def test_nothing_is_signed_or_rotated_without_one(db):
    with pytest.raises(NoSidecarAuthority):
        authority_rotate()
    with pytest.raises(NoSidecarAuthority):
        enrolment_create(sidecar=ProvisionFactory(sidecar=True), hours=1)


def test_worker_shows_each_sidecar_an_authority_it_knows_during_rotation(authority, sidecar):
    enrol(sidecar)
    new = authority_rotate()
    assert _signer(sidecar) == parsed(authority.certificate).subject
    late = ProvisionFactory(sidecar=True)
    enrolled = enrol(late)
    parsed(sidecar_address(late).tls.certificate.decode()).verify_directly_issued_by(parsed(new.certificate))
    assert enrolled.authorities == new.certificate + authority.certificate


def _signer(sidecar):
    return parsed(sidecar_address(sidecar).tls.certificate.decode()).issuer


def test_authority_retires_only_once_unused_and_loses_its_key(authority, sidecar):
    enrol(sidecar)
    new = authority_rotate()
    with pytest.raises(SidecarAuthorityNeeded, match="sidecar_authority_needed"):
        authorities_retire()
    assert authorities_bundle() == new.certificate + authority.certificate
    enrol(sidecar)
    assert authorities_retire() == 1
    assert authorities_bundle() == new.certificate
    retired = SidecarAuthority.objects.get(pk=authority.pk)
    assert retired.key is None
    with pytest.raises(KeyUnavailable):
        authority_issuer(retired)
    # Sidecars are told soon, not only when their certificate expires.
    assert sidecar.certificates.get(ended_at=None).renew_at <= timezone.now()
    assert authorities_retire() == 0


def test_a_revoked_sidecar_is_not_connected_to_not_even_with_its_old_token(sidecar):
    assert sidecar_address(sidecar).token == "sidecar-secret"
    first = enrol(sidecar)
    address = sidecar_address(sidecar)
    assert (address.token, address.tls.server_name) == ("", f"{sidecar.id}.sidecar.savepoint")
    assert address.tls.authorities.decode() == first.certificate
    unused = enrolment_create(sidecar=sidecar, hours=1)
    assert sidecar_certificate_revoke(sidecar=sidecar)
    with pytest.raises(Refused):
        sidecar_address(sidecar)
    with pytest.raises(Exception, match="not_authenticated"):
        sidecar_enrol(token=unused, request=request_pem())
    assert not sidecar_certificate_revoke(sidecar=sidecar)
    second = enrol(sidecar)
    # The revoked certificate, possibly stolen, is not trusted again.
    assert sidecar_address(sidecar).tls.authorities.decode() == second.certificate != first.certificate


def test_a_worker_certificate_is_made_once_and_again_in_time(sidecar, monkeypatch):
    enrol(sidecar)
    first = sidecar_address(sidecar).tls
    assert sidecar_address(sidecar).tls.certificate == first.certificate
    later = timezone.now() + timedelta(days=5)
    monkeypatch.setattr("provisions.services.sidecar_address.timezone.now", lambda: later)
    assert sidecar_address(sidecar).tls.certificate != first.certificate


@pytest.mark.parametrize("request_", [b"", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", b"\x30\x03\x02\x01\x00"])
def test_invalid_certificate_request_is_a_value_error(request_):
    with pytest.raises(ValueError):  # noqa: PT011  # the libraries' own words differ
        request_key(request_)


def test_an_issuer_never_shows_its_key(authority):
    issuer = authority_issuer(authority)
    assert isinstance(issuer, Issuer)
    assert "PRIVATE" not in repr(issuer)


def told(*arguments: str) -> str:
    out = StringIO()
    call_command("sidecar_ca", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_the_command_from_the_first_to_the_last(db):
    sidecar = ProvisionFactory(sidecar=True)
    with pytest.raises(CommandError, match="sidecar_ca init"):
        told("enrol", str(sidecar.id))
    assert "signs from now on" in told("init")
    with pytest.raises(CommandError, match="sidecar_ca rotate"):
        told("init")
    token = told("enrol", str(sidecar.id), "--hours", "2").strip()
    assert token.startswith("svpe_")
    enrolment = sidecar.enrolments.get()
    assert timedelta(minutes=119) < enrolment.expires_at - timezone.now() <= timedelta(hours=2)
    assert token not in repr(vars(enrolment))
    sidecar_enrol(token=token, request=request_pem())
    assert f"sidecar {sidecar.id} until" in told("show")
    assert "PRIVATE" not in told("show")
    assert "signs from now on" in told("rotate")
    with pytest.raises(CommandError, match="1 sidecar still has a certificate of an older authority"):
        told("retire")
    assert told("revoke", str(sidecar.id)) == "revoked\n"
    assert told("retire") == "1 authorities retired\n"
    with pytest.raises(CommandError, match="0 renewed, 1 failed"):
        told("renew", str(sidecar.id))
    assert told("renew", "--all") == "0 renewed, 0 failed\n"


@pytest.mark.parametrize("hours", ["0", "-1", "169"])
def test_a_token_is_good_for_a_week_at_most(hours, sidecar):
    with pytest.raises(CommandError, match="--hours"):
        told("enrol", str(sidecar.id), f"--hours={hours}")


def test_only_a_sidecar_is_enrolled(authority):
    with pytest.raises(CommandError, match="kind sidecar"):
        told("enrol", str(ProvisionFactory().id))


def test_master_key_rotation_rewraps_every_sealed_column():
    sealed = {
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, EncryptedTextField)
    }
    assert (SidecarAuthority, "key") in sealed
    assert sealed == set(ENCRYPTED_COLUMNS)


@pytest.mark.parametrize("made", [SidecarAuthorityFactory, SidecarCertificateFactory, SidecarEnrolmentFactory])
def test_staff_see_authorities_without_secrets_and_change_nothing(made, client):
    client.force_login(User.objects.create_superuser("root", "root@example.com"))
    row = made()
    name = f"admin:provisions_{row._meta.model_name}"
    for url in (reverse(f"{name}_changelist"), reverse(f"{name}_change", args=[row.pk])):
        page = client.get(url)
        assert page.status_code == 200
        for secret in (getattr(row, "key", None), getattr(row, "digest", None), "PRIVATE"):
            assert not secret or secret not in page.content.decode()
    assert client.get(reverse(f"{name}_add")).status_code == 403
    assert client.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
    assert client.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
