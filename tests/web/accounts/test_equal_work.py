"""The work of a request does not reveal an account: hashes, queries and mails are counted, not seconds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.services.tokens import token_create, token_revoke
from accounts.web import adapters
from common.errors import NotAuthenticated
from provisions.services.sidecar_authority import authority_create
from provisions.services.sidecar_enrolment import enrolment_create, enrolments_end, sidecar_enrol
from tests.factories import ProvisionFactory, UserFactory
from tests.web.accounts.pages import LOGIN, RESET, sign_in

PRESENT = ["Maria", "maria@example.com", "MARIA@example.com"]
ABSENT = ["nobody", "nobody@example.com", "", "x" * 200]


@dataclass
class Work:
    """The cost of one request."""

    hashes: int = 0
    queries: list[str] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, list[str]]:
        """The hashes, and the queries' statements on tables about accounts."""
        # PostgreSQL's cursors have numbers.
        named = (re.sub(r'"_django_curs_[^"]*"', "cursor", sql) for sql in self.queries)
        kinds = [sql.split(" WHERE ")[0] for sql in named if "accounts_" in sql or "mfa_" in sql]
        return self.hashes, kinds


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Iterator[Work]]:
    @contextmanager
    def counting() -> Iterator[Work]:
        work, encode = Work(), MD5PasswordHasher.encode

        def counted_encode(self, password, salt):
            work.hashes += 1
            return encode(self, password, salt)

        # Earlier attempts of the compared requests must not influence this one.
        cache.clear()
        with monkeypatch.context() as patch, CaptureQueriesContext(connection) as captured:
            patch.setattr(MD5PasswordHasher, "encode", counted_encode)
            yield work
        work.queries = [query["sql"] for query in captured]

    return counting


@pytest.mark.parametrize("login", [*PRESENT, *ABSENT[:2], "closed@example.com", "unset@example.com"])
def test_failed_sign_in_hashes_one_password(login, user, counted):
    UserFactory(username="closed", is_active=False)
    unset = UserFactory(username="unset")
    unset.set_unusable_password()
    unset.save()
    with counted() as work:
        assert sign_in(Client(), login, "wrong").status_code == 200
    assert work.hashes == 1


@pytest.mark.parametrize(("present", "absent"), [("Maria", "nobody"), ("maria@example.com", "nobody@example.com")])
def test_failed_sign_in_asks_the_database_the_same(present, absent, user, counted):
    shapes = []
    for login in (present, absent):
        with counted() as work:
            sign_in(Client(), login, "wrong")
        assert work.shape[1]
        shapes.append(work.shape)
    assert shapes[0] == shapes[1]


def test_password_reset_asks_and_sends_the_same(user, counted, monkeypatch):
    handed = []
    monkeypatch.setattr(adapters, "mail_hand_over", lambda message, **_: handed.append(message))
    shapes = []
    for address in ("maria@example.com", "nobody@example.com"):
        with counted() as work:
            assert Client().post(RESET, {"email": address}).status_code == 302
        shapes.append(work.shape)
    assert [message.to for message in handed] == [["maria@example.com"], ["nobody@example.com"]]
    assert shapes[0] == shapes[1]
    assert shapes[0][0] == 0


def test_enrolment_token_costs_the_same_unknown_or_used(db, counted):
    authority_create()
    sidecar = ProvisionFactory(sidecar=True)
    token = enrolment_create(sidecar=sidecar, hours=1)
    enrolments_end(sidecar=sidecar)
    key = ec.generate_private_key(ec.SECP256R1())
    unsigned = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = unsigned.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()
    counts = []
    for sent in (token, "x" * len(token)):
        with CaptureQueriesContext(connection) as captured, pytest.raises(NotAuthenticated):
            sidecar_enrol(token=sent, request=request)
        counts.append([query["sql"].split(" WHERE ")[0] for query in captured if "SELECT" in query["sql"]])
    assert counts[0] == counts[1]
    assert len(counts[0]) == 1


def test_user_name_equal_to_an_address_still_needs_reauthentication(user):
    other = UserFactory(username="maria@example.com", email="other@example.com", password="another-password")
    browser = Client()
    assert sign_in(browser, "other@example.com", "another-password").status_code == 302
    assert browser.session["_auth_user_id"] == str(other.pk)
    again = browser.post("/accounts/reauthenticate/?next=/account/", {"password": "another-password"})
    assert again.status_code == 302


def test_token_that_is_none_costs_one_query_like_one_that_was_revoked(user, counted):
    token, secret = token_create(user=user, name="bot")
    token_revoke(token=token, actor=user)
    shapes = []
    for sent in (secret, "svp_" + "x" * 43):
        with counted() as work:
            answer = Client().get("/api/v1/orders/", headers={"Authorization": f"Bearer {sent}"})
        assert answer.status_code == 401
        shapes.append(work.shape)
    assert shapes[0] == shapes[1]
    assert len(shapes[0][1]) == 1


def test_sign_in_page_itself_asks_nothing_about_accounts(db, counted):
    with counted() as work:
        Client().get(LOGIN)
    assert work.shape == (0, [])
