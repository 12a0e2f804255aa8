"""Enrolment over HTTP: a token works once, for its own provision; an invalid one for nothing."""

from __future__ import annotations

import json
import logging
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.db import connection
from django.test import Client

from accounts.models import AuditEvent
from provisions.models import SidecarCertificate, SidecarEnrolment
from provisions.services.sidecar_authority import authority_create
from provisions.services.sidecar_enrolment import enrolment_create
from tests.factories import ProvisionFactory
from tests.provisions.conftest import names_of, request_pem

URL = "/api/v1/sidecars/enrol/"


def post(**body):
    return Client().post(URL, json.dumps(body), content_type="application/json")


def test_token_yields_a_certificate_of_its_own_provision_only(sidecar):
    other = ProvisionFactory(sidecar=True)
    key = ec.generate_private_key(ec.SECP256R1())
    token = enrolment_create(sidecar=sidecar, hours=1)
    answer = post(token=token, request=request_pem(name=f"{other.id}.sidecar.savepoint", key=key))
    assert answer.status_code == 200, answer.content
    assert set(answer.json()) == {"certificate", "authorities", "provision"}
    assert answer.json()["provision"] == str(sidecar.id)
    certificate = x509.load_pem_x509_certificate(answer.json()["certificate"].encode())
    assert names_of(answer.json()["certificate"]) == [f"{sidecar.id}.sidecar.savepoint"]
    assert str(other.id) not in certificate.subject.rfc4514_string()
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(answer.json()["authorities"].encode()))
    assert answer["Cache-Control"] == "private, no-cache"
    recorded = AuditEvent.objects.get(action="sidecar.enrol")
    assert recorded.object_id == sidecar.id
    assert token not in repr(recorded.data)


def expired(token, sidecar):
    SidecarEnrolment.objects.update(expires_at=SidecarEnrolment.objects.get().created_at)
    return token


def used(token, sidecar):
    assert post(token=token, request=request_pem()).status_code == 200
    return token


def replaced(token, sidecar):
    enrolment_create(sidecar=sidecar, hours=1)
    return token


@pytest.mark.parametrize(
    "spoil",
    [expired, used, replaced, lambda token, sidecar: token[:-1], lambda token, sidecar: token.swapcase()],
    ids=["expired", "used", "replaced", "cut", "other case"],
)
def test_a_token_that_is_not_good_gets_nothing(spoil, sidecar):
    token = spoil(enrolment_create(sidecar=sidecar, hours=1), sidecar)
    before = SidecarCertificate.objects.count()
    answer = post(token=token, request=request_pem())
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert SidecarCertificate.objects.count() == before


def rsa_request():
    return request_pem(key=rsa.generate_private_key(65537, 2048))


def other_curve_request():
    return request_pem(key=ec.generate_private_key(ec.SECP384R1()))


def forged_request():
    lines = request_pem().splitlines()
    lines[-2] = lines[-2][:-6] + ("AAAA" if not lines[-2].endswith("AAAA==") else "BBBB") + lines[-2][-2:]
    return "\n".join(lines)


@pytest.mark.parametrize("made", [rsa_request, other_curve_request, forged_request, lambda: "nothing"])
def test_a_request_without_a_good_key_is_refused_and_the_token_stays_good(made, sidecar):
    token = enrolment_create(sidecar=sidecar, hours=1)
    answer = post(token=token, request=made())
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert list(answer.json()["errors"]) == ["request"]
    assert post(token=token, request=request_pem()).status_code == 200


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"request": "x"}, {"token"}),
        ({"token": "x"}, {"request"}),
        ({"token": "x", "request": "x", "provision": "y"}, {"provision"}),
        ({"token": 1, "request": None}, {"request"}),
        ({"token": "x" * 101, "request": "x"}, {"token"}),
        ({"token": "x", "request": "x" * 10_001}, {"request"}),
    ],
)
def test_a_body_of_another_form_is_refused(body, named, db):
    answer = post(**body)
    assert answer.status_code == 400
    assert named <= set(answer.json()["errors"])


def test_guessing_is_throttled(db):
    statuses = [post(token="svpe_guess", request=request_pem()).status_code for _ in range(21)]
    assert statuses == [401] * 20 + [429]


def test_no_token_is_told_in_a_log(sidecar, caplog):
    token = enrolment_create(sidecar=sidecar, hours=1)
    with caplog.at_level(logging.DEBUG):
        post(token=token, request="nothing")
        post(token=token, request=request_pem())
        post(token=token, request=request_pem())
    assert token not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_one_of_two_concurrent_enrolments_gets_a_certificate(transactional_db):
    authority_create()
    sidecar = ProvisionFactory(sidecar=True)
    for _ in range(5):
        SidecarCertificate.objects.all().delete()
        token = enrolment_create(sidecar=sidecar, hours=1)
        start, statuses = threading.Barrier(2), []

        def knock(token=token, start=start, statuses=statuses):
            request = request_pem()
            start.wait(10)
            try:
                statuses.append(post(token=token, request=request).status_code)
            finally:
                connection.close()

        threads = [threading.Thread(target=knock) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(statuses) == [200, 401]
        assert SidecarCertificate.objects.count() == 1
