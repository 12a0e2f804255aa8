"""A refusal takes the same work whether or not there is an account: nothing is learnt from how long it takes."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.services.tokens import token_create, token_revoke
from tests.factories import UserFactory
from tests.web.accounts.pages import RESET, sign_in, signed_in

NOBODY = ["nobody@example.com", "nobody", "maria@example.org", "Maria Lind"]
SOMEBODY = [
    "maria@example.com",
    "MARIA@example.COM",
    "Maria",
    "closed",
    "closed@example.com",
    "no-password",
    "a@b.example",
]


@pytest.fixture
def hashings(monkeypatch):
    """Each calculation of a password's hash, which is what takes long."""
    done = []
    encode = MD5PasswordHasher.encode

    def counted(self, password, salt):
        done.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return done


@pytest.fixture
def people(user):
    closed = UserFactory(username="closed", is_active=False)
    without = UserFactory(username="no-password")
    without.set_unusable_password()
    without.save()
    UserFactory(username="a@b.example", email="other@b.example")
    return [user, closed, without]


def work_of(ask):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        ask()
    # The throttles' cache makes room for itself now and then; statements about accounts do not depend on chance.
    heads = (query["sql"].partition(" WHERE ")[0] for query in queries)
    return [head for head in heads if '"accounts_' in head]


def test_refused_sign_in_takes_the_same_work_for_all(people, hashings):
    works = {}
    for login in NOBODY + SOMEBODY:
        cache.clear()  # the throttle of the address they all come from
        hashings.clear()
        client = Client()
        works[login] = (work_of(lambda: sign_in(client, login, "wrong-password")), len(hashings))  # noqa: B023
        assert not signed_in(client)
    assert {hashed for _queries, hashed in works.values()} == {1}
    assert len({tuple(queries) for queries, _hashed in works.values()}) == 1, works


def test_right_password_signs_in_after_one_check(people, hashings):
    for login in ("maria@example.com", "Maria"):
        hashings.clear()
        client = Client()
        sign_in(client, login)
        assert len(hashings) == 1
        assert signed_in(client)


@pytest.mark.parametrize("kind", ["revoked", "unknown", "of somebody closed"])
def test_refused_token_takes_the_same_work_for_all(kind, people):
    owner = people[1] if kind == "of somebody closed" else people[0]
    token, secret = token_create(user=owner, name="bot")
    token_revoke(token=token, actor=owner)
    named = secret if kind != "unknown" else "svp_unknown"

    def ask():
        answer = Client().get("/api/v1/orders/", headers={"authorization": f"Bearer {named}"})
        assert answer.status_code == 401

    assert len(work_of(ask)) == 1


@pytest.mark.parametrize("address", ["maria@example.com", "nobody@example.com", "closed@example.com"])
def test_password_reset_sends_one_mail_to_all_and_hashes_nothing(address, people, hashings, mailoutbox):
    assert Client().post(RESET, {"email": address}).status_code == 302
    assert ([mail.to for mail in mailoutbox], hashings) == ([[address]], [])
